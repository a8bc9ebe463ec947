"""Closures by month as the claim lag reads them, and the projection they make."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from hedis.gaps.models import ClosureMonth, MeasureReading
from hedis.members.models import Contract
from interventions import claims_by_month, projection
from interventions.claims_by_month import Cell, claims_of, months_known
from interventions.completing import Course, Reading
from tests.factories import make_contract, make_measure
from tests.hedis.star_plan import make_gaps
from tests.interventions.test_project_rates import past_run, project

SEPTEMBER, MARCH = date(2026, 9, 30), date(2026, 3, 31)
ENDED = [Course(2025, (Reading(455, 80, 100),))]
# Half of a month's closures are known in it, a third a month later, the rest after two months.
SHARES = (3, 2, 1)


def a_year(as_of: date, carried: int = 8) -> list[Cell]:
    """Six closures a month, as far as they are known, and those of care of before the year."""
    known = months_known(as_of, as_of.year if as_of == SEPTEMBER else as_of.year - 1)
    cells = [Cell(as_of, 0, 0, carried)]
    for month in range(1, 13):
        cells += [Cell(as_of, month, lag, count) for lag, count in enumerate(SHARES) if month - 1 + lag < known]
    return cells


def keep(contract: Contract, year: int, cells: list[Cell]) -> None:
    """The cells as a finding run leaves them."""
    measure = make_measure("COL")
    ClosureMonth.objects.bulk_create(
        ClosureMonth(year=year, data_as_of=one.data_as_of, measure=measure, contract=contract, service_month=one.month,
                     lag=one.lag, members=one.members)
        for one in cells
    )  # fmt: skip


def test_a_month_is_known_when_it_is_over() -> None:
    assert [months_known(day, 2026) for day in (date(2026, 9, 29), SEPTEMBER, date(2027, 3, 31))] == [8, 9, 15]


def test_what_lies_ahead_is_not_known_and_what_nobody_closed_is_nothing() -> None:
    found = claims_of("COL", 2026, SEPTEMBER, 100, ENDED, {("COL", 2026): a_year(SEPTEMBER)})
    assert found.current is not None and found.current.triangle.shape == (9, 3)
    assert list(found.current.triangle[6]) == [3, 2, 1]
    assert list(found.current.triangle[7][:2]) == [3, 2] and np.isnan(found.current.triangle[7][2])
    assert found.current.known == 8 + 7 * 6 + 5 + 3
    # Gaps of an earlier day than the closures see no more than was known on it.
    earlier = claims_of("COL", 2026, date(2026, 9, 15), 100, ENDED, {("COL", 2026): a_year(SEPTEMBER)})
    assert earlier.current is not None and earlier.current.known == 8 + 6 * 6 + 5 + 3


@pytest.mark.parametrize(
    ("code", "cells", "why"),
    [
        ("GSD", {}, claims_by_month.LAST_VALUE),
        ("PDC-STA", {}, claims_by_month.DAYS_COUNT),
        ("COL", {}, claims_by_month.NO_MONTHS),
        ("COL", {("COL", 2026): [Cell(SEPTEMBER, 0, 0, 5)]}, claims_by_month.NO_MONTHS),
        ("COL", {("COL", 2026): [Cell(SEPTEMBER, 4, 0, 5)]}, claims_by_month.NO_LAG),
        ("COL", {("COL", 2026): a_year(SEPTEMBER)}, claims_by_month.NO_PAST),
        # A year that was counted only in its summer does not tell how it ended.
        ("COL", {("COL", 2026): a_year(SEPTEMBER), ("COL", 2025): [Cell(date(2025, 6, 30), 4, 1, 5)]},
         claims_by_month.NO_PAST),
        ("COL", {("COL", 2026): a_year(SEPTEMBER), ("COL", 2025): a_year(MARCH)}, ""),
    ],
)  # fmt: skip
def test_why_there_is_no_claim_lag_is_said(code: str, cells: Any, why: str) -> None:
    found = claims_of(code, 2026, SEPTEMBER, 100, ENDED, cells)
    assert found.without == why
    assert bool(found.past) == (why == "")


@pytest.mark.django_db
def test_closures_of_past_years_carry_a_measure_by_its_claim_lag() -> None:
    contract = make_gaps({"COL": (60, 100)})
    for year in (2024, 2025):
        past_run("COL", year, date(year + 1, 3, 31), 80)
        keep(contract, year, a_year(date(year + 1, 3, 31)))
    keep(contract, 2026, a_year(SEPTEMBER, carried=10))
    found = project()["measures"]["C02"]
    # Ten by care of before; nine months of six, claims on their way counted in, are three quarters of the year's 72.
    assert found["methods"] == {"claim_lag": 1.0}
    assert found["rate"] == pytest.approx(82, abs=0.1)
    # 2025 from 2024 alone was exactly right; nobody forecasts to better than a tenth of a point.
    assert found["error"] == pytest.approx(0.1)
    assert not any("claim lag" in note.lower() for note in found["notes"])


@pytest.mark.django_db
def test_a_projection_without_closures_by_month_says_so() -> None:
    make_gaps({"COL": (15, 25)})
    past_run("COL", 2025, date(2026, 3, 31), 70)
    assert claims_by_month.NO_MONTHS in project()["measures"]["C02"]["notes"]


@pytest.mark.django_db
def test_a_day_read_afterwards_is_part_of_a_years_course_but_goes_behind_a_run_of_that_day() -> None:
    make_gaps({"COL": (15, 25)})
    past_run("COL", 2025, date(2026, 3, 31), 80)
    contract, measure = make_contract("H1234"), make_measure("COL")
    for day, numerator in ((date(2025, 9, 30), 60), (date(2026, 3, 31), 99)):
        MeasureReading.objects.create(
            year=2025, data_as_of=day, measure=measure, contract=contract, eligible=100, excluded=0, denominator=100,
            numerator=numerator, star_denominator=50, star_numerator=numerator // 2, definition_version="1",
            generation="g", read_by="test",
        )  # fmt: skip
    (course,) = projection.courses(contract, 2026)["COL"]
    # The reading tells the Star measure's ages apart, the old run does not.
    assert [(one.day, one.numerator, one.denominator) for one in course.readings] == [(273, 30, 50), (455, 80, 100)]
    assert project()["measures"]["C02"]["methods"] == {"curve": 1.0}
