"""The API's models, through HTTP as a program sees them."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from audit.models import Event
from hedis.accounts import keys, roles
from hedis.accounts.models import User
from hedis.lib import problem
from predictions import model_file, registry
from predictions.models import ModelVersion, State
from tests.conftest import person
from tests.factories import make_measure
from tests.predictions.registered import FOUND, UNFAIR, brought_to, make_model

pytestmark = pytest.mark.django_db
LIST = "/api/v1/models/"


@pytest.fixture
def mo(db: None) -> User:
    """Model steward."""
    return person("mo", roles.MODEL_STEWARD)


@pytest.fixture
def model(tmp_path: Path, ben: User) -> ModelVersion:
    """A draft that Ben trained."""
    return make_model(tmp_path, by=ben, measure=make_measure("COL"))


def signed_in(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def step(user: User, model: ModelVersion, to: str, **body: Any) -> Any:
    """POST the next step on the revision just read, unless the story brings its own."""
    revision = ModelVersion.objects.get(pk=model.pk).revision
    given = {"to": to, "why": "the story", "revision": revision, **body}
    return signed_in(user).post(f"{LIST}{model.pk}/transitions/", given, format="json")


def refused(answer: Any, status: int, code: str = "") -> dict[str, Any]:
    """The problem of a refusal."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == problem.CONTENT_TYPE
    told: dict[str, Any] = answer.json()
    assert told.get("code", "") == code
    return told


def test_a_model_goes_all_the_way_and_back_through_the_api(model: ModelVersion, mo: User) -> None:
    assert step(mo, model, "in_validation").status_code == 200
    registry.validate(model, FOUND, data="900 rows of 2025", by=mo)
    for to in ("validated", "shadow", "deployed", "suspended", "deployed", "suspended", "retired"):
        answer = step(mo, model, to)
        assert answer.status_code == 200, answer.content
        assert answer.json()["state"] == to
        assert answer["ETag"] == signed_in(mo).get(f"{LIST}{model.pk}/")["ETag"]
    taken = signed_in(mo).get(f"{LIST}{model.pk}/transitions/").json()
    assert taken["count"] == 9
    assert [row["to_state"] for row in taken["results"]][:3] == ["draft", "in_validation", "validated"]
    assert {row["by"] for row in taken["results"][1:]} == {"mo"}
    refused(step(mo, model, "deployed"), 409, "illegal_step")


def test_a_retired_model_is_still_read(model: ModelVersion, mo: User, ben: User) -> None:
    brought_to(State.RETIRED, model, by=mo)
    told = signed_in(ben).get(f"{LIST}{model.pk}/").json()
    assert (told["state"], told["steps"], len(told["attributes"])) == ("retired", [], 31)
    assert told["attributes"][1] == {
        "number": 2,
        "key": "funding",
        "label": "Who paid for its technical implementation",
        "value": "What holds for funding.",
    }
    assert told["metrics"]["auc"] == FOUND["auc"]
    assert signed_in(ben).get(LIST, {"state": "retired"}).json()["count"] == 1


def test_the_trainer_is_refused_to_approve_and_anybody_else_with_the_right_is_not(tmp_path: Path, mo: User) -> None:
    own = brought_to(State.IN_VALIDATION, make_model(tmp_path, by=mo), by=mo)
    registry.validate(own, FOUND, data="900 rows", by=mo)
    told = refused(step(mo, own, "validated"), 403, "trainer_cannot_approve")
    assert "was trained by mo" in told["detail"]
    assert Event.objects.filter(outcome="denied", action="model.moved", actor="mo").exists()
    assert step(person("max", roles.MODEL_STEWARD), own, "validated").json()["approved_by"] == "max"


def test_what_is_missing_before_approval_is_named(tmp_path: Path, ben: User, mo: User) -> None:
    bare = make_model(tmp_path, by=ben, attributes={"funding": "The plan."})
    brought_to(State.IN_VALIDATION, bare, by=mo)
    told = refused(step(mo, bare, "validated"), 409, "not_ready")
    assert "lacks 30 of the 31 source attributes: Who developed it" in told["detail"]


def test_tampered_files_are_refused_without_telling_a_path(model: ModelVersion, mo: User) -> None:
    brought_to(State.SHADOW, model, by=mo)
    graph = Path(settings.DATA_DIR) / model.folder / model_file.GRAPH
    graph.write_bytes(graph.read_bytes() + b"\x00")
    told = refused(step(mo, model, "deployed"), 409, "file_changed")
    assert "not the registered ones" in told["detail"]
    assert str(settings.DATA_DIR) not in told["detail"]
    assert Event.objects.filter(outcome="denied", action="model.moved").count() == 1


def test_of_two_people_at_once_the_slower_gets_409_by_revision_and_412_by_tag(model: ModelVersion, mo: User) -> None:
    client = signed_in(mo)
    old = client.get(f"{LIST}{model.pk}/")
    assert step(mo, model, "in_validation").status_code == 200
    refused(step(mo, model, "retired", revision=old.json()["revision"]), 409, "changed_meanwhile")
    address, body = f"{LIST}{model.pk}/transitions/", {"to": "retired", "why": "not needed"}
    refused(client.post(address, body, format="json", headers={"If-Match": old["ETag"]}), 412, "version_changed")
    refused(client.post(address, body, format="json"), 428, "if_match_missing")
    fresh = client.get(f"{LIST}{model.pk}/")["ETag"]
    assert client.post(address, body, format="json", headers={"If-Match": fresh}).json()["state"] == "retired"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": "frozen"}, "to"),
        ({"why": ""}, "why"),
        ({"why": "  "}, "why"),
        ({"why": "a\x00b"}, "why"),
        ({"revision": 0}, "revision"),
        ({"revision": "x"}, "revision"),
    ],
)
def test_a_step_that_cannot_be_read_names_its_field(model: ModelVersion, mo: User, body: Any, field: str) -> None:
    told = refused(step(mo, model, **{"to": "in_validation", **body}), 400)
    assert [error["field"] for error in told["errors"]] == [field]


def test_a_reader_and_a_read_only_key_take_no_step(model: ModelVersion, ben: User, mo: User) -> None:
    refused(step(ben, model, "in_validation"), 403, "permission_denied")
    _, token = keys.create(mo, name="dashboard", days=10, read_only=True, by=mo)
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    assert client.get(f"{LIST}{model.pk}/").status_code == 200
    body = {"to": "in_validation", "why": "x", "revision": 1}
    refused(client.post(f"{LIST}{model.pk}/transitions/", body, format="json"), 403, "permission_denied")


def test_models_are_filtered_ordered_and_paged(tmp_path: Path, model: ModelVersion, ben: User, mo: User) -> None:
    make_model(tmp_path, by=ben, version="2", name="survey")
    brought_to(State.DEPLOYED, make_model(tmp_path, by=ben, version="3", measure=model.measure), by=mo)
    client = signed_in(ben)

    def versions(**filters: Any) -> list[str]:
        return [row["version"] for row in client.get(LIST, filters).json()["results"]]

    assert versions(measure="COL", ordering="id") == ["1", "3"]
    assert versions(state="deployed") == ["3"]
    assert versions(state=["deployed", "draft"], ordering="version") == ["1", "2", "3"]
    assert versions(name="Survey") == ["2"]
    page = client.get(f"{LIST}?page_size=2&ordering=-version").json()
    assert (page["count"], page["pages"], [row["version"] for row in page["results"]]) == (3, 2, ["3", "2"])


@pytest.mark.parametrize("filters", [{"state": "frozen"}, {"measure": "NONE"}, {"colour": "red"}, {"ordering": "card"}])
def test_an_unusable_filter_is_named(model: ModelVersion, ben: User, filters: dict[str, str]) -> None:
    told = refused(signed_in(ben).get(LIST, filters), 400)
    assert [error["field"] for error in told["errors"]] == list(filters)


def test_validations_show_figures_with_intervals_and_withheld_groups(model: ModelVersion, ben: User, mo: User) -> None:
    registry.validate(model, FOUND, data="900 rows of 2025", by=mo)
    (run,) = signed_in(ben).get(f"{LIST}{model.pk}/validations/").json()["results"]
    assert (run["data"], run["run_by"], run["sha256"]) == ("900 rows of 2025", "mo", model.sha256)
    assert run["metrics"]["oe"] == FOUND["oe"]
    assert [row["suppressed"] for row in run["subgroups"]] == [False, True]
    assert "subgroups" not in run["metrics"]


@pytest.mark.parametrize("tail", ["", "validations/", "transitions/"])
@pytest.mark.parametrize("named", ["0", "abc", "²", "9" * 30])
def test_an_address_that_names_no_model_is_a_404(ben: User, named: str, tail: str) -> None:
    refused(signed_in(ben).get(f"{LIST}{named}/{tail}"), 404, "not_found")


def test_a_model_already_held_is_not_sent_again(model: ModelVersion, ben: User) -> None:
    client = signed_in(ben)
    tag = client.get(f"{LIST}{model.pk}/")["ETag"]
    assert client.get(f"{LIST}{model.pk}/", headers={"If-None-Match": tag}).status_code == 304


def describe(user: User, model: ModelVersion, body: Any) -> Any:
    """PATCH attributes or card on the version just read."""
    client = signed_in(user)
    tag = client.get(f"{LIST}{model.pk}/")["ETag"]
    return client.patch(f"{LIST}{model.pk}/", body, format="json", headers={"If-Match": tag})


def test_attributes_and_card_are_written_until_the_model_is_approved(
    tmp_path: Path, ben: User, mo: User, cy: User
) -> None:
    bare = make_model(tmp_path, by=ben, attributes={"funding": "The plan."})
    told = describe(ben, bare, {"attributes": {"developer": "Quality, ext. 12"}, "card": "First."}).json()
    assert told["card"] == "First."
    assert [one["value"] for one in told["attributes"]][:3] == ["Quality, ext. 12", "The plan.", ""]
    refused(describe(cy, bare, {"card": "Mine."}), 403, "permission_denied")
    body = {"card": "Late."}
    refused(signed_in(ben).patch(f"{LIST}{bare.pk}/", body, format="json"), 428, "if_match_missing")
    refused(
        signed_in(ben).patch(f"{LIST}{bare.pk}/", body, format="json", headers={"If-Match": '"old"'}),
        412,
        "version_changed",
    )
    brought_to(State.RETIRED, ModelVersion.objects.get(pk=bare.pk), by=mo)
    refused(describe(ben, bare, body), 409, "illegal_step")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"attributes": {"colour": "red"}}, "attributes.colour"),
        ({"attributes": "red"}, "attributes"),
        ({"state": "deployed"}, "state"),
        ({}, "non_field_errors"),
    ],
)
def test_a_description_that_cannot_be_used_names_its_field(
    model: ModelVersion, ben: User, body: Any, field: str
) -> None:
    told = refused(describe(ben, model, body), 400)
    assert [error["field"] for error in told["errors"]] == [field]
    assert ModelVersion.objects.get(pk=model.pk).revision == 1


def waive(user: User, model: ModelVersion, **body: Any) -> Any:
    """POST a waiver on the revision just read, unless the story brings its own."""
    revision = ModelVersion.objects.get(pk=model.pk).revision
    return signed_in(user).post(
        f"{LIST}{model.pk}/waivers/", {"why": "the story", "revision": revision, **body}, format="json"
    )


def test_a_missed_gate_is_named_waived_in_writing_and_then_in_nobodys_way(
    model: ModelVersion, mo: User, cy: User
) -> None:
    model = brought_to(State.IN_VALIDATION, model, by=mo)
    registry.validate(model, UNFAIR, data="900 rows of 2025", by=mo)
    told = refused(step(mo, model, "validated"), 409, "fairness_gates_missed")
    assert "language_not_english = 1" in told["detail"] and "1.330" in told["detail"]
    gates = signed_in(cy).get(f"{LIST}{model.pk}/").json()["gates"]
    assert [one["words"] in told["detail"] for one in gates if one["verdict"] == "missed"] == [True]
    assert {one["verdict"] for one in gates if one["level"] == "unknown"} == {"not judged"}
    answer = waive(mo, model)
    assert answer.status_code == 200, answer.content
    assert (answer.json()["by"], answer.json()["findings"][0]["gate"]) == ("mo", "oe")
    listed = signed_in(cy).get(f"{LIST}{model.pk}/waivers/").json()
    assert (listed["count"], listed["results"][0]["id"]) == (1, answer.json()["id"])
    assert step(mo, model, "validated").status_code == 200


def test_a_waiver_is_refused_as_a_step_is(model: ModelVersion, tmp_path: Path, mo: User, ben: User) -> None:
    refused(waive(mo, model), 409, "nothing_to_waive")
    model = brought_to(State.IN_VALIDATION, model, by=mo)
    registry.validate(model, FOUND, data="900 rows", by=mo)
    refused(waive(mo, model), 409, "nothing_to_waive")
    registry.validate(model, UNFAIR, data="900 rows", by=mo)
    refused(waive(ben, model), 403, "permission_denied")
    refused(waive(mo, model, revision=1), 409, "changed_meanwhile")
    told = refused(waive(mo, model, why=" "), 400)
    assert [error["field"] for error in told["errors"]] == ["why"]
    bare = signed_in(mo).post(f"{LIST}{model.pk}/waivers/", {"why": "x"}, format="json")
    refused(bare, 428, "if_match_missing")
    own = brought_to(State.IN_VALIDATION, make_model(tmp_path, by=mo, version="2"), by=mo)
    registry.validate(own, UNFAIR, data="900 rows", by=mo)
    refused(waive(mo, own), 403, "trainer_cannot_approve")
