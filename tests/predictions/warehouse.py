"""A plan written as text (tests/engine/plan.py) as the warehouse features are made from."""

import datetime as dt
from typing import Any

import ibis
import pyarrow as pa

from hedis.engine.evaluate import KeptInMemory
from hedis.engine.facts import Tables
from hedis.engine.period import measurement_year
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


def engine(plan: Plan) -> Engine:
    """The plan as training reads it."""
    connection = ibis.duckdb.connect()
    return Engine(
        tables=lambda year: [tables(plan, year)],
        codes=lambda year: portfolio.value_sets(year),
        keep=KeptInMemory(connection),
        arrow=connection.to_pyarrow,
    )
