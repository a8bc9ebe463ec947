"""What scoring one gap and scoring the plan share: which run and models stand, and the step from rows to scores."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from django.utils import timezone

from hedis.gaps.models import FindingRun
from predictions import applying, in_use
from predictions.applying import Scored
from predictions.feature_store import ScoreDay
from predictions.in_use import InUse, NotUsable
from predictions.models import ModelVersion
from predictions.storing import OpenGap, Stamp

CHUNK = 20_000
"""Rows scored at a time: bounds the memory; more at a time share more of what a tree cannot tell apart."""
OUT_OF_REACH, NO_OPEN_GAP, NOT_DEPLOYED = "out_of_reach", "no_open_gap", "not_deployed"


class ScoringError(Exception):
    """Nothing was scored. The message says why and what to do."""


class NoDeployedModel(ScoringError):
    """No model scores any of what was asked."""


class NothingToScore(ScoringError):
    """No gaps were found yet, or the data they were found in is gone."""


def models_of(versions: Mapping[str, ModelVersion], *, by: Any) -> tuple[dict[str, InUse], dict[str, NotUsable]]:
    """Of these versions by measure code those that may score, and why the others may not."""
    found, refused = in_use.usable(versions.values(), by=by)
    codes = {version.pk: code for code, version in versions.items()}
    return {codes[pk]: each for pk, each in found.items()}, {codes[pk]: each for pk, each in refused.items()}


def no_model_words(measures: Iterable[str]) -> str:
    """What to do where no model is deployed."""
    return (
        f"No model is deployed for {', '.join(sorted(measures))}. Train one (`manage.py train_model MEASURE --register "
        "VERSION --by NAME`), have it validated and approved, and deploy it."
    )


def newest_runs(years: Iterable[int]) -> dict[int, FindingRun]:
    """The newest finding run of each year."""
    runs = FindingRun.objects.filter(year__in=years).order_by("year", "-id").distinct("year")
    return {run.year: run for run in runs}


def is_over(run: FindingRun) -> bool:
    """Whether the year has ended on the score date: then nothing is left to foresee."""
    return run.data_as_of >= dt.date(run.year, 12, 31)


def stamp_of(day: ScoreDay, *, run: int | None = None) -> Stamp:
    """Day, moment and run of some scores. A plan whose data is ahead of the clock is judged by its data."""
    return Stamp(day, timezone.now(), max(timezone.localdate(), day.day), run)


def judged(
    rows: pa.Table, gaps: Mapping[str, OpenGap], used: InUse, stamp: Stamp
) -> tuple[Iterator[tuple[OpenGap, Scored]], dict[str, str]]:
    """The scores of these gaps of one measure (by pseudonym), chunk by chunk, and why the others have none, by
    pseudonym. `rows`: of its open gaps on the score date, as features.rows gives them."""
    skipped = dict.fromkeys(gaps, NO_OPEN_GAP)
    reachable = []
    for at, (member, lost) in enumerate(zip(rows["member"].to_pylist(), rows["out_of_reach"].to_pylist(), strict=True)):
        if member not in gaps:
            continue
        if lost:
            skipped[member] = OUT_OF_REACH
        else:
            del skipped[member]
            reachable.append(at)
    return scored(rows.take(pa.array(reachable, pa.int64())), gaps, used, stamp), skipped


def scored(rows: pa.Table, gaps: Mapping[str, OpenGap], used: InUse, stamp: Stamp) -> Iterator[tuple[OpenGap, Scored]]:
    """Each row's gap and score."""
    for start in range(0, rows.num_rows, CHUNK):
        found = applying.apply(
            used.model, rows.slice(start, CHUNK), thresholds=used.version.thresholds, about=used.about,
            as_of=stamp.day.day, drifted=used.drifted,
        )  # fmt: skip
        yield from ((gaps[each.member], each) for each in found)
