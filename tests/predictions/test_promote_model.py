"""The steward's commands: the next step, the end, and the look at models in use."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from hedis.accounts import roles
from hedis.accounts.models import User
from predictions import monitoring, registry, waiving
from predictions.model_file import GRAPH
from predictions.models import DriftCheck, Level, ModelVersion, State
from tests.conftest import person
from tests.factories import make_measure
from tests.predictions.registered import UNFAIR, brought_to, make_model
from tests.predictions.test_monitoring import REFERENCE, even, scored

pytestmark = pytest.mark.django_db
Answer = Callable[..., dict[str, Any]]


@pytest.fixture
def mo(db: None) -> User:
    """Model steward."""
    return person("mo", roles.MODEL_STEWARD)


@pytest.fixture
def model(tmp_path: Path, ben: User, mo: User) -> ModelVersion:
    """A draft that Ben trained."""
    return make_model(tmp_path, by=ben, measure=make_measure("COL"), known={"reference": REFERENCE})


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Answer:
    """The JSON of a command; of one that refuses, with its exit code."""

    def called(command: str, *names: str, **options: Any) -> dict[str, Any]:
        code = 0
        try:
            call_command(command, *names, json=True, **options)
        except CommandError as error:
            code = error.returncode
        out = capsys.readouterr().out
        return {**json.loads(out or "{}"), "exit": code}

    return called


def test_a_model_goes_step_by_step_to_deployed_by_default(model: ModelVersion, answer: Answer) -> None:
    states = []
    for _ in range(4):
        told = answer("promote_model", "COL", why="the story", by="mo")
        if told["exit"]:
            assert told["missing"] == ["validation: measure it on rows it was not trained on"]
            stored = answer("validate_model", "open-gap@1", by="ben")
            assert stored["data"] == "The 900 test rows put away in training: a quarter of the groups."
            assert (stored["exit"], stored["missed"]) == (0, [])
            told = answer("promote_model", "COL", why="the story", by="mo")
        states.append((told["before"], told["state"], told["next"]))
    assert states == [
        ("draft", "in_validation", "validated"),
        ("in_validation", "validated", "shadow"),
        ("validated", "shadow", "deployed"),
        ("shadow", "deployed", None),
    ]
    last = answer("promote_model", "COL", why="more", by="mo")
    assert (last["exit"], last["error"]) == (1, "open-gap 1 is deployed: no step leads further on from there.")


def test_a_suspended_model_goes_back_into_force_and_a_step_can_be_named(
    model: ModelVersion, answer: Answer, mo: User
) -> None:
    brought_to(State.SUSPENDED, model, by=mo)
    assert answer("promote_model", str(model.pk), why="roll back", by="mo")["state"] == "deployed"
    assert answer("promote_model", str(model.pk), why="drift", to="suspended", by="mo")["state"] == "suspended"
    assert answer("promote_model", str(model.pk), why="drift", to="draft", by="mo")["exit"] == 1


def test_everything_that_is_missing_is_said_at_once(tmp_path: Path, mo: User, answer: Answer) -> None:
    own = make_model(tmp_path, by=mo, version="2", attributes={"funding": "The plan."})
    own = registry.transition(own, State.IN_VALIDATION, why="begin", by=mo)
    registry.validate(own, UNFAIR, data="900 rows", by=mo)
    told = answer("promote_model", "open-gap@2", why="fine", by="mo")
    assert (told["exit"], told["to"], told["state"]) == (1, "validated", "in_validation")
    assert len([one for one in told["missing"] if one.startswith("source attribute: ")]) == 30
    assert any(one.startswith("fairness: language_not_english = 1") for one in told["missing"])
    assert told["missing"][-1] == "approval: by somebody else than mo, who trained it"


def test_a_missed_gate_stops_the_command_until_it_is_waived(model: ModelVersion, mo: User, answer: Answer) -> None:
    model = brought_to(State.IN_VALIDATION, model, by=mo)
    run = registry.validate(model, UNFAIR, data="900 rows", by=mo)
    told = answer("promote_model", "COL", why="fine", by="mo")
    assert told["exit"] == 1 and "misses 1 fairness gate" in told["error"]
    run.model.refresh_from_db()
    waiving.waive(run, why="known", by=mo)
    assert answer("promote_model", "COL", why="waived", by="mo")["state"] == "validated"


@pytest.mark.parametrize(
    ("name", "by", "code"), [("COL", "nobody", 2), ("COL", "cy", 1), ("GSD", "mo", 2), ("open-gap@9", "mo", 2)]
)
@pytest.mark.parametrize("command", ["promote_model", "retire_model"])
def test_a_wrong_name_is_wrong_use_and_a_wrong_role_is_refused(
    command: str, name: str, by: str, code: int, model: ModelVersion, cy: User, answer: Answer
) -> None:
    assert answer(command, name, why="x", by=by)["exit"] == code
    model.refresh_from_db()
    assert model.state == State.DRAFT


def test_a_measure_with_several_models_is_asked_which(
    model: ModelVersion, tmp_path: Path, ben: User, capsys: pytest.CaptureFixture[str]
) -> None:
    make_model(tmp_path, by=ben, version="2", measure=model.measure)
    with pytest.raises(CommandError, match=r"COL has several: open-gap@1 \(id \d+, draft\), open-gap@2") as refused:
        call_command("promote_model", "COL", why="x", by="mo")
    assert refused.value.returncode == 2


def test_retiring_says_what_is_in_force_from_now_on(
    model: ModelVersion, tmp_path: Path, ben: User, mo: User, answer: Answer
) -> None:
    brought_to(State.DEPLOYED, model, by=mo)
    second = brought_to(State.SHADOW, make_model(tmp_path, by=ben, version="2", measure=model.measure), by=mo)
    told = answer("retire_model", "open-gap@2", why="not better", by="mo")
    assert (told["state"], told["in_force"]) == ("retired", "open-gap@1")
    told = answer("retire_model", str(model.pk), why="the measure ends", by="mo")
    assert (told["before"], told["in_force"]) == ("deployed", None)
    assert answer("retire_model", str(second.pk), why="again", by="mo")["exit"] == 1


def test_models_in_use_are_checked_and_others_are_not(
    model: ModelVersion, tmp_path: Path, ben: User, mo: User, answer: Answer
) -> None:
    assert answer("monitor_models") == {"models": [], "alarms": 0, "exit": 0}
    brought_to(State.DEPLOYED, model, by=mo)
    shadow = brought_to(State.SHADOW, make_model(tmp_path, by=ben, version="2", measure=model.measure), by=mo)
    make_model(tmp_path, by=ben, version="3", measure=model.measure)
    scored(model, [0.95] * 220)
    told = answer("monitor_models")
    assert [(one["name"], one["state"], one["level"]) for one in told["models"]] == [
        ("open-gap@2", "shadow", "unknown"),
        ("open-gap@1", "deployed", "act"),
    ]
    assert told["models"][0]["unknown"] == ["open-gap 2 has scored nothing yet."]
    assert told["models"][1]["measure"] == "COL" and told["models"][1]["score_psi"] > 0.25
    assert (told["alarms"], told["exit"]) == (1, 0)
    assert told["models"][1]["alarms"][0]["words"].startswith("Score stability index (PSI)")
    assert [check.model_id for check in DriftCheck.objects.all()] == [model.pk] and shadow.pk != model.pk


def test_a_clock_is_told_by_the_exit_code_when_there_is_something_to_do(
    model: ModelVersion, mo: User, answer: Answer, monkeypatch: Any
) -> None:
    brought_to(State.DEPLOYED, model, by=mo)
    scored(model, even(220))
    assert answer("monitor_models", fail_on="look")["exit"] == 0
    real = monitoring.check

    def looked(*given: Any, **more: Any) -> DriftCheck:
        check = real(*given, **more)
        check.level = Level.LOOK
        return check

    monkeypatch.setattr(monitoring, "check", looked)
    assert answer("monitor_models", fail_on="act")["exit"] == 0
    told = answer("monitor_models", fail_on="look")
    assert (told["exit"], told["error"]) == (1, "open-gap@1: look or worse")
    assert told["models"][0]["level"] == "look"


def test_a_model_whose_files_changed_cannot_be_measured_and_the_others_are(
    model: ModelVersion, tmp_path: Path, ben: User, mo: User, answer: Answer
) -> None:
    brought_to(State.DEPLOYED, model, by=mo)
    shadow = brought_to(State.SHADOW, make_model(tmp_path, by=ben, version="2", measure=model.measure), by=mo)
    for each in (model, shadow):
        scored(each, even(20))
    (Path(settings.DATA_DIR) / model.folder / GRAPH).write_bytes(b"other")
    told = answer("monitor_models")
    assert (told["exit"], told["error"]) == (1, "cannot be measured: open-gap@1")
    assert [bool(one["error"]) for one in told["models"]] == [False, True]
    assert str(settings.DATA_DIR) not in json.dumps(told)
    assert DriftCheck.objects.get().model_id == shadow.pk


def test_the_words_for_people_name_states_and_what_is_not_known(
    model: ModelVersion, mo: User, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("monitor_models")
    assert "nothing to watch" in capsys.readouterr().out
    brought_to(State.VALIDATED, model, by=mo)
    call_command("promote_model", "COL", why="try", by="mo")
    assert capsys.readouterr().out.splitlines() == ["open-gap 1: validated → shadow", "Next: deployed"]
    call_command("promote_model", "COL", why="go", by="mo")
    capsys.readouterr()
    call_command("monitor_models")
    assert "open-gap@1 (deployed): unknown\n  open-gap 1 has scored nothing yet." in capsys.readouterr().out
    call_command("retire_model", "COL", why="end", by="mo")
    assert "In force: none" in capsys.readouterr().out
