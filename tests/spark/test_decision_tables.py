"""The decision tables of every measure, all their invented members in one plan, on DuckDB and on Spark."""

from __future__ import annotations

import datetime as dt

import pytest

from hedis.engine.backends import Backend, taken_in
from hedis.engine.measure import DaysCovered
from hedis.engine.period import measurement_year
from hedis.measures import decision_tables
from hedis.measures.definitions import DEFINITIONS
from tests.engine.plan import TABLES, Plan
from tests.spark.rows import Rows, apart, judged

ADHERENCE = [code for code, each in DEFINITIONS.items() if isinstance(each.numerator, DaysCovered)]
# The tables of adherence are written for a year in which days in hospital leave the treatment period.
YEARS = {2025: ADHERENCE, 2026: [code for code in DEFINITIONS if code not in ADHERENCE]}
AS_OF = dt.date(2027, 6, 30)


def said(backend: Backend) -> dict[str, Rows]:
    """What an engine says of all members, by measure."""
    plan, codes = Plan(), []
    for file in sorted(TABLES.glob("*.txt")):
        table = decision_tables.read(file)
        codes += table.codes
        for each in table.resolved():
            plan.add_case(f"{file.stem}: {each.case}", each.born, each.enrolled, each.known)
    found: dict[str, Rows] = {}
    for year, names in YEARS.items():
        tables = taken_in(plan.tables(year, tuple(codes)), backend)
        found |= judged(backend, [DEFINITIONS[name] for name in names], tables, measurement_year(year), AS_OF)
    return found


@pytest.fixture(scope="module")
def both(duckdb: Backend, spark: Backend) -> tuple[dict[str, Rows], dict[str, Rows]]:
    return said(duckdb), said(spark)


@pytest.mark.parametrize("code", DEFINITIONS)
def test_the_rows_of_a_measure_are_the_same(both: tuple[dict[str, Rows], dict[str, Rows]], code: str) -> None:
    first, second = (each[code] for each in both)
    assert {row["status"] for row in first.values()} == {"closed-gap", "open-gap", "not-applicable"}
    assert apart(first, second) == {}


@pytest.mark.parametrize("code", ADHERENCE)
def test_the_days_behind_an_adherence_measure_are_the_same(
    both: tuple[dict[str, Rows], dict[str, Rows]], code: str
) -> None:
    first, second = (each[f"{code} days"] for each in both)
    assert len({row["adherence_class"] for row in first.values()}) > 1
    assert apart(first, second) == {}
