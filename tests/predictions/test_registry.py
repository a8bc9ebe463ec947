"""The registry: who may move a model where, what must be there before, and that nobody exchanges its files."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from audit import ledger
from audit.models import Event
from hedis.accounts import roles
from hedis.accounts.models import User
from predictions import model_file, registry, waiving
from predictions.model_file import ModelFileError
from predictions.models import ModelTransition, ModelVersion, State, ValidationRun, Waiver
from predictions.source_attributes import ATTRIBUTES, KEYS
from tests.conftest import person
from tests.factories import make_measure
from tests.predictions.registered import FILLED, FOUND, UNFAIR, brought_to, make_model, one, write_model

pytestmark = pytest.mark.django_db
Make = Callable[..., ModelVersion]


@pytest.fixture
def mo(db: None) -> User:
    """Model steward."""
    return person("mo", roles.MODEL_STEWARD)


@pytest.fixture
def make(tmp_path: Path, ben: User, mo: User) -> Make:
    """A model that Ben trained, brought to a state by Mo."""

    def made(state: str = State.DRAFT, **facts: Any) -> ModelVersion:
        model = make_model(tmp_path, **{"by": ben, **facts})
        return model if state == State.DRAFT else brought_to(state, model, by=mo)

    return made


def tamper(model: ModelVersion) -> None:
    """Somebody changes a byte of the graph in the data directory."""
    graph = Path(settings.DATA_DIR) / model.folder / model_file.GRAPH
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x07")


def test_every_state_is_in_the_table_of_steps_and_in_the_check_of_the_database(make: Make) -> None:
    assert set(registry.STEPS) == set(State.values)
    assert set().union(*registry.STEPS.values()) <= set(State.values)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'model_state_known'")
        definition = cursor.fetchone()[0]
    assert all(f"'{state}'" in definition for state in State.values)
    assert definition.count("'::") == len(State.values)
    model = make()
    with pytest.raises(IntegrityError, match="model_state_known"), transaction.atomic():
        ModelVersion.objects.filter(pk=model.pk).update(state="frozen")


def test_every_state_is_reached_and_only_retired_is_an_end() -> None:
    reached = {State.DRAFT.value}
    for _ in State.values:
        reached |= set().union(*(registry.STEPS[state] for state in reached))
    assert reached == set(State.values)
    assert [state for state in State.values if not registry.STEPS[state]] == [State.RETIRED]


@pytest.mark.parametrize(("before", "to"), list(itertools.product(State.values, State.values)))
def test_each_step_is_taken_exactly_where_the_table_has_it(make: Make, mo: User, before: str, to: str) -> None:
    model = make(before)
    if before == State.IN_VALIDATION:
        registry.validate(model, FOUND, data="900 rows", by=mo)
        model.refresh_from_db()
    if to in registry.STEPS[before]:
        moved = registry.transition(model, to, why="the story", by=mo)
        assert ModelVersion.objects.get(pk=model.pk).state == moved.state == to
        last = ModelTransition.objects.filter(model=model).last()
        assert last is not None
        assert (last.from_state, last.to_state, last.by, last.why) == (before, to, "mo", "the story")
        assert len(last.evidence_sha256) == 64
    else:
        with pytest.raises(registry.IllegalStep, match="cannot become"):
            registry.transition(model, to, why="the story", by=mo)
        assert ModelVersion.objects.get(pk=model.pk).state == before


def test_registering_keeps_a_copy_of_the_files_and_reads_what_they_say(make: Make, tmp_path: Path, ben: User) -> None:
    model = make(measure=make_measure("COL"), window=(date(2023, 1, 1), date(2024, 12, 31)))
    (tmp_path / "1" / model_file.GRAPH).unlink()
    assert registry.load(model, by=ben).features == ("days_since_last_visit",)
    assert (model.state, model.trained_by, model.approved_by) == (State.DRAFT, "ben", "")
    assert model.kind == "gradient boosted trees"
    assert model.framework == {"scikit-learn": "1.7"}
    assert model.features == [{"name": "days_since_last_visit", "kind": "number"}]
    assert model.thresholds == {"high": 0.6, "medium": 0.3}
    assert model.metrics["auc"]["value"] == 0.71
    assert not Path(model.folder).is_absolute()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"thresholds": {"high": 7.5}}, r"thresholds\.high: 7\.5 is no probability"),
        ({"thresholds": {"high": float("nan")}}, r"thresholds\.high: nan is no probability"),
        ({"attributes": {"colour": "red"}}, r"attributes\.colour: there is no such source attribute"),
        ({"attributes": {"funding": 3}}, r"attributes\.funding: 3 is no text"),
        ({"name": " "}, "needs a name"),
    ],
)
def test_what_cannot_be_registered_is_refused_by_field(make: Make, facts: dict[str, Any], words: str) -> None:
    with pytest.raises(registry.NotRegistrable, match=words):
        make(**facts)
    assert not ModelVersion.objects.exists()


def test_a_version_is_registered_once_and_a_folder_without_model_never(make: Make, tmp_path: Path, ben: User) -> None:
    make()
    with pytest.raises(registry.NotRegistrable, match="registered already"):
        make()
    with pytest.raises(ModelFileError, match="is no model file"):
        registry.register(tmp_path / "nowhere", name="other", version="1", by=ben)


@pytest.mark.parametrize("to", [State.VALIDATED, State.DEPLOYED])
def test_who_trained_cannot_approve_and_the_attempt_is_in_the_ledger(
    make: Make, ben: User, mo: User, to: State
) -> None:
    model = make(State.IN_VALIDATION if to == State.VALIDATED else State.SHADOW)
    registry.validate(model, FOUND, data="900 rows", by=ben)
    model.refresh_from_db()
    before = model.state
    with pytest.raises(registry.TrainerCannotApprove, match="was trained by ben"):
        registry.transition(model, to, why="looks fine to me", by=ben)
    model.refresh_from_db()
    assert model.state == before
    told = Event.objects.get(outcome="denied")
    assert (told.action, told.actor, told.object_id) == ("model.moved", "ben", str(model.pk))
    assert registry.transition(model, to, why="looks fine to me too", by=mo).state == to


def test_the_database_itself_refuses_an_approval_by_the_trainer(make: Make) -> None:
    model = make(State.IN_VALIDATION)
    with pytest.raises(IntegrityError, match="model_trainer_never_approves"), transaction.atomic():
        ModelVersion.objects.filter(pk=model.pk).update(approved_by="ben")
    with pytest.raises(IntegrityError, match="model_approved_by_somebody"), transaction.atomic():
        ModelVersion.objects.filter(pk=model.pk).update(state=State.VALIDATED)


def test_the_trainer_is_not_offered_an_approval(make: Make, tmp_path: Path, mo: User, cy: User) -> None:
    model = make(State.IN_VALIDATION)
    own = make_model(tmp_path, by=mo, version="2")
    own = registry.transition(own, State.IN_VALIDATION, why="try it", by=mo)
    assert [value for value, _ in registry.steps_for(model, mo)] == ["draft", "validated", "retired"]
    assert [value for value, _ in registry.steps_for(own, mo)] == ["draft", "retired"]
    assert registry.steps_for(model, cy) == []


def test_there_are_31_source_attributes_in_the_order_of_the_rule() -> None:
    assert [one.number for one in ATTRIBUTES] == list(range(1, 32))
    assert len(KEYS) == 31
    assert all(one.label for one in ATTRIBUTES)


@pytest.mark.parametrize("missing", sorted(KEYS))
def test_no_model_is_validated_while_an_attribute_is_missing(make: Make, mo: User, missing: str) -> None:
    model = make(attributes={**FILLED, missing: " "})
    model = registry.transition(model, State.IN_VALIDATION, why="begin", by=mo)
    registry.validate(model, FOUND, data="900 rows", by=mo)
    model.refresh_from_db()
    with pytest.raises(registry.NotReady, match="lacks 1 of the 31 source attributes"):
        registry.transition(model, State.VALIDATED, why="fine", by=mo)
    described = registry.describe(model, attributes={missing: "Nobody else paid."}, by=mo)
    assert registry.transition(described, State.VALIDATED, why="fine", by=mo).approved_by == "mo"


def test_no_model_is_validated_without_a_validation_run(make: Make, mo: User) -> None:
    model = make(State.IN_VALIDATION)
    with pytest.raises(registry.NotReady, match="has no validation run"):
        registry.transition(model, State.VALIDATED, why="fine", by=mo)


def test_attributes_and_card_stand_still_once_approved(make: Make, mo: User) -> None:
    model = make(State.VALIDATED)
    with pytest.raises(registry.IllegalStep, match="stand still"):
        registry.describe(model, card="Better than it is.", by=mo)
    back = registry.transition(model, State.IN_VALIDATION, why="card was wrong", by=mo)
    assert back.approved_by == ""
    assert registry.describe(back, card="As it is.", by=mo).card == "As it is."


@pytest.mark.parametrize("why", ["", "  "])
def test_a_step_without_a_reason_is_refused(make: Make, mo: User, why: str) -> None:
    with pytest.raises(registry.WhyMissing):
        registry.transition(make(), State.IN_VALIDATION, why=why, by=mo)


@pytest.mark.parametrize(
    ("before", "to"),
    [
        (State.IN_VALIDATION, State.VALIDATED),
        (State.VALIDATED, State.SHADOW),
        (State.SHADOW, State.DEPLOYED),
        (State.SUSPENDED, State.DEPLOYED),
    ],
)
def test_tampered_files_stop_the_step_and_the_ledger_says_so(make: Make, mo: User, before: State, to: State) -> None:
    model = make(before)
    registry.validate(model, FOUND, data="900 rows", by=mo)
    model.refresh_from_db()
    tamper(model)
    with pytest.raises(registry.FileChanged, match=r"open-gap 1: the files are not the registered ones\. model\.onnx"):
        registry.transition(model, to, why="fine", by=mo)
    model.refresh_from_db()
    assert model.state == before
    told = Event.objects.get(outcome="denied")
    assert told.action == "model.moved"
    assert "not the registered ones" in ledger.contents(told)["after"]["reason"]


def test_tampered_or_missing_files_are_not_loaded_and_no_path_is_told(make: Make, ben: User) -> None:
    model = make(State.DEPLOYED)
    assert registry.load(model, by=ben).features
    tamper(model)
    with pytest.raises(registry.FileChanged):
        registry.load(model, by=ben)
    (Path(settings.DATA_DIR) / model.folder / model_file.CARD).unlink()
    with pytest.raises(registry.FileChanged) as refused:
        registry.load(model, by=ben)
    assert str(settings.DATA_DIR) not in str(refused.value)
    assert Event.objects.filter(action="model.loaded", outcome="denied").count() == 2
    with pytest.raises(registry.FileChanged):
        registry.validate(model, FOUND, data="900 rows", by=ben)
    assert not ValidationRun.objects.filter(model=model, run_by="ben").exists()


def test_files_exchanged_for_a_sound_model_are_refused_by_the_registered_hash(make: Make, ben: User) -> None:
    model = make()
    write_model(Path(settings.DATA_DIR) / model.folder, seed=99)
    with pytest.raises(registry.FileChanged, match="sha256"):
        registry.load(model, by=ben)


def test_deploying_suspends_the_one_in_force_and_rolling_back_is_a_step(make: Make, mo: User) -> None:
    measure = make_measure("COL")
    first = make(State.DEPLOYED, measure=measure)
    second = make(State.DEPLOYED, measure=measure, version="2")
    first.refresh_from_db()
    assert (first.state, second.state) == (State.SUSPENDED, State.DEPLOYED)
    replaced = ModelTransition.objects.filter(model=first).last()
    assert replaced is not None and replaced.why.startswith("Replaced by open-gap 2")
    back = registry.transition(first, State.DEPLOYED, why="2 drifted", by=mo)
    second.refresh_from_db()
    assert (back.state, second.state) == (State.DEPLOYED, State.SUSPENDED)
    assert list(ModelVersion.objects.deployed()) == [back]


def test_models_of_other_measures_lines_and_names_stay_in_force(make: Make) -> None:
    col = make_measure("COL")
    make(State.DEPLOYED, measure=col)
    make(State.DEPLOYED, measure=make_measure("GSD"), version="2")
    make(State.DEPLOYED, measure=col, version="3", line_of_business="snp")
    make(State.DEPLOYED, version="4", name="survey")
    make(State.DEPLOYED, version="5", name="other survey")
    assert ModelVersion.objects.deployed().count() == 5


@pytest.mark.parametrize("code", ["COL", None])
def test_the_database_itself_allows_one_deployed_model_only(make: Make, code: str | None) -> None:
    measure = make_measure(code) if code else None
    make(State.DEPLOYED, measure=measure)
    second = make(State.SHADOW, measure=measure, version="2")
    with pytest.raises(IntegrityError, match="model_one_deployed_of_a"), transaction.atomic():
        ModelVersion.objects.filter(pk=second.pk).update(state=State.DEPLOYED)


def test_of_two_people_at_once_the_slower_is_told(make: Make, mo: User) -> None:
    model = make()
    read_before = ModelVersion.objects.get(pk=model.pk)
    registry.transition(model, State.IN_VALIDATION, why="begin", by=mo)
    with pytest.raises(registry.ChangedMeanwhile, match="it is now “In validation”"):
        registry.transition(read_before, State.RETIRED, why="not needed", by=mo)
    assert ModelVersion.objects.get(pk=model.pk).state == State.IN_VALIDATION


def test_who_is_about_to_approve_must_have_seen_the_newest_figures(make: Make, mo: User, ben: User) -> None:
    model = make(State.IN_VALIDATION)
    registry.validate(model, {"auc": {"value": 0.51}}, data="900 rows of another year", by=ben)
    with pytest.raises(registry.ChangedMeanwhile):
        registry.transition(model, State.VALIDATED, why="0.71 is fine", by=mo)


def test_a_step_that_fails_halfway_leaves_everything_as_it_was(make: Make, mo: User, monkeypatch: Any) -> None:
    measure = make_measure("COL")
    first, second = make(State.DEPLOYED, measure=measure), make(State.SHADOW, measure=measure, version="2")
    steps = ModelTransition.objects.count()

    held = registry.evidence_hash

    def broken(row: ModelVersion) -> str:
        if row.pk == second.pk:
            raise RuntimeError("the disk is full")
        return held(row)

    monkeypatch.setattr(registry, "evidence_hash", broken)
    with pytest.raises(RuntimeError, match="the disk is full"):
        registry.transition(second, State.DEPLOYED, why="better", by=mo)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (State.DEPLOYED, State.SHADOW)
    assert ModelTransition.objects.count() == steps


def test_a_retired_model_stays_readable_but_is_measured_no_more(make: Make, mo: User, ben: User) -> None:
    model = make(State.DEPLOYED)
    model = registry.transition(model, State.RETIRED, why="a better one came", by=mo)
    assert registry.load(model, by=ben).features
    assert model.latest_validation() is not None
    with pytest.raises(registry.IllegalStep, match="is retired"):
        registry.validate(model, FOUND, data="900 rows", by=mo)


@pytest.mark.parametrize(("found", "data"), [({}, "900 rows"), (FOUND, " ")])
def test_a_validation_needs_figures_and_says_on_what(make: Make, mo: User, found: Any, data: str) -> None:
    with pytest.raises(registry.NotReady, match="needs its figures"):
        registry.validate(make(), found, data=data, by=mo)


def test_the_evidence_hash_changes_with_what_the_decision_rests_on(make: Make, mo: User) -> None:
    model = make(State.IN_VALIDATION)
    hashes = [registry.evidence_hash(model)]
    registry.validate(model, FOUND, data="900 rows", by=mo)
    hashes.append(registry.evidence_hash(model))
    model.refresh_from_db()
    model = registry.describe(model, card="Another card.", by=mo)
    hashes.append(registry.evidence_hash(model))
    assert len(set(hashes)) == 3
    approved = registry.transition(model, State.VALIDATED, why="fine", by=mo)
    last = ModelTransition.objects.filter(model=model).last()
    assert last is not None and last.evidence_sha256 == hashes[-1] == registry.evidence_hash(approved)


def test_every_step_is_a_line_of_the_ledger(make: Make) -> None:
    model = make(State.SUSPENDED)
    lines = Event.objects.filter(object_type="model", object_id=str(model.pk)).order_by("id")
    assert [line.action for line in lines] == [
        "model.registered", "model.moved", "model.validated", "model.moved", "model.moved", "model.moved",
        "model.moved",
    ]  # fmt: skip
    assert ledger.contents(lines.last() or lines[0])["after"]["state"] == "suspended"


@pytest.mark.django_db(transaction=True)
def test_of_two_deployments_at_the_same_moment_one_model_is_in_force_and_both_are_in_the_history(
    make: Make, mo: User
) -> None:
    measure = make_measure("COL")
    rivals = [make(State.SHADOW, measure=measure, version=version) for version in ("1", "2")]
    start = threading.Barrier(2)

    def deploy(model: ModelVersion) -> None:
        try:
            start.wait(timeout=20)
            registry.transition(model, State.DEPLOYED, why="at once", by=mo)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(deploy, model) for model in rivals]:
            done.result(timeout=30)
    assert sorted(ModelVersion.objects.values_list("state", flat=True)) == [State.DEPLOYED, State.SUSPENDED]
    assert ModelTransition.objects.filter(to_state=State.DEPLOYED).count() == 2
    assert ModelTransition.objects.filter(to_state=State.SUSPENDED).count() == 1


def in_validation(make: Make, found: dict[str, Any], *, by: User) -> ModelVersion:
    """A model in validation, measured as `found`."""
    model = make(State.IN_VALIDATION)
    registry.validate(model, found, data="900 rows", by=by)
    model.refresh_from_db()
    return model


def newest(model: ModelVersion) -> ValidationRun:
    """The newest validation of a model just read."""
    run = model.latest_validation()
    assert run is not None
    return run


def test_a_missed_gate_stops_the_approval_by_name_and_the_ledger_says_so(make: Make, mo: User) -> None:
    model = in_validation(make, UNFAIR, by=mo)
    with pytest.raises(
        registry.GatesMissed, match=r"misses 1 fairness gate\. language_not_english = 1: Obs.* 1.330"
    ) as no:
        registry.transition(model, State.VALIDATED, why="fine by me", by=mo)
    assert [(one.gate, one.by, one.level) for one in no.value.findings] == [("oe", "language_not_english", "1")]
    model.refresh_from_db()
    assert model.state == State.IN_VALIDATION
    told = Event.objects.get(outcome="denied")
    assert "misses 1 fairness gate" in ledger.contents(told)["after"]["reason"]


def test_a_waiver_by_somebody_else_opens_the_way_and_is_part_of_the_evidence(make: Make, mo: User) -> None:
    model = in_validation(make, UNFAIR, by=mo)
    before = registry.evidence_hash(model)
    waiver = waiving.waive(newest(model), why="Three of ten speak Spanish; recalibration is under way.", by=mo)
    model.refresh_from_db()
    assert registry.evidence_hash(model) != before
    assert [one["gate"] for one in waiver.findings] == ["oe"] and waiver.by == "mo"
    line = Event.objects.get(action="model.waived")
    assert ledger.contents(line)["after"]["why"].startswith("Three of ten")
    model = registry.transition(model, State.VALIDATED, why="waived", by=mo)
    model = registry.transition(model, State.SHADOW, why="try", by=mo)
    assert registry.transition(model, State.DEPLOYED, why="go", by=mo).state == State.DEPLOYED


def test_a_waiver_holds_for_what_was_found_then_and_for_nothing_else(make: Make, mo: User) -> None:
    model = in_validation(make, UNFAIR, by=mo)
    waiving.waive(newest(model), why="known", by=mo)
    worse = {**UNFAIR, "subgroups": [*UNFAIR["subgroups"][:2], {**UNFAIR["subgroups"][2], "oe": one(1.5)}]}
    registry.validate(model, worse, data="900 rows of another year", by=mo)
    model.refresh_from_db()
    with pytest.raises(registry.GatesMissed):
        registry.transition(model, State.VALIDATED, why="waived before", by=mo)


def test_a_model_measured_anew_in_the_shadow_is_not_deployed_while_it_misses_a_gate(make: Make, mo: User) -> None:
    model = make(State.SHADOW)
    registry.validate(model, UNFAIR, data="900 rows of another year", by=mo)
    model.refresh_from_db()
    with pytest.raises(registry.GatesMissed):
        registry.transition(model, State.DEPLOYED, why="it was fine last year", by=mo)


def test_who_trained_does_not_waive_and_the_attempt_is_in_the_ledger(make: Make, ben: User) -> None:
    model = in_validation(make, UNFAIR, by=ben)
    with pytest.raises(registry.TrainerCannotApprove, match="somebody else has to answer"):
        waiving.waive(newest(model), why="it is my model", by=ben)
    assert not Waiver.objects.exists()
    assert Event.objects.get(outcome="denied").action == "model.waived"


@pytest.mark.parametrize(
    ("found", "why", "refusal", "words"),
    [
        (UNFAIR, "  ", registry.WhyMissing, "needs a reason"),
        (FOUND, "in case", waiving.NothingToWaive, "misses no fairness gate"),
    ],
)
def test_a_waiver_needs_a_reason_and_something_to_waive(
    make: Make, mo: User, found: Any, why: str, refusal: type[Exception], words: str
) -> None:
    model = in_validation(make, found, by=mo)
    with pytest.raises(refusal, match=words):
        waiving.waive(newest(model), why=why, by=mo)
    assert not Waiver.objects.exists()


def test_neither_an_older_validation_nor_a_retired_model_nor_an_old_revision_is_waived(make: Make, mo: User) -> None:
    model = in_validation(make, UNFAIR, by=mo)
    old = newest(model)
    registry.validate(model, UNFAIR, data="900 other rows", by=mo)
    with pytest.raises(registry.ChangedMeanwhile):
        waiving.waive(old, why="known", by=mo)
    model.refresh_from_db()
    with pytest.raises(waiving.NothingToWaive, match="there is a newer validation"):
        waiving.waive(ValidationRun.objects.get(pk=old.pk), why="known", by=mo)
    registry.transition(model, State.RETIRED, why="not needed", by=mo)
    model.refresh_from_db()
    with pytest.raises(registry.IllegalStep, match="is retired"):
        waiving.waive(newest(model), why="known", by=mo)


@pytest.mark.parametrize(
    ("asked", "found"),
    [("{id}", 1), ("open-gap@1", 1), ("open-gap@2", 0), ("COL", 1), ("GSD", 0), ("²", 0), ("9" * 30, 0), ("@1", 0)],
)
def test_a_model_is_called_by_id_by_name_and_version_or_by_its_measure(make: Make, asked: str, found: int) -> None:
    model = make(measure=make_measure("COL"))
    make_measure("GSD")
    assert ModelVersion.objects.called(asked.format(id=model.pk)).count() == found


def test_a_retired_model_is_not_meant_by_its_measure_but_by_its_name(make: Make) -> None:
    make(State.RETIRED, measure=make_measure("COL"))
    assert ModelVersion.objects.called("COL").count() == 0
    assert ModelVersion.objects.called("open-gap@1").count() == 1
