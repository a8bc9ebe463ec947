"""Scores into PostgreSQL: the gaps they belong to, and one COPY and one upsert however many rows.

The newest score of a member, measure, year and model replaces the one before; what people said of that one keeps its
own copy of it (PredictionReview).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection

from hedis.gaps.models import AdherenceClass, GapQuerySet
from predictions import applying, quality
from predictions.applying import Scored
from predictions.feature_store import ScoreDay
from predictions.features import FEATURE_VERSION
from predictions.in_use import InUse

COLUMNS = (
    "gap_id", "member_id", "measure_id", "year", "model_id", "probability", "low", "high", "tier", "recommendation",
    "reasons", "quality", "feature_version", "feature_sha256", "as_of", "generation", "scored_at", "expires_on",
    "run_id",
)  # fmt: skip
Key = tuple[str, int, int]
"""Of a gap: pseudonym, measure id, year."""
KEY = ("member_id", "measure_id", "year", "model_id")
STAGE = """
DROP TABLE IF EXISTS scored_gap;
CREATE TEMP TABLE scored_gap (
    gap_id bigint, member_id bigint, measure_id bigint, year smallint, model_id bigint,
    probability double precision, low double precision, high double precision, tier text, recommendation text,
    reasons jsonb, quality jsonb, feature_version text, feature_sha256 text, as_of date, generation text,
    scored_at timestamptz, expires_on date, run_id bigint
) ON COMMIT DROP
"""
COPY = f"COPY scored_gap ({', '.join(COLUMNS)}) FROM STDIN"
# In one order always: two batches that share members wait for each other instead of for ever.
UPSERT = f"""
INSERT INTO predictions_prediction ({", ".join(COLUMNS)})
SELECT {", ".join(COLUMNS)} FROM scored_gap ORDER BY {", ".join(KEY)}
ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET
{", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in KEY)}
"""  # noqa: S608 - names of this module, no value


@dataclass(frozen=True)
class OpenGap:
    """A gap as scoring needs it."""

    pk: int
    member_id: int
    member: str
    contact_by: dt.date | None
    closes_alone: bool

    def recommendation(self, tier: str, today: dt.date) -> str:
        """What to do about it."""
        reachable = self.contact_by is not None and self.contact_by >= today
        return applying.recommendation(tier, reachable=reachable, closes_alone=self.closes_alone)


@dataclass(frozen=True)
class Stamp:
    """What all scores of one go share."""

    day: ScoreDay
    at: dt.datetime
    today: dt.date
    run: int | None = None


def open_gaps(gaps: GapQuerySet) -> dict[Key, OpenGap]:
    """The unmet ones of these gaps, in one query."""
    locked_in = AdherenceClass.LOCKED_IN
    return {
        (member, measure, year): OpenGap(pk, member_id, member, contact_by, cover == locked_in)
        for pk, member_id, measure, year, member, contact_by, cover in gaps.open()
        .order_by()
        .values_list(
            "pk", "member_id", "measure_id", "year", "member__pseudonym", "contact_by", "adherence__adherence_class"
        )
    }


def lines(used: InUse, found: Iterable[tuple[OpenGap, Scored]], stamp: Stamp) -> Iterator[tuple[Any, ...]]:
    """Rows of COLUMNS of one model's scores."""
    version, day = used.version, stamp.day
    expires = quality.expiry(day.day, day.year)
    for gap, scored in found:
        yield (
            gap.pk, gap.member_id, version.measure_id, day.year, version.pk, scored.probability, scored.low,
            scored.high, scored.tier, gap.recommendation(scored.tier, stamp.today),
            orjson.dumps(scored.reasons).decode(), orjson.dumps(scored.quality).decode(), FEATURE_VERSION,
            scored.sha256, day.day, day.generation, stamp.at, expires, stamp.run,
        )  # fmt: skip


def store(rows: Iterable[tuple[Any, ...]]) -> int:
    """Write rows of COLUMNS, each gap and model once, in the caller's transaction; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(STAGE)
        with cursor.copy(COPY) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(UPSERT)
        return int(cursor.rowcount)
