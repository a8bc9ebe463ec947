"""The API's predictions, through HTTP as a program sees them: lists, scoring, runs, reviews."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob, ProcrastinateWorker
from rest_framework.test import APIClient

from audit.models import Event, Subject
from hedis.accounts import keys, roles
from hedis.accounts.models import User
from hedis.gaps.models import FindingRun, Gap, Status
from hedis.lib import jobs, problem, runs
from hedis.members.models import Member
from predictions import plan_training, portfolio_run, registry
from predictions.models import ModelVersion, Prediction, PredictionReview, ScoringRun, State, Tier, Verdict
from tests.conftest import person
from tests.factories import make_contract, make_gap, make_measure, make_member
from tests.predictions import portfolio
from tests.predictions.portfolio import CODES, PEOPLE, YEAR, registered
from tests.predictions.scored import make_model_row, make_prediction

pytestmark = pytest.mark.django_db
LIST, BATCH, RUNS = "/api/v1/predictions/", "/api/v1/predictions/batch/", "/api/v1/predictions/portfolio/"


def signed_in(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def refused(answer: Any, status: int, code: str = "") -> dict[str, Any]:
    """The problem of a refusal."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == problem.CONTENT_TYPE
    told: dict[str, Any] = answer.json()
    assert told.get("code", "") == code
    return told


def fields_of(told: dict[str, Any]) -> dict[str, str]:
    """Field: code, of a 400."""
    return {each["field"]: each["code"] for each in told["errors"]}


@pytest.fixture
def mo(db: None) -> User:
    """Model steward."""
    return person("mo", roles.MODEL_STEWARD)


@pytest.fixture
def model(db: None) -> ModelVersion:
    """A model of COL in force."""
    return make_model_row(make_measure("COL"))


@pytest.fixture
def gap(ana: User) -> Gap:
    """An open COL gap of a member on Ana's panel."""
    return make_gap(make_member(care_manager=ana), make_measure("COL"), contract=make_contract("H1234"))


@pytest.fixture
def prediction(gap: Gap, model: ModelVersion) -> Prediction:
    """What the model in force says of it."""
    return make_prediction(gap, model, expires_on=timezone.localdate())


# A query, and which of `two` it finds.
QUERIES: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [0, 1]),
    ({"measure": "CBP"}, [1]),
    ({"year": 2026}, [0]),
    ({"contract": "H9999"}, [1]),
    ({"tier": "high"}, [0]),
    ({"tier": ["high", "low"]}, [0, 1]),
    ({"recommendation": "wait"}, [1]),
    ({"min_probability": "0.5"}, [0]),
    ({"min_probability": "0.82"}, [0]),
    ({"max_probability": "0.5"}, [1]),
    ({"expired": "true"}, [1]),
    ({"expired": "false"}, [0]),
    ({"scored_since": "2026-10-02T00:00:00Z"}, [1]),
    ({"ordering": "-probability"}, [0, 1]),
    ({"ordering": "probability"}, [1, 0]),
    ({"ordering": "measure"}, [1, 0]),
    ({"ordering": "-scored_at"}, [1, 0]),
    ({"page_size": 1, "page": 2}, [1]),
]


UNUSABLE = [
    ("min_probability", "7.5"), ("min_probability", "-0.1"), ("max_probability", "x"), ("tier", "urgent"),
    ("member", "MBR-000123"), ("measure", "NOPE"), ("model", "999999"), ("state", "retired"), ("year", "26.5"),
    ("expired", ""), ("probability", "0.5"), ("ordering", "member"),
]  # fmt: skip


class TestReading:
    def test_a_row_has_the_gap_the_model_the_figures_and_how_long_they_hold(
        self, ana: User, prediction: Prediction, gap: Gap, model: ModelVersion
    ) -> None:
        (row,) = signed_in(ana).get(LIST).json()["results"]
        assert (row["member"], row["measure"], row["year"], row["gap"], row["contract"]) == (
            gap.member.pseudonym, "COL", 2026, gap.pk, "H1234",
        )  # fmt: skip
        assert (row["model"], row["model_name"], row["model_version"]) == (model.pk, "open-gap", "COL")
        assert (row["probability"], row["low"], row["high"], row["tier"]) == (0.82, 0.76, 0.87, "high")
        assert row["model_state"] == "deployed" and row["expires_on"] == timezone.localdate().isoformat()
        assert "reasons" not in row

    def test_one_has_its_reasons_too_and_an_etag(self, ana: User, prediction: Prediction) -> None:
        client = signed_in(ana)
        answer = client.get(f"{LIST}{prediction.pk}/")
        assert [one["words"] for one in answer.json()["reasons"]] == ["not met last year", "last visit 310 days ago"]
        assert answer.json()["feature_sha256"] == "0" * 64
        again = client.get(f"{LIST}{prediction.pk}/", headers={"If-None-Match": answer["ETag"]})
        assert again.status_code == 304

    def test_every_look_is_recorded_with_the_members(self, ana: User, prediction: Prediction) -> None:
        client = signed_in(ana)
        for path, action in ((LIST, "listed"), (f"{LIST}{prediction.pk}/", "shown")):
            event = Event.objects.get(request_id=client.get(path)["X-Request-ID"])
            assert event.action == f"api.predictions.{action}"
            assert Subject.objects.get(event_id=event.id).member_pseudonym == prediction.member.pseudonym

    def test_another_panels_prediction_is_not_there_and_the_try_is_recorded(
        self, dee: User, prediction: Prediction
    ) -> None:
        client = signed_in(dee)
        assert client.get(LIST).json()["count"] == 0
        for tail in ("", "reviews/"):
            answer = client.get(f"{LIST}{prediction.pk}/{tail}")
            refused(answer, 404, "not_found")
            assert Event.objects.get(request_id=answer["X-Request-ID"]).outcome == "denied"
        review = client.post(f"{LIST}{prediction.pk}/review/", {"verdict": "agree"}, format="json")
        refused(review, 404, "not_found")
        assert not PredictionReview.objects.exists()

    @pytest.mark.parametrize("address", ["abc", "0", "9" * 30, "²"])
    def test_an_address_that_names_nothing_is_a_404(self, ben: User, address: str) -> None:
        for path in (f"{LIST}{address}/", f"{LIST}{address}/reviews/", f"{RUNS}{address}/"):
            refused(signed_in(ben).get(path), 404, "not_found")

    def test_without_state_only_models_in_force_and_with_all_the_retired_ones_too(
        self, ana: User, prediction: Prediction, model: ModelVersion, mo: User
    ) -> None:
        registry.transition(model, State.RETIRED, why="a better one came", by=mo)
        client = signed_in(ana)
        assert client.get(LIST).json()["count"] == 0
        assert client.get(LIST, {"state": "in_force"}).json()["count"] == 0
        (row,) = client.get(LIST, {"state": "all"}).json()["results"]
        assert row["model_state"] == "retired"
        assert client.get(f"{LIST}{prediction.pk}/").status_code == 200

    @pytest.fixture
    def two(self, ana: User, prediction: Prediction) -> tuple[int, int]:
        """Beside it an old, low one of CBP in another contract and year."""
        cbp = make_measure("CBP")
        gap = make_gap(make_member(care_manager=ana), cbp, year=2025, contract=make_contract("H9999"))
        facts = {"probability": 0.12, "low": None, "high": None, "tier": Tier.LOW, "recommendation": "wait"}
        low = make_prediction(
            gap, make_model_row(cbp), expires_on=date(2025, 10, 31), scored_at=timezone.now(), **facts
        )
        return prediction.pk, low.pk

    def test_filters_and_orders_do_what_they_say(self, ana: User, two: tuple[int, int]) -> None:
        client = signed_in(ana)
        for query, found in QUERIES:
            rows = client.get(LIST, query).json()["results"]
            assert [row["id"] for row in rows] == [two[index] for index in found], query

    def test_member_and_model_are_filters_too(self, ana: User, two: tuple[int, int]) -> None:
        first, second = (Prediction.objects.get(pk=pk) for pk in two)
        client = signed_in(ana)
        for query, row in (({"member": first.member.pseudonym}, first), ({"model": second.model_id}, second)):
            assert [each["id"] for each in client.get(LIST, query).json()["results"]] == [row.pk]

    def test_a_filter_it_cannot_use_is_named(self, ana: User) -> None:
        client = signed_in(ana)
        for field, value in UNUSABLE:
            assert field in fields_of(refused(client.get(LIST, {field: value}), 400)), (field, value)

    def test_a_plans_own_member_id_is_not_repeated(self, ana: User) -> None:
        answer = signed_in(ana).get(LIST, {"member": "MBR-000123"})
        assert "MBR-000123" not in answer.content.decode().replace(answer.json()["instance"], "")

    def test_the_cursor_walks_all_of_it(self, ana: User, two: tuple[int, int]) -> None:
        client = signed_in(ana)
        first = client.get(LIST, {"paging": "cursor", "page_size": 1}).json()
        second = client.get(first["next"]).json()
        assert [row["id"] for page in (first, second) for row in page["results"]] == list(two)
        assert second["next"] is None

    def test_a_list_asks_as_often_for_fifty_as_for_five(self, ana: User, model: ModelVersion) -> None:
        client = signed_in(ana)
        asked = []
        for more in (5, 45):
            for _ in range(more):
                make_prediction(make_gap(make_member(care_manager=ana), make_measure("COL")), model)
            with CaptureQueriesContext(connection) as seen:
                assert len(client.get(LIST).json()["results"]) == (5 if more == 5 else 50)
            asked.append(len(seen))
        assert asked[0] == asked[1] <= 16


class TestReviews:
    def test_a_person_who_knows_the_member_disagrees_and_says_why(self, ana: User, prediction: Prediction) -> None:
        client = signed_in(ana)
        said = {"verdict": "too_high", "note": "Booked for Tuesday."}
        answer = client.post(f"{LIST}{prediction.pk}/review/", said, format="json")
        assert answer.status_code == 201
        assert (answer.json()["by"], answer.json()["probability"]) == ("ana", 0.82)
        event = Event.objects.get(request_id=answer["X-Request-ID"])
        assert event.action == "prediction.reviewed"
        (row,) = client.get(f"{LIST}{prediction.pk}/reviews/").json()["results"]
        assert row["note"] == "Booked for Tuesday."
        assert client.get(f"{LIST}{prediction.pk}/").json()["probability"] == 0.82

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "verdict"), ({"verdict": "maybe"}, "verdict"), ({"verdict": "too_low"}, "note"),
            ({"verdict": "too_low", "note": "  "}, "note"), ({"verdict": "agree", "note": "x" * 2001}, "note"),
            ({"verdict": "agree", "probability": 0.1}, "probability"),
        ],
    )  # fmt: skip
    def test_a_word_that_cannot_be_kept_names_the_field(
        self, ana: User, prediction: Prediction, body: dict[str, Any], field: str
    ) -> None:
        answer = signed_in(ana).post(f"{LIST}{prediction.pk}/review/", body, format="json")
        assert set(fields_of(refused(answer, 400))) == {field}
        assert not PredictionReview.objects.exists()

    def test_the_reviews_name_the_member_in_the_ledger(self, ana: User, cy: User, prediction: Prediction) -> None:
        PredictionReview.objects.create(
            prediction=prediction, verdict=Verdict.AGREE, probability=0.82, scored_at=prediction.scored_at, by="ana",
            at=timezone.now(),
        )  # fmt: skip
        answer = signed_in(cy).get(f"{LIST}{prediction.pk}/reviews/")
        event = Event.objects.get(request_id=answer["X-Request-ID"])
        assert Subject.objects.get(event_id=event.id).member_pseudonym == prediction.member.pseudonym


# --- scoring: a real warehouse, real models


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


@pytest.fixture
def analyst(ben: User) -> APIClient:
    return signed_in(ben)


def item(member: str = PEOPLE[3], **other: Any) -> dict[str, Any]:
    return {"member": member, "measure": "COL", "year": YEAR, **other}


def post(client: APIClient, address: str, body: Any) -> Any:
    return client.post(address, body, format="json")


class TestScoringOne:
    def test_a_score_is_made_stored_answered_and_recorded(self, analyst: APIClient, col: ModelVersion) -> None:
        answer = post(analyst, LIST, item())
        assert answer.status_code == 201, answer.content
        made = Prediction.objects.get()
        assert answer["Location"] == f"{LIST}{made.pk}/"
        told = answer.json()
        assert told == analyst.get(answer["Location"]).json()
        assert told["probability"] == made.probability and told["model"] == col.pk and told["reasons"] == made.reasons
        events = Event.objects.filter(request_id=answer["X-Request-ID"])
        assert [event.action for event in events] == ["prediction.scored"]
        assert Subject.objects.get(event_id=events[0].id).member_pseudonym == PEOPLE[3]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            (item("MBR-000123"), "member"), (item(year="soon"), "year"), (item(year=True), "year"),
            (item(measure=None), "measure"), (item(model=3), "model"), ({"measure": "COL", "year": YEAR}, "member"),
        ],
    )  # fmt: skip
    def test_a_field_of_the_wrong_form_is_named(self, analyst: APIClient, body: Any, field: str) -> None:
        answer = post(analyst, LIST, body)
        assert set(fields_of(refused(answer, 400))) == {field}
        assert b"MBR" not in answer.content

    def test_what_nobody_knows_is_named_by_field_and_code(self, analyst: APIClient, col: ModelVersion) -> None:
        for body, field, code in (
            (item("f" * 64), "member", "unknown_member"),
            (item(measure="NOPE"), "measure", "unknown_measure"),
            (item(year=2019), "year", "wrong_year"),
        ):
            assert fields_of(refused(post(analyst, LIST, body), 400)) == {field: code}

    def test_a_gap_that_is_closed_is_a_conflict(self, analyst: APIClient, col: ModelVersion) -> None:
        Gap.objects.filter(member__pseudonym=PEOPLE[3]).update(status=Status.CLOSED, contact_by=None)
        told = refused(post(analyst, LIST, item()), 409, "no_open_gap")
        assert "COL" in told["detail"]

    def test_without_a_deployed_model_nothing_is_made_up_and_the_answer_says_what_to_do(
        self, analyst: APIClient, plan: FindingRun
    ) -> None:
        for address, body in ((LIST, item()), (BATCH, {"items": [item()]}), (RUNS, {"year": YEAR})):
            told = refused(post(analyst, address, body), 503, "no_deployed_model")
            assert "train_model" in told["detail"]
        assert not Prediction.objects.exists() and not ScoringRun.objects.exists()

    def test_a_model_whose_file_was_changed_scores_nothing(
        self, analyst: APIClient, col: ModelVersion, own_data_dir: Path
    ) -> None:
        graph = own_data_dir / col.folder / "model.onnx"
        graph.write_bytes(graph.read_bytes() + b"\0")
        assert "another version" in refused(post(analyst, LIST, item()), 503, "file_changed")["detail"]
        assert not Prediction.objects.exists()

    def test_a_member_of_another_panel_is_unknown_and_the_try_is_recorded(self, lea: User, col: ModelVersion) -> None:
        stranger = person("tess", roles.CARE_MANAGER, team="south")
        Member.objects.filter(pseudonym=PEOPLE[3]).update(care_manager=stranger)
        answer = post(signed_in(lea), LIST, item())
        assert fields_of(refused(answer, 400)) == {"member": "unknown_member"}
        event = Event.objects.get(request_id=answer["X-Request-ID"], outcome="denied")
        assert event.object_type == "predictions" and not Subject.objects.filter(event_id=event.id).exists()

    def test_a_read_only_key_scores_nothing(self, ben: User, col: ModelVersion) -> None:
        _, secret = keys.create(ben, name="reports", days=10, read_only=True, by=ben)
        client = APIClient(HTTP_AUTHORIZATION=f"Bearer {secret}")
        refused(post(client, LIST, item()), 403, "permission_denied")
        assert client.get(LIST).status_code == 200


class TestBatch:
    def test_bad_items_lose_no_good_ones_and_each_says_what_is_wrong(
        self, analyst: APIClient, col: ModelVersion
    ) -> None:
        make_measure("BCS")
        sent = [
            item(), item("f" * 64), item(measure="NOPE"), item(year=2019), item(measure="BCS"), item("MBR-000123"),
            {"measure": "COL"}, "COL", item(PEOPLE[4]), item(),
        ]  # fmt: skip
        answer = post(analyst, BATCH, {"items": sent})
        assert answer.status_code == 200
        told = answer.json()
        assert (told["scored"], told["refused"]) == (3, 7)
        assert [each["index"] for each in told["results"]] == list(range(10))
        problems = [each["problem"] and (each["problem"]["field"], each["problem"]["code"]) for each in told["results"]]
        assert problems == [
            None, ("member", "unknown_member"), ("measure", "unknown_measure"), ("year", "wrong_year"),
            ("measure", "not_deployed"), ("member", "invalid"), ("member", "required"), ("", "invalid"), None, None,
        ]  # fmt: skip
        assert all((each["prediction"] is None) == (each["problem"] is not None) for each in told["results"])
        assert told["results"][0] == {**told["results"][9], "index": 0}
        assert told["results"][8]["prediction"]["member"] == PEOPLE[4]
        assert b"MBR" not in answer.content
        scored = Event.objects.get(request_id=answer["X-Request-ID"], action="prediction.scored")
        seen = Subject.objects.filter(event_id=scored.id).values_list("member_pseudonym", flat=True)
        assert set(seen) == {PEOPLE[3], PEOPLE[4]}

    def test_no_item_and_a_thousand_and_one_are_refused_by_name(self, analyst: APIClient) -> None:
        for items in ([], [item()] * 1001, {"a": 1}, None):
            assert set(fields_of(refused(post(analyst, BATCH, {"items": items}), 400))) == {"items"}

    def test_sent_twice_with_one_key_it_is_scored_once(self, analyst: APIClient, col: ModelVersion) -> None:
        sent = {"items": [item(), item("f" * 64)]}
        first, second = (
            analyst.post(BATCH, sent, format="json", headers={"Idempotency-Key": "nightly-1"}) for _ in range(2)
        )
        assert second["Idempotency-Replayed"] == "true" and second.json() == first.json()
        assert Event.objects.filter(action="prediction.scored").count() == 1
        replayed = Event.objects.get(action="answer.replayed")
        assert Subject.objects.get(event_id=replayed.id).member_pseudonym == PEOPLE[3]

    def test_items_that_are_all_of_no_use_are_answered_one_by_one(self, analyst: APIClient) -> None:
        told = post(analyst, BATCH, {"items": [{}, 7]}).json()
        assert (told["scored"], told["refused"]) == (0, 2)

    def test_it_asks_as_often_for_eleven_as_for_one(self, analyst: APIClient, col: ModelVersion) -> None:
        asked = []
        for people in (PEOPLE[1:2], PEOPLE[1:2], PEOPLE[1:]):
            with CaptureQueriesContext(connection) as seen:
                answer = post(analyst, BATCH, {"items": [item(member) for member in people]})
            assert answer.json()["scored"] == len(people)
            asked.append(len(seen))
        assert asked[1] == asked[2]


class TestRuns:
    def test_a_run_is_asked_for_watched_and_done(self, analyst: APIClient, col: ModelVersion, quinn: User) -> None:
        answer = post(analyst, RUNS, {"year": YEAR})
        assert answer.status_code == 202, answer.content
        told = answer.json()
        assert answer["Location"] == f"{RUNS}{told['id']}/"
        assert (told["state"], told["done"], told["waiting_for_worker"]) == ("queued", 0, True)
        assert ProcrastinateJob.objects.filter(task_name=portfolio_run.TASK).count() == 1
        run = ScoringRun.objects.get()
        portfolio_run.carry_on(run, by=quinn)
        told = analyst.get(answer["Location"]).json()
        assert (told["state"], told["done"], told["waiting_for_worker"]) == ("done", told["total"], False)
        assert told["scored"] == Prediction.objects.filter(run=run).count() > 0
        assert told["models"] == {"COL": col.pk} and told["skipped"]["not_deployed"] == len(PEOPLE)
        assert [row["id"] for row in analyst.get(RUNS, {"state": "done", "year": YEAR}).json()["results"]] == [run.pk]

    def test_asked_twice_there_is_one_run_and_one_job(self, analyst: APIClient, col: ModelVersion) -> None:
        first, second = (post(analyst, RUNS, {"year": YEAR}) for _ in range(2))
        assert first.json()["id"] == second.json()["id"] and second.status_code == 202
        assert ProcrastinateJob.objects.filter(task_name=portfolio_run.TASK).count() == 1

    def test_a_living_worker_and_a_silent_run_are_told_apart(self, analyst: APIClient, col: ModelVersion) -> None:
        address = post(analyst, RUNS, {"year": YEAR})["Location"]
        worker = ProcrastinateWorker(last_heartbeat=timezone.now())
        worker.save_base(raw=True, force_insert=True)
        assert jobs.worker_alive()
        assert analyst.get(address).json()["waiting_for_worker"] is False
        run = ScoringRun.objects.get()
        runs.begin(run, total=2)
        assert analyst.get(address).json()["stalled"] is False
        ScoringRun.objects.update(heard_at=timezone.now() - timedelta(hours=1))
        told = analyst.get(address).json()
        assert (told["state"], told["stalled"]) == ("running", True)

    def test_a_run_nobody_can_make_names_the_field(self, analyst: APIClient, col: ModelVersion) -> None:
        for body, field in (
            ({}, "year"), ({"year": 2019}, "year"), ({"year": "x"}, "year"),
            ({"year": YEAR, "contract": "H0000"}, "contract"), ({"year": YEAR, "measure": "COL"}, "measure"),
        ):  # fmt: skip
            assert set(fields_of(refused(post(analyst, RUNS, body), 400))) == {field}
        assert not ScoringRun.objects.exists()

    def test_a_steward_starts_and_watches_a_run_and_sees_no_member(self, mo: User, col: ModelVersion) -> None:
        client = signed_in(mo)
        answer = post(client, RUNS, {"year": YEAR})
        assert answer.status_code == 202 and client.get(answer["Location"]).status_code == 200
        refused(client.get(LIST), 403, "permission_denied")
        refused(post(client, BATCH, {"items": [item()]}), 403, "permission_denied")

    def test_a_care_manager_asks_for_no_run(self, ana: User) -> None:
        refused(post(signed_in(ana), RUNS, {"year": YEAR}), 403, "permission_denied")
