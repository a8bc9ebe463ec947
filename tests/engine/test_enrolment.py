"""Continuous enrolment: a decision table, and a slow oracle that counts days one by one."""

from __future__ import annotations

import datetime as dt
from itertools import groupby

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hedis.engine.enrolment import continuously_enrolled, contract_on
from hedis.engine.measure import ContinuousEnrolment
from hedis.engine.period import Period, measurement_year
from tests.engine.plan import SCHEMAS, day, span

YEAR = measurement_year(2026)
ONE_YEAR, TWO_YEARS = ContinuousEnrolment(), ContinuousEnrolment(years_before=1)


def spans_table(spans: dict[str, list[str]]) -> ibis.Table:
    rows = [span(member, text) for member, texts in spans.items() for text in texts]
    return ibis.memtable(pa.Table.from_pylist(rows, schema=ibis.schema(SCHEMAS["enrolment"]).to_pyarrow()))


def enrolled(spans: dict[str, list[str]], rule: ContinuousEnrolment, as_of: dt.date, period: Period = YEAR) -> set[str]:
    found = continuously_enrolled(spans_table(spans), rule, period, as_of).to_pyarrow()["member"].to_pylist()
    assert len(found) == len(set(found))
    return set(found)


# case | spans | one year | with the year before
CASES = """
all of both years                 | 2025-01-01..2026-12-31                                                   | yes | yes
only the measurement year         | 2026-01-01..2026-12-31                                                   | yes | no
break of 45 days                  | 2025-01-01..2026-03-31, 2026-05-16..2026-12-31                           | yes | yes
break of 46 days                  | 2025-01-01..2026-03-31, 2026-05-17..2026-12-31                           | no  | no
two breaks of one day             | 2025-01-01..2026-03-31, 2026-04-02..2026-06-30, 2026-07-02..2026-12-31   | no  | no
one break in each year            | 2025-01-01..2025-03-31, 2025-05-01..2026-03-31, 2026-05-01..2026-12-31   | yes | yes
late start by 45 days             | 2025-01-01..2025-12-31, 2026-02-15..2026-12-31                           | yes | yes
late start by 46 days             | 2025-01-01..2025-12-31, 2026-02-16..2026-12-31                           | no  | no
break over new year, 31 and 31    | 2025-01-01..2025-11-30, 2026-02-01..2026-12-31                           | yes | yes
break over new year, 46 and 10    | 2025-01-01..2025-11-15, 2026-01-11..2026-12-31                           | yes | no
late start and a later break      | 2025-01-01..2025-12-31, 2026-01-10..2026-05-31, 2026-06-10..2026-12-31   | no  | no
leaves one day before the anchor  | 2025-01-01..2026-12-30                                                   | no  | no
open end                          | 2025-01-01..9999-12-31                                                   | yes | yes
spans that touch                  | 2025-01-01..2026-06-30, 2026-07-01..2026-12-31                           | yes | yes
spans that overlap                | 2025-01-01..2026-08-31, 2026-07-01..2026-12-31                           | yes | yes
long span hides a short one       | 2025-01-01..2026-12-31, 2026-02-01..2026-02-10, 2026-06-01..2026-06-02   | yes | yes
same span twice                   | 2025-01-01..2026-12-31, 2025-01-01..2026-12-31                           | yes | yes
change of contract                | 2025-01-01..2026-06-30 H1111/001, 2026-07-01..2026-12-31 H2222/001       | yes | yes
span written backwards            | 2025-01-01..2025-12-31, 2026-12-31..2026-01-01                           | no  | no
never enrolled in the year        | 2024-01-01..2025-12-31                                                   | no  | no
"""


def cases() -> dict[str, tuple[list[str], bool, bool]]:
    rows = ([cell.strip() for cell in line.split("|")] for line in CASES.strip().splitlines())
    return {name: (spans.split(", "), one == "yes", two == "yes") for name, spans, one, two in rows}


@pytest.mark.parametrize(("rule", "column"), [(ONE_YEAR, 1), (TWO_YEARS, 2)])
def test_the_decision_table_holds(rule: ContinuousEnrolment, column: int) -> None:
    found = enrolled({name: case[0] for name, case in cases().items()}, rule, dt.date(2027, 6, 30))
    assert found == {name for name, case in cases().items() if case[column]}


def test_while_the_year_runs_enrolment_is_judged_up_to_the_as_of_date() -> None:
    spans = {
        "left in september": ["2026-01-01..2026-08-31"],
        "still there": ["2026-01-01..2026-12-31"],
        "left the day before": ["2026-01-01..2026-06-14"],
        "later break not yet seen": ["2026-02-01..2026-08-31", "2026-12-01..2026-12-31"],
    }
    found = enrolled(spans, ONE_YEAR, dt.date(2026, 6, 15))
    assert found == {"left in september", "still there", "later break not yet seen"}
    assert enrolled(spans, ONE_YEAR, dt.date(2027, 1, 31)) == {"still there"}


def test_the_contract_is_that_of_the_anchor_day_else_the_last_begun() -> None:
    spans = {
        "moved": ["2026-01-01..2026-06-30 H1111/001", "2026-07-01..2026-12-31 H2222/002"],
        "left": ["2025-01-01..2025-06-30 H1111/001", "2025-07-01..2026-03-31 H3333/003"],
        "two at once": ["2026-01-01..2026-12-31 H5555/001", "2026-01-01..2026-12-31 H4444/009"],
        "future": ["2026-01-01..2026-12-31 H1111/001", "2027-01-01..2027-12-31 H9999/001"],
    }
    rows = contract_on(spans_table(spans), dt.date(2026, 12, 31)).to_pyarrow().to_pylist()
    assert {row["member"]: (row["contract"], row["plan_benefit_package"]) for row in rows} == {
        "moved": ("H2222", "002"),
        "left": ("H3333", "003"),
        "two at once": ("H4444", "009"),
        "future": ("H1111", "001"),
    }


def oracle(spans: list[str], rule: ContinuousEnrolment, period: Period, as_of: dt.date) -> bool:
    """The rule read literally, one day after the other."""
    one_day, covered = dt.timedelta(days=1), set()
    for text in spans:
        start, end = (day(part) for part in text.split(".."))
        covered |= {start + one_day * n for n in range((end - start).days + 1)}
    if min(period.end, as_of) not in covered:
        return False
    for back in range(rule.years_before + 1):
        year = period.back(back)
        days = [year.start + one_day * n for n in range((min(year.end, as_of) - year.start).days + 1)]
        runs = [(inside, len(list(run))) for inside, run in groupby(days, key=covered.__contains__)]
        breaks = [length for inside, length in runs if not inside]
        if len(breaks) > rule.breaks_per_year or max(breaks, default=0) > rule.break_days:
            return False
    return True


@st.composite
def histories(draw: st.DrawFn) -> list[str]:
    """Spans of one member, with breaks near the limit: begin, then (length, break) pairs, some overlapping."""
    at = dt.date(2024, 11, 1) + dt.timedelta(days=draw(st.integers(0, 110)))
    spans = []
    for _ in range(draw(st.integers(1, 4))):
        end = at + dt.timedelta(days=draw(st.integers(20, 500)))
        spans.append(f"{at}..{end}")
        at = end + dt.timedelta(days=draw(st.one_of(st.integers(-30, 3), st.integers(44, 48))))
    return draw(st.permutations(spans))


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    people=st.lists(histories(), min_size=8, max_size=25),
    as_of=st.sampled_from([dt.date(2026, 2, 14), dt.date(2026, 7, 1), dt.date(2027, 6, 30)]),
    rule=st.sampled_from([ONE_YEAR, TWO_YEARS]),
)
def test_the_relational_rule_agrees_with_counting_days(
    people: list[list[str]], as_of: dt.date, rule: ContinuousEnrolment
) -> None:
    spans = {f"m{number}": person for number, person in enumerate(people)}
    expected = {member for member, person in spans.items() if oracle(person, rule, YEAR, as_of)}
    assert enrolled(spans, rule, as_of) == expected
