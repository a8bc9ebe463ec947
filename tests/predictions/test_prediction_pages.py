"""Predictions on pages: in the list of gaps, the queue, a gap's card; their own list and page; the scoring runs."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit.models import Event, Subject
from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.gaps.models import FindingRun, Gap, Status
from hedis.lib import jobs, runs
from predictions import plan_training, portfolio_run, reason_chart, score_words
from predictions.models import (
    ModelVersion,
    Prediction,
    PredictionReview,
    Recommendation,
    ScoringRun,
    State,
    Tier,
    Verdict,
)
from predictions.score_words import Reason
from tests.conftest import person
from tests.factories import make_contract, make_gap, make_measure, make_member
from tests.predictions import portfolio
from tests.predictions.portfolio import CODES, PEOPLE, YEAR, registered
from tests.predictions.scored import make_model_row, make_prediction

pytestmark = pytest.mark.django_db
LIST, RUNS = "/admin/predictions/prediction/", "/admin/predictions/scoringrun/"
GAPS, QUEUE = reverse("admin:gaps_gap_changelist"), reverse("admin:my_queue")


@pytest.fixture
def model(db: None) -> ModelVersion:
    """A model of COL in force."""
    return make_model_row(make_measure("COL"))


@pytest.fixture
def prediction(ana: User, model: ModelVersion) -> Prediction:
    """High, of an open gap of a member on Ana's panel, good until today."""
    gap = make_gap(make_member(care_manager=ana), make_measure("COL"), contract=make_contract())
    return make_prediction(gap, model, expires_on=timezone.localdate())


@pytest.fixture
def mo(db: None) -> User:
    """Model steward."""
    return person("mo", roles.MODEL_STEWARD)


def text_of(client: Client, address: str, **query: Any) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def page(prediction: Prediction) -> str:
    return reverse("admin:predictions_prediction_change", args=[prediction.pk])


def member_page(prediction: Prediction) -> str:
    return reverse("admin:members_member_change", args=[prediction.member_id])


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


def scored(owner: User, model: ModelVersion, number: int, **facts: Any) -> list[Prediction]:
    """So many predictions of gaps on somebody's panel."""
    measure = make_measure("COL")
    made = [make_gap(make_member(care_manager=owner), measure) for _ in range(number)]
    return [make_prediction(gap, model, **{"expires_on": timezone.localdate(), **facts}) for gap in made]


# --- beside gaps


def test_the_list_of_gaps_tells_tier_probability_and_the_reasons_to_unfold(
    client: Client, ana: User, prediction: Prediction
) -> None:
    make_gap(make_member(care_manager=ana), make_measure("CBP"))
    client.force_login(ana)
    text = text_of(client, GAPS)
    assert 'chip-warn" title="">High 82 %</span>' in text
    assert "<li>not met last year</li><li>last visit 310 days ago</li><li>Contact first" in text
    assert text.count('class="stays"') == 1


def test_gaps_are_ordered_by_it_and_those_without_come_last_both_ways(
    client: Client, ana: User, prediction: Prediction, model: ModelVersion
) -> None:
    (low,) = scored(ana, model, 1, probability=0.2, low=None, high=None, tier=Tier.LOW)
    without = make_gap(make_member(care_manager=ana), make_measure("COL"))
    client.force_login(ana)
    column = 5
    for sign, order in (("-", [prediction.gap_id, low.gap_id]), ("", [low.gap_id, prediction.gap_id])):
        rows = client.get(GAPS, {"o": f"{sign}{column}"}).context["cl"].result_list
        assert [gap.pk for gap in rows] == [*order, without.pk]


def test_gaps_are_narrowed_by_tier_and_to_those_not_scored(
    client: Client, ana: User, prediction: Prediction, model: ModelVersion
) -> None:
    without = make_gap(make_member(care_manager=ana), make_measure("CBP"))
    client.force_login(ana)
    for tier, found in (("high", [prediction.gap_id]), ("low", []), ("none", [without.pk])):
        assert [gap.pk for gap in client.get(GAPS, {"tier": tier}).context["cl"].result_list] == found


def test_of_a_closed_gap_and_of_a_model_no_longer_in_force_nothing_is_told(
    client: Client, ana: User, prediction: Prediction, model: ModelVersion
) -> None:
    client.force_login(ana)
    Gap.objects.update(status=Status.CLOSED, contact_by=None)
    assert "82 %" not in text_of(client, GAPS, status="all")
    Gap.objects.update(status=Status.OPEN)
    ModelVersion.objects.update(state=State.SUSPENDED)
    for address in (GAPS, QUEUE, member_page(prediction)):
        assert "82 %" not in text_of(client, address)


def test_of_two_models_in_force_the_newer_score_counts_and_the_row_stands_once(
    client: Client, ana: User, prediction: Prediction
) -> None:
    other = make_model_row(make_measure("COL"), version="2", line_of_business="D-SNP")
    make_prediction(prediction.gap, other, probability=0.31, low=None, high=None, tier=Tier.MEDIUM,
                    scored_at=timezone.now(), expires_on=timezone.localdate())  # fmt: skip
    client.force_login(ana)
    answer = client.get(GAPS, {"o": "-5"})
    assert len(answer.context["cl"].result_list) == 1
    assert "Medium 31 %" in answer.content.decode() and "82 %" not in answer.content.decode()


def test_the_queue_shows_a_chip_beside_the_measures(client: Client, ana: User, prediction: Prediction) -> None:
    client.force_login(ana)
    assert "not met last year; last visit 310 days ago" in text_of(client, QUEUE)
    assert ">High 82 %</span></span>" in text_of(client, QUEUE)


@pytest.mark.parametrize("address", [GAPS, QUEUE, LIST])
def test_a_list_asks_as_often_for_fifty_predictions_as_for_five(
    client: Client, ana: User, model: ModelVersion, address: str
) -> None:
    client.force_login(ana)
    scored(ana, model, 5)
    few = queries(client, address)
    scored(ana, model, 45)
    assert queries(client, address) == few


def test_a_card_tells_why_how_sure_by_what_and_until_when(client: Client, ana: User, prediction: Prediction) -> None:
    Prediction.objects.update(quality=["no_history"])
    client.force_login(ana)
    text = text_of(client, member_page(prediction))
    for told in ("95 % interval 76 to 87 %", "Contact first: it will hardly close by itself", "open-gap COL",
                 "What speaks for staying open", "not met last year; last visit 310 days ago",
                 "Nothing is known of the year before", "Is this right?", "Act on it until"):  # fmt: skip
        assert told in text, told
    assert "Too old" not in text and reverse("admin:predictions_modelversion_change", args=[1]) not in text


def test_what_is_too_old_says_so_and_who_may_score_it_again(
    client: Client, ana: User, lea: User, prediction: Prediction
) -> None:
    Prediction.objects.update(expires_on=timezone.localdate() - timedelta(days=1))
    client.force_login(ana)
    text = text_of(client, member_page(prediction))
    assert "Too old to act on since" in text and "Your team lead can have it scored again" in text
    assert "High 82 % · old" in text and "Score again" not in text
    client.force_login(lea)
    assert "Score again" in text_of(client, member_page(prediction))


def test_a_gap_not_scored_though_a_model_could_is_offered_to_those_who_may(
    client: Client, ana: User, lea: User, model: ModelVersion
) -> None:
    gap = make_gap(make_member(care_manager=ana), make_measure("COL"))
    other = make_gap(make_member(care_manager=ana), make_measure("CBP"))
    client.force_login(lea)
    address = "admin:gaps_gap_change"
    assert "Score now" in text_of(client, reverse(address, args=[gap.pk]))
    assert "Score now" not in text_of(client, reverse(address, args=[other.pk]))
    client.force_login(ana)
    text = text_of(client, reverse(address, args=[gap.pk]))
    assert "The next scoring run makes one" in text and "Score now" not in text


# --- their own list and page


def test_the_list_shows_models_in_force_and_others_when_asked(
    client: Client, ana: User, prediction: Prediction, model: ModelVersion
) -> None:
    client.force_login(ana)
    assert "High 82 %" in text_of(client, LIST) and "76 to 87 %" in text_of(client, LIST)
    ModelVersion.objects.update(state=State.RETIRED)
    assert "No model is deployed, so nothing is scored." in text_of(client, LIST)
    assert "High 82 %" in text_of(client, LIST, state="all")
    assert "High 82 %" in text_of(client, LIST, state=str(model.pk))


def test_the_list_is_narrowed_by_everything_that_is_asked_of_it(
    client: Client, ana: User, prediction: Prediction, model: ModelVersion
) -> None:
    PredictionReview.objects.create(prediction=prediction, verdict=Verdict.AGREE, probability=0.82, by="ana",
                                    scored_at=prediction.scored_at, at=timezone.now())  # fmt: skip
    old = {"tier": Tier.LOW, "recommendation": Recommendation.WAIT, "expires_on": timezone.localdate() - timedelta(1)}
    (other,) = scored(ana, model, 1, **old)
    client.force_login(ana)
    for query, found in (
        ({"tier__exact": "low"}, other), ({"recommendation__exact": "contact_first"}, prediction),
        ({"age": "fresh"}, prediction), ({"age": "old"}, other), ({"review": "agree"}, prediction),
        ({"review": "none"}, other), ({"contract": "H1234"}, prediction),
        ({"q": prediction.member.label}, prediction),
    ):  # fmt: skip
        assert [row.pk for row in client.get(LIST, query).context["cl"].result_list] == [found.pk], query
    assert len(client.get(LIST, {"measure": "COL"}).context["cl"].result_list) == 2


def test_the_list_and_the_page_are_looks_at_members(client: Client, ana: User, prediction: Prediction) -> None:
    client.force_login(ana)
    for address, action in ((LIST, "prediction.listed"), (page(prediction), "prediction.viewed")):
        client.get(address)
        event = Event.objects.get(action=action)
        assert Subject.objects.get(event_id=event.id).member_pseudonym == prediction.member.pseudonym


def test_another_panels_prediction_is_not_there_and_the_try_is_recorded(
    client: Client, dee: User, prediction: Prediction
) -> None:
    client.force_login(dee)
    assert "82 %" not in text_of(client, LIST)
    assert client.get(page(prediction)).status_code == 404
    assert Event.objects.get(action="prediction.viewed").outcome == "denied"
    review = reverse("admin:predictions_prediction_review", args=[prediction.pk])
    assert client.post(review, {"verdict": "agree"}).status_code == 404
    assert not PredictionReview.objects.exists()


def test_the_page_has_the_picture_its_words_and_the_table_behind_it(
    client: Client, quinn: User, prediction: Prediction
) -> None:
    client.force_login(quinn)
    text = text_of(client, page(prediction))
    assert "<title>What moved this score</title>" in text and text.count("<rect") >= 2
    assert "1: not met last year, more likely to stay open (+0.61)" in text
    for told in ("0.61", "last visit 310 days ago", "version 2", "g1", "2026-09-30", "Nobody said anything yet"):
        assert told in text, told
    assert reverse("admin:gaps_gap_change", args=[prediction.gap_id]) in text
    assert reverse("admin:predictions_modelversion_change", args=[prediction.model_id]) in text
    assert "Keep my word" not in text and "Score again" not in text


def test_a_retired_models_prediction_stays_readable_and_says_what_it_is(
    client: Client, ana: User, prediction: Prediction
) -> None:
    ModelVersion.objects.update(state=State.RETIRED)
    client.force_login(ana)
    text = text_of(client, page(prediction))
    assert "Of a model that is retired: kept to look back at, not to act on." in text
    assert "Keep my word" not in text


def test_a_score_nothing_moved_has_words_instead_of_a_picture(
    client: Client, ana: User, prediction: Prediction
) -> None:
    Prediction.objects.update(reasons=[], low=None, high=None)
    client.force_login(ana)
    assert "Nothing moved this score" in text_of(client, page(prediction))
    assert reason_chart.contributions([]) == ""


def test_bars_to_the_left_close_and_their_words_say_so() -> None:
    drawn = reason_chart.contributions([Reason("met last year", -0.5), Reason("seen in <May>", -0.25)])
    assert drawn.count("reason-closes") == 2 and "reason-opens" not in drawn
    assert "1: met last year, more likely to close (-0.50)" in drawn and "&lt;May&gt;" in drawn


def test_no_probability_reads_as_certain() -> None:
    assert [score_words.percent(share) for share in (0.0, 0.004, 0.126, 0.996, 1.0)] == [
        "under 1 %", "under 1 %", "13 %", "over 99 %", "over 99 %",
    ]  # fmt: skip


# --- a person's word


def test_a_word_is_kept_and_leads_back_to_the_member(client: Client, ana: User, prediction: Prediction) -> None:
    client.force_login(ana)
    said = {"verdict": "too_high", "note": "Booked for Tuesday.", "back": "member"}
    answer = client.post(reverse("admin:predictions_prediction_review", args=[prediction.pk]), said)
    assert answer["Location"] == f"{member_page(prediction)}?year=2026#gap-{prediction.gap_id}"
    assert "Last word: Too high: it will close (ana" in text_of(client, member_page(prediction))
    Prediction.objects.update(scored_at=timezone.now(), probability=0.77)
    text = text_of(client, page(prediction))
    assert "Booked for Tuesday." in text and "of the earlier score 82 %" in text


def test_a_word_that_cannot_be_kept_is_still_there_with_the_reason(
    client: Client, ana: User, prediction: Prediction
) -> None:
    client.force_login(ana)
    address = reverse("admin:predictions_prediction_review", args=[prediction.pk])
    answer = client.post(address, {"verdict": "too_low", "note": ""})
    assert answer.status_code == 409 and "Say why you disagree." in answer.content.decode()
    assert '<option value="too_low" selected>' in answer.content.decode()
    assert client.post(address, {"verdict": "²"}).status_code == 409
    assert client.get(address).status_code == 405
    assert not PredictionReview.objects.exists()


def test_readers_give_no_word_and_score_nothing(client: Client, cy: User, prediction: Prediction) -> None:
    client.force_login(cy)
    review = reverse("admin:predictions_prediction_review", args=[prediction.pk])
    assert client.post(review, {"verdict": "agree"}).status_code == 403
    assert client.post(reverse("admin:predictions_prediction_score"), {"gap": prediction.gap_id}).status_code == 403
    assert client.post(reverse("admin:predictions_scoringrun_start"), {"year": 2026}).status_code == 403


# --- scoring from pages: a real warehouse, a real model


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Warehouse and feature rows, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_training, "WIDE", CODES)
        yield portfolio.make_features(portfolio.write_warehouse(tmp_path_factory.mktemp("plan")))


@pytest.fixture
def plan(made: Path, own_data_dir: Path, db: None, monkeypatch: pytest.MonkeyPatch) -> FindingRun:
    """The plan with its gaps found."""
    monkeypatch.setattr(plan_training, "WIDE", CODES)
    portfolio.put(made, own_data_dir)
    return portfolio.found_gaps()


@pytest.fixture
def col(plan: FindingRun, tmp_path: Path, ben: User, quinn: User) -> ModelVersion:
    """A model of COL in force."""
    return registered(make_measure("COL"), tmp_path / "col", trained_by=ben, approved_by=quinn)


def test_a_lead_scores_a_gap_from_its_page_and_hears_why_where_it_cannot(
    client: Client, lea: User, col: ModelVersion
) -> None:
    client.force_login(lea)
    address = reverse("admin:predictions_prediction_score")
    gap = Gap.objects.get(member__pseudonym=PEOPLE[3], measure__code="COL")
    answer = client.post(address, {"gap": gap.pk, "back": "gap"}, follow=True)
    assert "COL is scored: stays open" in answer.content.decode() and Prediction.objects.get().gap == gap
    back = client.post(address, {"gap": gap.pk, "back": "prediction"})
    assert back["Location"] == page(Prediction.objects.get())
    other = Gap.objects.get(member__pseudonym=PEOPLE[3], measure__code="BCS")
    answer = client.post(address, {"gap": other.pk, "back": "member"}, follow=True)
    assert "No model is deployed for BCS" in answer.content.decode()
    assert [client.post(address, {"gap": key}).status_code for key in ("", "0", "²")] == [404, 404, 404]
    assert client.get(address).status_code == 405


def test_a_run_is_started_once_waits_for_a_worker_and_shows_how_far_it_is(
    client: Client, mo: User, col: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(mo)
    assert "No scoring run yet. Start the first one above." in text_of(client, RUNS)
    start = reverse("admin:predictions_scoringrun_start")
    first, second = (client.post(start, {"year": YEAR, "contract": ""}) for _ in range(2))
    assert first["Location"] == second["Location"] and ScoringRun.objects.count() == 1
    text = text_of(client, first["Location"])
    assert "Waiting for a worker" in text and "manage.py work" in text and "watch.js" in text
    monkeypatch.setattr(jobs, "worker_alive", lambda: True)
    assert "Waiting for a worker" not in text_of(client, first["Location"])
    run = ScoringRun.objects.get()
    runs.begin(run, total=4)
    runs.advance(run, done=1)
    for address in (RUNS, first["Location"]):
        text = text_of(client, address)
        assert '<progress max="100" value="25" aria-label="Done: 1 of 4">' in text and "watch.js" in text
    ScoringRun.objects.update(heard_at=timezone.now() - timedelta(hours=1))
    text = text_of(client, first["Location"])
    assert "No sign of life" in text and "watch.js" not in text


def test_a_run_that_is_done_shows_what_was_scored_what_not_and_by_what(
    client: Client, quinn: User, mo: User, col: ModelVersion
) -> None:
    run = portfolio_run.take_up(year=YEAR, by=quinn)
    portfolio_run.carry_on(run, by=quinn)
    client.force_login(quinn)
    address = reverse("admin:predictions_scoringrun_change", args=[run.pk])
    text = text_of(client, address)
    for told in (
        "Done",
        "See the predictions",
        "No model is deployed for the measure",
        f"{len(PEOPLE)}",
        "COL stays open 1",
        "quinn",
    ):
        assert told in text, told
    assert "watch.js" not in text
    client.force_login(mo)
    assert "See the predictions" not in text_of(client, address)
    assert [client.get(f"{RUNS}{key}/change/").status_code for key in ("0", "abc")] == [404, 404]


def test_a_run_nobody_can_make_says_why(client: Client, quinn: User, plan: FindingRun) -> None:
    client.force_login(quinn)
    start = reverse("admin:predictions_scoringrun_start")
    assert "Nothing was started: choose" in client.post(start, {"year": "1999"}, follow=True).content.decode()
    answer = client.post(start, {"year": YEAR}, follow=True).content.decode()
    assert "Nothing was started: No model is deployed" in answer and "A model steward deploys one" in answer
    assert client.get(start).status_code == 405 and not ScoringRun.objects.exists()


def test_where_no_model_is_deployed_each_role_hears_what_to_do(
    client: Client, ana: User, quinn: User, mo: User, model: ModelVersion
) -> None:
    client.force_login(quinn)
    assert "Have the year scored under" in text_of(client, LIST)
    ModelVersion.objects.update(state=State.SUSPENDED)
    assert "A model steward deploys one under" in text_of(client, LIST)
    client.force_login(ana)
    assert "your work does not wait for it" in text_of(client, LIST)
    client.force_login(mo)
    text = text_of(client, RUNS)
    assert "there is nothing to score by" in text and "Take one to “Deployed” under" in text
