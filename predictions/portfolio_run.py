"""Scores every open gap of a year: measure by measure in parts of the plan, each unit committed with its predictions.

A run that stops, however it stops, goes on where it was: a unit is done when it is written in `units_done`, in the
transaction that stored its predictions. It rests on one finding run and one set of models; when those change, it ends
and says so.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.evidence import warehouse
from hedis.evidence.warehouse import NoWarehouse
from hedis.gaps.models import FindingRun, Gap, GapQuerySet
from hedis.lib import jobs, runs
from hedis.lib.runs import RunState
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.models import Measure
from hedis.members.models import Contract
from predictions import feature_store, in_use, judging, storing
from predictions.feature_store import ScoreDay, Store, open_store
from predictions.in_use import InUse, NotUsable
from predictions.judging import NOT_DEPLOYED, NoDeployedModel, NothingToScore, ScoringError
from predictions.models import ModelVersion, ScoringRun, State
from predictions.storing import OpenGap

TASK = "predictions.score_portfolio"
UNLISTED = "unlisted"
"""Open in the data of the score date and not in the database, which knew better or was found in parts."""


class ChangedMeanwhile(ScoringError):
    """What the run rests on is not what it was: a new run is needed."""


class AlreadyScoring(ScoringError):
    """Another process works on this run."""


@transaction.atomic
def start(*, year: int, contract: Contract | None = None, by: Any) -> ScoringRun:
    """Ask for a run over the open gaps of a year, of one contract or of all; a worker does it.

    A second click gets the run that waits or is under way; a run that stopped goes on. Raises NothingToScore,
    NoDeployedModel.
    """
    run = take_up(year=year, contract=contract, by=by)
    if run.state != RunState.RUNNING or run.is_stalled(timezone.now()):
        try:
            jobs.defer(TASK, once=f"score run {run.pk}", run=run.pk)
        except jobs.AlreadyQueued:
            return run  # its job is there already, which is all that was asked
    return run


@transaction.atomic
def take_up(*, year: int, contract: Contract | None = None, by: Any) -> ScoringRun:
    """The run to work on: the last one where it is not done and rests on what holds now, else a new one.

    Raises NothingToScore where the year has no gaps to score, NoDeployedModel where no model may score.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('start scoring'))")
    basis, without = basis_of(year, by=by)
    last = ScoringRun.objects.filter(year=year, contract=contract).order_by("-id").first()
    if last is not None and last.state != RunState.DONE:
        if all(getattr(last, name) == value for name, value in basis.items()):
            return last
        if not last.is_over and runs.begin(last, total=last.total):
            runs.fail(last, error="Gaps or models changed: a new run takes its place.")
    run = ScoringRun.objects.create(
        year=year,
        contract=contract,
        skipped=without_model(gaps_of(year, contract), basis["model_ids"], without),
        requested_by=by if isinstance(by, str) else by.get_username(),
        **basis,
    )
    ledger.record(
        Event.Kind.JOB, "predictions.run_started", object_type="scoring_run", object_id=run.pk,
        after={"year": year, "contract": contract.number if contract else "", **basis}, by=by,
    )  # fmt: skip
    return run


def basis_of(year: int, *, by: Any) -> tuple[dict[str, Any], dict[str, NotUsable]]:
    """What a run over the year rests on today, and the deployed models that may not score, by measure code.

    Raises NothingToScore, NoDeployedModel.
    """
    finding = finding_of(year)
    measures = dict(Measure.objects.filter(code__in=DEFINITIONS).values_list("code", "pk"))
    models, refused = judging.models_of(in_use.deployed(measures.values()), by=by)
    if not models:
        said = " ".join(str(refusal) for refusal in refused.values())
        raise NoDeployedModel(said or judging.no_model_words(measures))
    shadows, _ = in_use.usable(in_use.in_shadow(measures.values()), by=by)
    return {
        "as_of": finding.data_as_of,
        "generation": finding.generation,
        "model_ids": {code: used.version.pk for code, used in sorted(models.items())},
        "shadow_ids": sorted(shadows),
    }, refused


def finding_of(year: int) -> FindingRun:
    """The finding run whose gaps are scored. Raises NothingToScore."""
    found = judging.newest_runs([year]).get(year)
    if found is None:
        raise NothingToScore(f"No gaps were found for {year}: run `manage.py find_gaps`.")
    if judging.is_over(found):
        raise NothingToScore(f"{year} has ended: nothing is left to foresee.")
    if not (warehouse.folder() / found.generation).is_dir():
        raise NothingToScore(f"The warehouse generation the gaps of {year} were found in is gone: find the gaps again.")
    return found


def gaps_of(year: int, contract: Contract | None) -> GapQuerySet:
    """The unmet gaps a run is asked to score."""
    gaps = Gap.objects.for_year(year).open()
    return gaps if contract is None else gaps.filter(contract=contract)


def without_model(gaps: GapQuerySet, models: Mapping[str, int], refused: Mapping[str, NotUsable]) -> dict[str, int]:
    """How many gaps are of measures no model may score, by reason."""
    found: Counter[str] = Counter()
    others = gaps.exclude(measure__code__in=list(models)).order_by()
    for code, count in others.values_list("measure__code").annotate(Count("pk")):
        found[refused[code].code if code in refused else NOT_DEPLOYED] += count
    return dict(found)


def carry_on(run: ScoringRun, *, by: Any) -> ScoringRun:
    """Do what is left of a run; returns it as it stands then.

    Raises AlreadyScoring, ChangedMeanwhile, NothingToScore; a run that fails says why in `error` and can be taken up
    again.
    """
    with alone(run):
        if not runs.begin(run, total=max(run.total, 1)):
            return run
        with runs.ending(run, tell=(ScoringError,)):
            models = models_in_force(run, by=by)
            feature_store.remove_others({run.generation, *generations_in_force()})
            count = parts_of(run)
            units = [f"{code}/{part}-of-{count}" for part in range(count) for code in models]
            runs.advance(run, done=len(run.units_done), total=len(units))
            for part in range(count):
                left = [code for code in models if f"{code}/{part}-of-{count}" not in run.units_done]
                # A part's memory goes with its engine.
                with open_store(day_of(run)) as store:
                    for code in left:
                        score_unit(run, store, code, part, models, by=by)
    return run


@contextmanager
def alone(run: ScoringRun) -> Iterator[None]:
    """Hold the run for this process; the database lets go of it when the process dies. Raises AlreadyScoring."""
    with connection.cursor() as cursor:
        key = [run.pk % 2**31]
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('score portfolio'), %s)", key)
        if not cursor.fetchone()[0]:
            raise AlreadyScoring(f"Run {run.pk} is being worked on by another process.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('score portfolio'), %s)", key)


def day_of(run: ScoringRun) -> ScoreDay:
    """What the run scores."""
    return ScoreDay(run.generation, run.year, run.as_of)


def generations_in_force() -> set[str]:
    """The warehouse generations the gaps of all years rest on."""
    newest = FindingRun.objects.order_by("year", "-id").distinct("year")
    return {run.generation for run in newest}


def parts_of(run: ScoringRun) -> int:
    """In how many parts the plan is scored. Raises NothingToScore."""
    with open_store(day_of(run)) as store:
        try:
            return len(store.parts)
        except NoWarehouse as gone:
            raise NothingToScore(f"{gone} Then find the gaps of {run.year} again.") from gone


def models_in_force(run: ScoringRun, *, by: Any) -> dict[str, list[InUse]]:
    """The models of the run by measure, the one in force first, those in shadow after it. Raises ChangedMeanwhile."""
    check_unchanged(run)
    rows = ModelVersion.objects.filter(pk__in=[*run.model_ids.values(), *run.shadow_ids]).select_related("measure")
    found, refused = in_use.usable(rows, by=by)
    if lost := [refused[pk] for pk in run.model_ids.values() if pk in refused]:
        raise ChangedMeanwhile(" ".join(str(each) for each in lost))
    models: dict[str, list[InUse]] = {code: [found[pk]] for code, pk in run.model_ids.items()}
    for pk in run.shadow_ids:
        if pk in found and found[pk].version.state == State.SHADOW:
            models.setdefault(found[pk].about.measure, []).append(found[pk])
    return dict(sorted(models.items()))


def check_unchanged(run: ScoringRun) -> None:
    """Raise ChangedMeanwhile where gaps were found anew on other data, or another model is in force."""
    now = judging.newest_runs([run.year]).get(run.year)
    if now is None or (now.data_as_of, now.generation) != (run.as_of, run.generation):
        raise ChangedMeanwhile(f"The gaps of {run.year} were found again on other data: start a new run.")
    wanted = set(run.model_ids.values())
    if ModelVersion.objects.deployed().filter(pk__in=wanted).count() != len(wanted):
        raise ChangedMeanwhile("A model of this run is not in force any more: start a new run.")


def score_unit(
    run: ScoringRun, store: Store, code: str, part: int, models: Mapping[str, list[InUse]], *, by: Any
) -> None:
    """Score one measure in one part of the plan: predictions, progress and ledger line in one transaction."""
    begun = time.monotonic()
    rows = store.part(DEFINITIONS[code], part, [DEFINITIONS[each] for each in models])
    gaps = gaps_of(run.year, run.contract).filter(
        measure=models[code][0].version.measure_id, member__pseudonym__range=store.members(part)
    )
    with transaction.atomic():
        check_unchanged(run)
        standing = {member: gap for (member, _, _), gap in storing.open_gaps(gaps).items()}
        stored, skipped = store_unit(run, rows, standing, models[code])
        if run.contract_id is None:
            skipped[UNLISTED] = rows.num_rows - len(standing.keys() & set(rows["member"].to_pylist()))
        in_force = run.model_ids.get(code)
        counted = Counter(run.skipped) + (skipped if in_force else Counter())
        unit = f"{code}/{part}-of-{len(store.parts)}"
        progress = {
            "units_done": [*run.units_done, unit],
            "scored": run.scored + stored.get(in_force, 0),
            "skipped": dict(sorted(counted.items())),
            "seconds": run.seconds + time.monotonic() - begun,
        }
        if not ScoringRun.objects.filter(pk=run.pk, state=RunState.RUNNING).update(**progress):
            raise runs.NotRunning(f"scoring run {run.pk} was ended by another process")
        ledger.record(
            Event.Kind.JOB, "predictions.scored", object_type="scoring_run", object_id=run.pk,
            after={"unit": unit, "models": {str(pk): count for pk, count in stored.items()}, "skipped": dict(skipped)},
            row_count=sum(stored.values()), by=by,
        )  # fmt: skip
    # Told after the unit is safe: here a worker that is to stop does so.
    runs.advance(run, done=len(run.units_done) + 1, **progress)


def store_unit(
    run: ScoringRun, rows: pa.Table, gaps: Mapping[str, OpenGap], models: Sequence[InUse]
) -> tuple[dict[int | None, int], Counter[str]]:
    """Score these gaps by each model of their measure; how many were stored by model, and why others were not."""
    stamp = judging.stamp_of(day_of(run), run=run.pk)
    stored: dict[int | None, int] = {}
    without: dict[str, str] = {}
    for used in models:
        found, without = judging.judged(rows, gaps, used, stamp)
        stored[used.version.pk] = storing.store(storing.lines(used, found, stamp))
    return stored, Counter(without.values())
