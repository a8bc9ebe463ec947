"""The whole portfolio: the same scores as one by one, unit by unit, and a run that stops goes on where it was."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from audit.models import Event
from hedis.accounts.models import User
from hedis.gaps.models import FindingRun, Gap
from hedis.lib import runs
from hedis.lib.runs import RunState
from predictions import portfolio_run, registry, scoring, storing
from predictions.fitting import ModelKind
from predictions.models import ModelVersion, Prediction, ScoringRun, State
from tests.factories import make_contract, make_measure
from tests.predictions.portfolio import AS_OF, CODES, GENERATION, PEOPLE, YEAR, registered
from tests.predictions.test_scoring import items, stored


@pytest.fixture
def models(found_plan: FindingRun, tmp_path: Path, ben: User, quinn: User) -> dict[str, ModelVersion]:
    """Both measures have a model in force."""
    facts: dict[str, Any] = {"trained_by": ben, "approved_by": quinn}
    return {
        "BCS": registered(make_measure("BCS"), tmp_path / "bcs", kind=ModelKind.LOGISTIC, **facts),
        "COL": registered(make_measure("COL"), tmp_path / "col", **facts),
    }


def finished(year: int = YEAR, **more: Any) -> ScoringRun:
    run = portfolio_run.take_up(year=year, by="test", **more)
    return portfolio_run.carry_on(run, by="test")


def test_the_plan_gets_the_scores_that_its_members_get_one_by_one(models: dict[str, ModelVersion], quinn: User) -> None:
    run = finished()
    whole = [stored(each) for each in Prediction.objects.order_by("measure__code", "pk")]
    assert (run.state, run.scored, run.skipped) == (RunState.DONE, 2 * len(PEOPLE) - 1, {"no_open_gap": 1})
    assert set(Prediction.objects.values_list("run", flat=True)) == {run.pk}
    for code in CODES:
        scoring.score(items(code), by=quinn)
    assert [stored(each) for each in Prediction.objects.order_by("measure__code", "pk")] == whole
    assert Prediction.objects.filter(run=None).count() == len(whole)


def test_a_run_that_breaks_between_units_goes_on_where_it_was(
    models: dict[str, ModelVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, calls = storing.store, []

    def broken(rows: Any) -> int:
        calls.append(1)
        if len(calls) == 2:
            list(rows)
            raise ConnectionError("the lights went out")
        return store(rows)

    monkeypatch.setattr(storing, "store", broken)
    run = portfolio_run.take_up(year=YEAR, by="test")
    with pytest.raises(ConnectionError):
        portfolio_run.carry_on(run, by="test")
    run.refresh_from_db()
    assert (run.state, run.units_done, run.done, run.total) == (RunState.FAILED, ["BCS/0-of-1"], 1, 2)
    assert run.scored == Prediction.objects.count() == len(PEOPLE)
    assert "lights" not in run.error
    again = finished()
    assert (again.pk, again.state, again.scored) == (run.pk, RunState.DONE, 2 * len(PEOPLE) - 1)
    assert len(calls) == 3
    assert [event.row_count for event in Event.objects.filter(action="predictions.scored").order_by("occurred_at")] == [
        len(PEOPLE),
        len(PEOPLE) - 1,
    ]


def test_a_run_whose_worker_was_killed_goes_on_where_it_was(models: dict[str, ModelVersion]) -> None:
    run = portfolio_run.take_up(year=YEAR, by="test")
    assert runs.begin(run, total=2)
    ScoringRun.objects.filter(pk=run.pk).update(units_done=["BCS/0-of-1"], scored=len(PEOPLE))
    again = finished()
    assert (again.pk, again.state, again.done, again.total) == (run.pk, RunState.DONE, 2, 2)
    assert again.scored == 2 * len(PEOPLE) - 1
    assert set(Prediction.objects.values_list("measure__code", flat=True)) == {"COL"}, "BCS was done before"


def test_feature_rows_are_made_once_and_those_of_old_generations_go(
    models: dict[str, ModelVersion], own_data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = own_data_dir / "features" / "20250101T000000Z-000000"
    old.mkdir()
    monkeypatch.setattr("predictions.feature_store.Store.made", lambda *_: pytest.fail("made again"))
    finished()
    assert [each.name for each in (own_data_dir / "features").iterdir()] == [GENERATION]


def test_one_contract_alone_can_be_scored(models: dict[str, ModelVersion]) -> None:
    contract = make_contract()
    Gap.objects.filter(member__pseudonym__in=PEOPLE[3:5]).update(contract=contract)
    run = finished(contract=contract)
    assert (run.scored, run.skipped, Prediction.objects.count()) == (4, {}, 4)


def test_gaps_of_measures_without_a_model_and_of_refused_ones_are_counted(
    models: dict[str, ModelVersion], own_data_dir: Path
) -> None:
    registry.transition(models["BCS"], State.SUSPENDED, why="Looked at.", by="mo")
    run = finished()
    assert run.skipped == {"no_open_gap": 1, "not_deployed": len(PEOPLE)} and list(run.model_ids) == ["COL"]
    (own_data_dir / models["COL"].folder / "model.onnx").write_bytes(b"changed")
    with pytest.raises(scoring.NoDeployedModel, match="not the registered ones"):
        portfolio_run.take_up(year=YEAR, by="test")


def test_a_shadow_model_scores_and_is_never_in_force(
    models: dict[str, ModelVersion], tmp_path: Path, ben: User, quinn: User
) -> None:
    facts: dict[str, Any] = {"trained_by": ben, "approved_by": quinn, "version": "22"}
    shadow = registered(make_measure("COL"), tmp_path / "shadow", state=State.SHADOW, **facts)
    run = finished()
    assert run.shadow_ids == [shadow.pk] and run.scored == 2 * len(PEOPLE) - 1
    assert Prediction.objects.filter(model=shadow).count() == len(PEOPLE) - 1
    assert not Prediction.objects.in_force().filter(model=shadow).exists()


def test_a_run_ends_when_the_gaps_are_found_on_other_data(models: dict[str, ModelVersion]) -> None:
    run = portfolio_run.take_up(year=YEAR, by="test")
    FindingRun.objects.create(year=YEAR, data_as_of=AS_OF.replace(day=29), generation=GENERATION, found_by="test")
    with pytest.raises(portfolio_run.ChangedMeanwhile, match="found again"):
        portfolio_run.carry_on(run, by="test")
    run.refresh_from_db()
    assert run.state == RunState.FAILED and "start a new run" in run.error
    assert portfolio_run.take_up(year=YEAR, by="test").pk != run.pk


def test_a_run_ends_when_its_model_is_in_force_no_longer(models: dict[str, ModelVersion]) -> None:
    run = portfolio_run.take_up(year=YEAR, by="test")
    registry.transition(models["COL"], State.SUSPENDED, why="Wrong.", by="mo")
    with pytest.raises(portfolio_run.ChangedMeanwhile, match="not in force"):
        portfolio_run.carry_on(run, by="test")
    assert not Prediction.objects.exists()


def test_a_second_click_gets_the_run_that_waits(models: dict[str, ModelVersion], quinn: User) -> None:
    first = scoring.start(year=YEAR, by=quinn)
    assert scoring.start(year=YEAR, by=quinn) == first and first.state == RunState.QUEUED
    job = ProcrastinateJob.objects.get(task_name=portfolio_run.TASK)
    assert job.args == {"run": first.pk}
    assert Event.objects.filter(action="predictions.run_started").count() == 1


def test_a_run_that_waits_for_other_models_is_replaced(models: dict[str, ModelVersion], quinn: User) -> None:
    first = scoring.start(year=YEAR, by=quinn)
    registry.transition(models["COL"], State.SUSPENDED, why="Wrong.", by="mo")
    assert scoring.start(year=YEAR, by=quinn) != first
    first.refresh_from_db()
    assert first.state == RunState.FAILED and "new run takes its place" in first.error


def test_two_processes_do_not_work_on_one_run(models: dict[str, ModelVersion]) -> None:
    run = portfolio_run.take_up(year=YEAR, by="test")
    here = connection.get_connection_params()
    there = {name: here[name] for name in ("host", "port", "user", "password", "dbname") if here.get(name)}
    with psycopg.connect(**there) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('score portfolio'), %s)", [run.pk])
        with pytest.raises(portfolio_run.AlreadyScoring):
            portfolio_run.carry_on(run, by="test")
        other.execute("SELECT pg_advisory_unlock_all()")
    assert portfolio_run.carry_on(run, by="test").state == RunState.DONE


def test_a_run_that_is_done_is_not_done_again(models: dict[str, ModelVersion]) -> None:
    run = finished()
    Prediction.objects.all().delete()
    assert portfolio_run.carry_on(run, by="test").state == RunState.DONE
    assert not Prediction.objects.exists()


def test_the_job_goes_on_with_the_run_in_the_name_of_who_asked(models: dict[str, ModelVersion], quinn: User) -> None:
    from predictions.tasks import score_portfolio

    run = scoring.start(year=YEAR, by=quinn)
    score_portfolio(run=run.pk)
    run.refresh_from_db()
    assert run.state == RunState.DONE
    assert set(Event.objects.filter(action="predictions.scored").values_list("actor", flat=True)) == {"quinn"}


def test_a_year_without_gaps_or_data_says_what_to_do(models: dict[str, ModelVersion], own_data_dir: Path) -> None:
    with pytest.raises(scoring.NothingToScore, match="No gaps were found for 2025"):
        portfolio_run.take_up(year=2025, by="test")
    (own_data_dir / "warehouse" / GENERATION).rename(own_data_dir / "warehouse" / "elsewhere")
    with pytest.raises(scoring.NothingToScore, match="is gone"), transaction.atomic():
        portfolio_run.take_up(year=YEAR, by="test")


def called(**options: Any) -> dict[str, Any]:
    out = StringIO()
    call_command("score_gaps", year=YEAR, json=True, stdout=out, **options)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def test_the_command_tells_what_was_scored_by_what_and_how_fast(models: dict[str, ModelVersion]) -> None:
    answer = called()
    assert answer["scored"] == Prediction.objects.count() == 2 * len(PEOPLE) - 1
    assert answer["skipped"] == {"no_open_gap": 1}
    assert answer["model"] == {"BCS": "BCS stays open 1", "COL": "COL stays open 1"}
    assert answer["seconds"] >= 0 and answer["rows_per_second"] > 0


def test_the_command_without_a_model_says_what_to_do_and_exits_1(found_plan: FindingRun) -> None:
    with pytest.raises(CommandError, match="train_model") as refused:
        called()
    assert refused.value.returncode == 1


def test_the_command_refuses_a_contract_that_is_not_there(found_plan: FindingRun) -> None:
    with pytest.raises(CommandError, match="no contract 'H9'") as wrong:
        called(contract="H9")
    assert wrong.value.returncode == 2
