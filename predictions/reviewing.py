"""What people who know the member say of a prediction. It changes no score; it is what the next model is judged by."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from predictions.models import Prediction, PredictionReview, Verdict

LONGEST_NOTE = 2000


class ReviewError(Exception):
    """The review cannot be taken. `field` says which part of it, the message why."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


@transaction.atomic
def review(prediction: Prediction, *, verdict: str, note: str, by: Any) -> PredictionReview:
    """Store a person's word on a prediction, with the probability as it stands. Who disagrees says why.

    Raises ReviewError for an unknown verdict, a disagreement without a note, a note of over 2,000 characters.
    """
    if verdict not in Verdict.values:
        raise ReviewError(f"There is no verdict {verdict!r}: {', '.join(Verdict.values)}.", field="verdict")
    said = note.strip()
    if verdict != Verdict.AGREE and not said:
        raise ReviewError("Say why you disagree.", field="note")
    if len(said) > LONGEST_NOTE:
        raise ReviewError(f"{len(said):,} characters; at most {LONGEST_NOTE:,} are kept.", field="note")
    # Held, so that the word is on the score it is stored with and not on one made this very moment.
    now = Prediction.objects.select_for_update(of=("self",)).select_related("member", "measure").get(pk=prediction.pk)
    made = PredictionReview.objects.create(
        prediction=now, verdict=verdict, note=said, probability=now.probability, scored_at=now.scored_at,
        by=by if isinstance(by, str) else by.get_username(), at=timezone.now(),
    )  # fmt: skip
    ledger.record(
        Event.Kind.CHANGE, "prediction.reviewed", object_type="prediction", object_id=now.pk,
        after={"verdict": verdict, "note": said, "probability": now.probability, "measure": now.measure.code,
               "year": now.year},
        members=[now.member.pseudonym], by=by,
    )  # fmt: skip
    return made
