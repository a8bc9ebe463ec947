"""A person's word on a prediction."""

from pathlib import Path

import pytest

from audit.models import Event, Subject
from hedis.accounts.models import User
from predictions import reviewing
from predictions.models import Prediction, Verdict
from tests.factories import make_gap, make_measure, make_member
from tests.predictions.registered import make_model
from tests.predictions.scored import make_prediction


@pytest.fixture
def prediction(db: None, ben: User, tmp_path: Path) -> Prediction:
    measure = make_measure("COL")
    return make_prediction(make_gap(make_member(), measure), make_model(tmp_path, measure=measure, by=ben))


def test_a_review_is_kept_with_the_probability_as_it_stood(prediction: Prediction, ana: User) -> None:
    made = reviewing.review(prediction, verdict=Verdict.TOO_HIGH, note=" Visit is booked. ", by=ana)
    assert (made.probability, made.scored_at, made.by, made.note) == (
        prediction.probability, prediction.scored_at, "ana", "Visit is booked.",
    )  # fmt: skip
    event = Event.objects.get(action="prediction.reviewed")
    assert Subject.objects.get(event_id=event.pk).member_pseudonym == prediction.member.pseudonym
    prediction.refresh_from_db()
    assert prediction.probability == made.probability


def test_who_agrees_need_not_say_why(prediction: Prediction, ana: User) -> None:
    assert reviewing.review(prediction, verdict="agree", note="", by=ana).verdict == Verdict.AGREE


@pytest.mark.parametrize(
    "verdict, note, field",
    [("too_low", "  ", "note"), ("maybe", "so", "verdict"), ("wrong_input", "x" * 2001, "note")],
)
def test_a_review_that_says_too_little_or_too_much_is_refused(
    prediction: Prediction, ana: User, verdict: str, note: str, field: str
) -> None:
    with pytest.raises(reviewing.ReviewError) as refused:
        reviewing.review(prediction, verdict=verdict, note=note, by=ana)
    assert refused.value.field == field and not prediction.reviews.exists()
