"""The demo's models come by the registry's own verbs: trained by one, approved by another, gates asked."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.demo import modelling
from hedis.demo.modelling import Made
from hedis.engine.measure import Definition
from hedis.measures.definitions import DEFINITIONS
from predictions import plan_training, registry, training
from predictions.fairness import Finding, Verdict
from predictions.models import ModelTransition, ModelVersion, State, ValidationRun, Waiver
from predictions.plan_training import Trained
from predictions.source_attributes import KEYS
from predictions.tables import TableError
from tests.conftest import person
from tests.factories import make_measure
from tests.predictions import warehouse
from tests.predictions.test_training import MEMBERS, plan_of

AS_OF = date(2026, 9, 30)


COL = DEFINITIONS["COL"]


@pytest.fixture(scope="module")
def trained() -> Trained:
    """The model of one measure, learnt from invented people."""
    asked = training.Asked({"COL": [2024, 2025]}, [(6, 30)])
    gathered = training.gather([COL], warehouse.engine(plan_of(MEMBERS)), asked)["COL"]
    return plan_training.learnt(COL, gathered, plan_training.Source("generation", AS_OF, asked, 0))


@pytest.fixture
def made(trained: Trained, own_data_dir: Path, ben: User) -> Callable[[], Made]:
    """What becomes of that model when the demo takes it in."""
    person("mara", roles.MODEL_STEWARD)
    make_measure("COL")
    return lambda: modelling.brought_in(COL, trained)


def test_a_model_is_deployed_by_the_steward_and_a_measure_without_events_says_why(
    made: Callable[[], Made], trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def train_all(definitions: list[Definition], **options: Any) -> dict[str, Any]:
        asked.append([each.code for each in definitions])
        known = {"COL": trained, "SUPD": TableError("too few gaps to learn from")}
        return {each.code: known[each.code] for each in definitions}

    monkeypatch.setattr(plan_training, "train_all", train_all)
    monkeypatch.setattr(modelling, "DEFINITIONS", {code: DEFINITIONS[code] for code in ("COL", "SUPD")})
    told: list[str] = []
    states = {one.measure: one.state for one in modelling.train_models(as_of=AS_OF, say=told.append)}
    assert states == {"COL": State.DEPLOYED, "SUPD": ""}
    assert told[-1] == "SUPD: no model: too few gaps to learn from"
    model = ModelVersion.objects.get()
    assert (model.trained_by, model.approved_by, model.state) == ("ben", "mara", State.DEPLOYED)
    assert not model.missing_attributes() and set(modelling.WORDS["attributes"]) == KEYS
    assert not any("{" in text for text in (*model.attributes.values(), model.card))
    assert "invented" in model.card and "06-30" in model.attributes["training_criteria"]
    approvals = ModelTransition.objects.filter(to_state__in=registry.APPROVALS).values_list("by", flat=True)
    assert set(approvals) == {"mara"}
    assert model.latest_validation() is not None

    # A job that was cut off goes on with the measures that are left.
    modelling.train_models(as_of=AS_OF, say=told.append)
    assert asked == [["COL", "SUPD"], ["SUPD"]]


def finding(value: float, low: float | None, high: float | None) -> Finding:
    """A missed gate on observed over expected."""
    return Finding("oe", "sex", "female", Verdict.MISSED, value, low, high, 0.1, 300, f"O/E {value}.")


def test_a_gate_missed_by_more_than_chance_leaves_the_model_in_validation(
    made: Callable[[], Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = [finding(1.8, 1.7, 1.9)]
    monkeypatch.setattr(ValidationRun, "gates", lambda run: gates)
    one = made()
    assert one.state == ModelVersion.objects.get().state == State.IN_VALIDATION
    assert "sex = female" in one.said and not Waiver.objects.exists()


def test_a_gate_that_chance_alone_may_have_missed_is_waived_in_writing(
    made: Callable[[], Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = [finding(1.2, 1.05, 1.35)]
    monkeypatch.setattr(ValidationRun, "gates", lambda run: gates)
    one = made()
    assert one.state == State.DEPLOYED and "1 fairness gate waived" in one.said
    waiver = Waiver.objects.get()
    assert waiver.by == "mara" and "invented" in waiver.why and "sex = female" in waiver.why
    assert not ModelVersion.objects.filter(approved_by=F("trained_by")).exists()


@pytest.mark.parametrize(
    ("found", "looks", "chance"),
    [
        (finding(1.2, 1.05, 1.35), 1, True),
        (finding(1.3, 1.15, 1.45), 1, False),
        (finding(1.3, 1.15, 1.45), 40, True),
        (finding(0.5, 0.45, 0.55), 40, False),
        (finding(1.2, None, None), 1, False),
    ],
)
def test_the_more_groups_are_looked_at_the_further_chance_reaches(found: Finding, looks: int, chance: bool) -> None:
    assert modelling.may_be_chance(found, [found] * looks) is chance


def test_fewer_reached_in_a_group_is_excused_only_where_the_model_is_right_in_every_group() -> None:
    fewer = Finding("tpr", "sex", "female", Verdict.MISSED, 0.3, 0.25, 0.35, 0.05, 300, "fewer.")
    right = replace(finding(1.02, 0.95, 1.1), verdict=Verdict.PASSED)
    assert "lower probabilities are true" in modelling.excuse(fewer, [fewer, right])
    assert modelling.excuse(fewer, [fewer, finding(1.8, 1.7, 1.9)]) == ""
    assert modelling.excuse(fewer, [fewer]) == ""


def test_the_demos_own_day_is_among_the_score_dates() -> None:
    assert modelling.score_days(AS_OF) == plan_training.SCORE_DAYS
    assert (11, 15) in modelling.score_days(date(2026, 11, 15))
    assert modelling.score_days(date(2026, 12, 31)) == plan_training.SCORE_DAYS
