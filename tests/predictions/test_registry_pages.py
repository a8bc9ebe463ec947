"""The models' pages: what they show, and the step a steward takes there."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from hedis.accounts import roles
from hedis.accounts.models import User
from predictions import charts, evaluating, learning, model_file, registry, splitting
from predictions.models import ModelVersion, State
from tests.conftest import person
from tests.factories import make_measure
from tests.predictions import people
from tests.predictions.registered import FOUND, brought_to, make_model

pytestmark = pytest.mark.django_db
LIST = "/admin/predictions/modelversion/"


@pytest.fixture
def mo(db: None) -> User:
    """Model steward."""
    return person("mo", roles.MODEL_STEWARD)


@pytest.fixture
def model(tmp_path: Path, ben: User) -> ModelVersion:
    """A draft that Ben trained."""
    return make_model(tmp_path, by=ben, measure=make_measure("COL"))


def page(client: Client, model: ModelVersion) -> str:
    """The model's page as text."""
    answer = client.get(address(model))
    assert answer.status_code == 200
    return answer.content.decode()


def address(model: ModelVersion) -> str:
    return reverse("admin:predictions_modelversion_change", args=[model.pk])


def test_the_page_shows_figures_with_intervals_groups_attributes_and_people(
    client: Client, model: ModelVersion, mo: User, cy: User
) -> None:
    brought_to(State.DEPLOYED, model, by=mo)
    client.force_login(cy)
    text = page(client, model)
    assert "0.710" in text and "0.690 to 0.730" in text
    assert "Withheld: fewer than 11 rows, events or non-events" in text
    assert "What holds for funding." in text and "45 CFR 170.315(b)(11)(iv)(B)" in text
    assert "900 rows of 2025, other members" in text
    for fact in ("Deployed", "ben", "mo", "to shadow", model.sha256):
        assert fact in text
    assert "Take step" not in text


def test_the_calibration_picture_has_words_and_its_table(client: Client, model: ModelVersion, cy: User) -> None:
    client.force_login(cy)
    text = page(client, model)
    assert "<title>Calibration: observed share against predicted probability</title>" in text
    assert text.count("<circle") == 9
    assert "withheld: too few" in text and "0.950" in text and "0.940" in text


def test_a_picture_without_points_is_none_and_its_words_name_the_worst() -> None:
    assert charts.calibration_plot([{"n": 5, "predicted": 0.2, "observed": None}]) == ""
    drawn = charts.calibration_plot(
        [{"n": 50, "predicted": 0.1, "observed": 0.1}, {"n": 50, "predicted": 0.6, "observed": 0.9}]
    )
    assert "Farthest from the diagonal: predicted 60.0%, observed 90.0%." in drawn


def test_a_real_evaluation_is_stored_and_shown(client: Client, tmp_path: Path, ben: User, mo: User) -> None:
    table = people.table(tmp_path, rows=1500)
    split = splitting.divide(table, test_groups=[], seed=0)
    learned = learning.learn(table, split.train, people.FEATURES, seed=0)
    found = evaluating.evaluate(learned.model, table, split.train, split.test, by=["region"])
    model_file.save(learned.model.with_card(metrics=found), tmp_path / "real")
    real = registry.register(tmp_path / "real", name="people", version="1", by=ben)
    registry.validate(real, found, data="The areas put away.", by=mo)
    real.refresh_from_db()
    assert real.measured()["auc"]["value"] == pytest.approx(found["auc"]["value"])
    client.force_login(mo)
    text = page(client, real)
    assert f"{found['auc']['value']:.3f}" in text and "The areas put away." in text
    assert "0 of 31 attributes" in text and "not filled in" in text


def test_a_steward_takes_a_step_and_the_trainer_is_not_offered_the_approval(
    client: Client, tmp_path: Path, mo: User
) -> None:
    own = make_model(tmp_path, by=mo)
    client.force_login(mo)
    answer = client.post(address(own), {"to": "in_validation", "why": "begin", "revision": own.revision})
    assert answer.status_code == 302
    own.refresh_from_db()
    assert own.state == State.IN_VALIDATION
    text = page(client, own)
    assert '<option value="validated"' not in text and '<option value="draft"' in text
    assert "You trained this model" in text


def test_a_refusal_is_said_and_keeps_what_was_typed(client: Client, model: ModelVersion, mo: User) -> None:
    brought_to(State.SHADOW, model, by=mo)
    model.refresh_from_db()
    client.force_login(mo)
    stale = client.post(address(model), {"to": "deployed", "why": "it is <better>", "revision": 1})
    text = stale.content.decode()
    assert stale.status_code == 409
    assert "changed by somebody else meanwhile" in text and 'value="it is &lt;better&gt;"' in text
    assert f'name="revision" value="{model.revision}"' in text
    graph = Path(settings.DATA_DIR) / model.folder / model_file.GRAPH
    graph.write_bytes(b"")
    tampered = client.post(address(model), {"to": "deployed", "why": "fine", "revision": model.revision})
    assert tampered.status_code == 409
    assert "the files are not the registered ones" in tampered.content.decode()
    model.refresh_from_db()
    assert model.state == State.SHADOW


@pytest.mark.parametrize("body", [{}, {"to": "frozen", "why": "x", "revision": 1}, {"to": "retired", "revision": "²"}])
def test_a_form_that_cannot_be_read_moves_nothing(client: Client, model: ModelVersion, mo: User, body: Any) -> None:
    client.force_login(mo)
    assert client.post(address(model), body).status_code == 409
    model.refresh_from_db()
    assert model.state == State.DRAFT


@pytest.mark.parametrize("role", [roles.ANALYST, roles.AUDITOR, roles.QUALITY_DIRECTOR], ids=lambda role: role.key)
def test_readers_take_no_step(client: Client, model: ModelVersion, role: roles.Role) -> None:
    client.force_login(person("reader", role))
    assert client.post(address(model), {"to": "retired", "why": "x", "revision": 1}).status_code == 403
    model.refresh_from_db()
    assert model.state == State.DRAFT


@pytest.mark.parametrize("role", [roles.CARE_MANAGER, roles.TEAM_LEAD, roles.ADMINISTRATOR], ids=lambda role: role.key)
def test_roles_without_models_see_no_page(client: Client, model: ModelVersion, role: roles.Role) -> None:
    client.force_login(person("other", role, team="north"))
    assert client.get(LIST).status_code == client.get(address(model)).status_code == 403


def test_the_list_is_empty_in_words_then_shows_state_and_figures(
    client: Client, tmp_path: Path, ben: User, mo: User
) -> None:
    client.force_login(mo)
    assert "No model is registered yet" in client.get(LIST).content.decode()
    brought_to(State.DEPLOYED, make_model(tmp_path, by=ben), by=mo)
    text = client.get(LIST).content.decode()
    assert "open-gap 1" in text and "chip-good" in text and "0.710" in text and "1.020" in text
    assert "Nothing fits" in client.get(LIST, {"state__exact": "retired"}).content.decode()


def test_an_address_of_no_model_is_a_404(client: Client, mo: User) -> None:
    client.force_login(mo)
    assert [client.get(f"{LIST}{key}/change/").status_code for key in ("0", "abc")] == [404, 404]


def test_the_figures_of_training_are_shown_until_there_is_a_validation(
    client: Client, model: ModelVersion, mo: User
) -> None:
    client.force_login(mo)
    assert "not validated yet" in page(client, model)
    registry.validate(model, {**FOUND, "auc": {"value": None, "reason": "one class only"}}, data="Ten rows.", by=mo)
    text = page(client, model)
    assert "one class only" in text and "Ten rows." in text
