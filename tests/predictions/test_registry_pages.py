"""The models' pages: what they show, and the step a steward takes there."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from hedis.accounts import roles
from hedis.accounts.models import User
from predictions import charts, evaluating, learning, model_file, registry, splitting
from predictions.models import DriftCheck, Level, ModelVersion, State, Waiver
from predictions.source_attributes import ATTRIBUTES, GROUPS
from tests.conftest import person
from tests.factories import make_measure
from tests.predictions import people
from tests.predictions.registered import FOUND, UNFAIR, brought_to, make_model
from tests.predictions.test_monitoring import REFERENCE, even, judged, scored

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


@pytest.fixture
def unfair(model: ModelVersion, mo: User) -> ModelVersion:
    """A model in validation that misses a gate."""
    held = brought_to(State.IN_VALIDATION, model, by=mo)
    registry.validate(held, UNFAIR, data="900 rows of 2025", by=mo)
    held.refresh_from_db()
    return held


def test_a_missed_gate_is_shown_waived_by_a_steward_and_then_named_with_who_answered(
    client: Client, unfair: ModelVersion, mo: User, cy: User
) -> None:
    client.force_login(mo)
    text = page(client, unfair)
    assert "1 missed" in text and "Observed / expected 1.330 (1.310 to 1.350)" in text
    assert "fewer than 11 rows" in text and "has no rows by it: race, ethnicity" in text
    stopped = client.post(address(unfair), {"to": "validated", "why": "fine", "revision": unfair.revision})
    assert stopped.status_code == 409 and "misses 1 fairness gate" in stopped.content.decode()
    given = {"action": "waive", "waive_why": "We <know>.", "revision": unfair.revision}
    assert client.post(address(unfair), given).status_code == 302
    client.force_login(cy)
    text = page(client, unfair)
    assert "missed, waived" in text and "We &lt;know&gt;." in text and "Waived by mo" in text
    assert "Waive</button>" not in text


def test_a_model_of_which_nothing_could_be_judged_is_not_shown_as_fair(
    client: Client, model: ModelVersion, mo: User
) -> None:
    brought_to(State.VALIDATED, model, by=mo)
    client.force_login(mo)
    assert "1 passed, none missed" in page(client, model)
    small = {**FOUND, "subgroups": [{**FOUND["subgroups"][0], "n": 199}]}
    registry.validate(model, small, data="199 rows of 2025", by=mo)
    text = page(client, model)
    assert "nothing judged" in text and "not judged: fewer than 200 rows." in text
    assert "none missed" not in text


def test_a_waiver_on_an_old_screen_or_without_a_reason_is_refused_and_keeps_what_was_typed(
    client: Client, unfair: ModelVersion, mo: User, ben: User
) -> None:
    client.force_login(mo)
    stale = client.post(address(unfair), {"action": "waive", "waive_why": "it is <small>", "revision": 1})
    text = stale.content.decode()
    assert stale.status_code == 409
    assert "changed by somebody else meanwhile" in text and 'value="it is &lt;small&gt;"' in text
    assert client.post(address(unfair), {"action": "waive", "revision": unfair.revision}).status_code == 409
    client.force_login(ben)
    given = {"action": "waive", "waive_why": "mine", "revision": unfair.revision}
    assert client.post(address(unfair), given).status_code == 403
    assert not Waiver.objects.exists()


@pytest.fixture
def in_force(tmp_path: Path, ben: User, mo: User) -> ModelVersion:
    """A deployed model with scores of people who have changed."""
    made = make_model(tmp_path, by=ben, measure=make_measure("COL"), known={"reference": REFERENCE})
    held = brought_to(State.DEPLOYED, made, by=mo)
    scored(held, even(150), 2024)
    judged(2024, date(2025, 7, 1))
    scored(held, [0.95] * 210, 2025)
    return held


def test_a_steward_checks_a_model_and_the_page_shows_alarms_figures_and_bars(
    client: Client, in_force: ModelVersion, mo: User, cy: User
) -> None:
    client.force_login(mo)
    assert "Not checked yet" in page(client, in_force)
    assert client.post(address(in_force), {"action": "check"}).status_code == 302
    assert client.post(address(in_force), {"action": "check"}).status_code == 302
    client.force_login(cy)
    text = page(client, in_force)
    assert (
        "Score stability index (PSI) " in text
        and '<span class="chip chip-bad" title="">Act</span>' in text
        and "Settled gaps of MY2024" in text
    )
    assert "<title>Stability index of the score: " in text and "lines at 0.1 and 0.25</desc>" in text
    assert "the rows of the score date are not kept" in text
    assert text.count("by mo</span></li>") >= 2 and "Checks before" in text
    assert "Check now" not in text
    assert client.post(address(in_force), {"action": "check"}).status_code == 403


def test_a_check_that_cannot_be_made_says_why(client: Client, model: ModelVersion, mo: User) -> None:
    client.force_login(mo)
    answer = client.post(address(model), {"action": "check"})
    assert answer.status_code == 409
    assert "has scored nothing yet" in answer.content.decode()
    assert not DriftCheck.objects.exists()


def test_the_home_page_tells_the_health_of_every_model_in_force(
    client: Client, in_force: ModelVersion, tmp_path: Path, ben: User, mo: User, quinn: User, ana: User
) -> None:
    brought_to(State.DEPLOYED, make_model(tmp_path, by=ben, version="2", measure=make_measure("GSD")), by=mo)
    client.force_login(quinn)
    home = client.get(reverse("admin:index"))
    [panel] = [panel for panel in home.context["panels"] if panel["template"] == "admin/panels/models.html"]
    assert [(str(row.model), row.level, row.checked_at) for row in panel["rows"]] == [
        ("open-gap 1", Level.UNKNOWN, None),
        ("open-gap 2", Level.UNKNOWN, None),
    ]
    assert panel["rows"][0].as_of == date(2025, 6, 30) and panel["rows"][1].as_of is None
    client.force_login(mo)
    client.post(address(in_force), {"action": "check"})
    text = client.get(reverse("admin:index")).content.decode()
    assert "chip-bad" in text and "MY2024" in text
    assert DriftCheck.objects.get().alarms[0]["words"] in text
    client.force_login(ana)
    assert "Model health" not in client.get(reverse("admin:index")).content.decode()


def test_a_house_without_models_says_how_to_get_one(client: Client, quinn: User) -> None:
    client.force_login(quinn)
    text = client.get(reverse("admin:index")).content.decode()
    assert "No model is deployed" in text and "manage.py train_model MEASURE" in text


def test_the_panel_asks_as_often_for_many_models_as_for_one(
    client: Client, tmp_path: Path, ben: User, mo: User, quinn: User, django_assert_max_num_queries: Any
) -> None:
    for number, code in enumerate(("COL", "GSD", "BCS"), start=1):
        brought_to(State.DEPLOYED, make_model(tmp_path, by=ben, version=str(number), measure=make_measure(code)), by=mo)
    client.force_login(quinn)
    with django_assert_max_num_queries(26):
        assert "open-gap 3" in client.get(reverse("admin:index")).content.decode()


def describe_address(model: ModelVersion) -> str:
    return reverse("admin:predictions_modelversion_describe", args=[model.pk])


def test_attributes_are_filled_in_a_few_at_a_time_and_the_page_says_how_far_it_is(
    client: Client, tmp_path: Path, mo: User, ben: User
) -> None:
    bare = make_model(tmp_path, by=mo, attributes={"funding": "The plan."}, card="")
    client.force_login(ben)
    assert "1 of 31" in client.get(describe_address(bare)).content.decode()
    given = {"revision": bare.revision, "developer": "Quality\r\next. 12", "funding": "The plan.", "card": "For gaps."}
    assert client.post(describe_address(bare), given).status_code == 302
    bare.refresh_from_db()
    assert (bare.attributes, bare.card, bare.revision) == (
        {"developer": "Quality\next. 12", "funding": "The plan."}, "For gaps.", 2,
    )  # fmt: skip
    text = client.get(describe_address(bare)).content.decode()
    assert "2 of 31" in text and '<progress max="31" value="2"' in text


def test_a_description_of_an_old_screen_of_an_approved_model_or_by_a_reader_is_refused(
    client: Client, model: ModelVersion, mo: User, ben: User, cy: User
) -> None:
    brought_to(State.VALIDATED, model, by=mo)
    client.force_login(ben)
    stale = client.post(describe_address(model), {"revision": 1, "funding": "Somebody <else>."})
    assert stale.status_code == 409
    assert "changed by somebody else meanwhile" in stale.content.decode()
    assert "Somebody &lt;else&gt;." in stale.content.decode()
    model.refresh_from_db()
    late = client.post(describe_address(model), {"revision": model.revision, "funding": "x"})
    assert late.status_code == 409 and "stand still" in late.content.decode()
    client.force_login(cy)
    assert client.get(describe_address(model)).status_code == 403
    assert client.get(reverse("admin:predictions_modelversion_describe", args=["abc"])).status_code == 404


def test_the_groups_of_the_form_hold_every_attribute_once() -> None:
    numbers = [number for _, first, last in GROUPS for number in range(first, last + 1)]
    assert numbers == [one.number for one in ATTRIBUTES]
