"""A plan written as text (tests/engine/plan.py) as the warehouse features are made from."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from hedis.engine.backends import DuckDB
from hedis.engine.evaluate import KeptInMemory
from hedis.engine.facts import Tables
from hedis.engine.period import measurement_year
from hedis.evidence import warehouse as evidence
from hedis.measures import portfolio
from hedis.measures.definitions import DEFINITIONS
from predictions import features, labels
from predictions.training import Engine
from tests.engine.plan import Plan

YEAR = 2025
SCORED = dt.date(YEAR, 6, 30)
FULL = "2022-01-01..2026-12-31"


def tables(plan: Plan, year: int = YEAR, *, language: str | None = "English") -> Tables:
    """The plan's tables with the columns that only features and the audit read."""
    made = plan.tables(year)
    member = made.member.mutate(
        race=ibis.literal("asian"), ethnicity=ibis.literal("unknown"), language=ibis.literal(language, type="string")
    )
    enrolment = made.enrolment.mutate(
        dual_status_code=ibis.literal("02"),
        original_reason_entitlement_code=ibis.literal("1"),
        low_income_subsidy=ibis.literal(True),
    )
    return Tables(member, enrolment, made.event, made.dispensing, made.value_set)


def rows(
    plan: Plan,
    code: str,
    *,
    year: int = YEAR,
    scored: dt.date = SCORED,
    others: tuple[str, ...] = (),
    language: str = "English",
) -> dict[str, dict[str, Any]]:
    """Feature rows by member."""
    connection = ibis.duckdb.connect()
    held = tables(plan, year, language=language)
    expression = features.rows(
        DEFINITIONS[code], held, measurement_year(year), scored,
        others=[DEFINITIONS[each] for each in others], codes_before=held.value_set, keep=KeptInMemory(connection),
    )  # fmt: skip
    found = {row.pop("member"): row for row in connection.to_pyarrow(expression).to_pylist()}
    connection.disconnect()
    return found


def fed(plan: Plan, codes: Sequence[str], days: Sequence[dt.date]) -> dict[str, list[dict[str, Any]]]:
    """Feature rows of several measures and days by one feed, by measure, in the order of members."""
    connection, held = ibis.duckdb.connect(), tables(plan)
    definitions = [DEFINITIONS[code] for code in codes]
    feed = features.Feed(
        definitions, held, measurement_year(YEAR), days, codes_before=held.value_set, keep=KeptInMemory(connection)
    )
    found = {each.code: connection.to_pyarrow(feed.rows(each)).to_pylist() for each in definitions}
    feed.release()
    left = connection.con.execute("SELECT count(*) FROM duckdb_views() WHERE view_name LIKE 'kept_%'").fetchall()
    assert left == [(0,)]
    connection.disconnect()
    return {code: sorted(rows, key=by_member) for code, rows in found.items()}


def by_member(row: dict[str, Any]) -> tuple[str, float]:
    """Member, then the earlier score date."""
    return row["member"], -row["days_left"]


def outcomes(
    plan: Plan, code: str, members: list[str], *, year: int = YEAR, settled: dt.date | None = None
) -> dict[str, str]:
    """What became of these members' gaps."""
    connection = ibis.duckdb.connect()
    people = ibis.memtable(pa.table({"member": members}))
    expression = labels.outcomes(
        DEFINITIONS[code], tables(plan, year), people, measurement_year(year),
        settled or labels.settled_on(year), KeptInMemory(connection),
    )  # fmt: skip
    found = {row["member"]: row["outcome"] for row in connection.to_pyarrow(expression).to_pylist()}
    connection.disconnect()
    return found


def stored(plan: Plan, folder: Path) -> evidence.Warehouse:
    """The plan as a generation on disk, read as any import is."""
    connection, held = ibis.duckdb.connect(), tables(plan)
    for name in ("member", "enrolment", "event", "dispensing"):
        (folder / "generation" / name).mkdir(parents=True)
        connection.to_parquet(getattr(held, name), folder / "generation" / name / "part.parquet")
    connection.disconnect()
    return evidence.read(folder / "generation", DuckDB())


def engine(plan: Plan) -> Engine:
    """The plan as training reads it."""
    connection = ibis.duckdb.connect()
    return Engine(
        tables=lambda year: [tables(plan, year)],
        codes=lambda year: portfolio.value_sets(year),
        keep=KeptInMemory(connection),
        arrow=connection.to_pyarrow,
    )
