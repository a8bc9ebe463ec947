"""BCS by decision table (tables/bcs.txt): measurement year 2026, and the ages of other years."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hedis.measures.definitions import DEFINITIONS
from tests.engine.plan import Plan, decide_table

WITHOUT_EXCLUSIONS = replace(DEFINITIONS["BCS"], exclusions=())


@pytest.fixture(scope="module")
def outcome() -> tuple[dict, dict, dict]:
    return decide_table("BCS")


def test_the_decision_table_holds(outcome: tuple[dict, dict, dict]) -> None:
    expected, found, _ = outcome
    assert found == expected


def test_an_open_gap_names_the_first_day_that_counts(outcome: tuple[dict, dict, dict]) -> None:
    assert outcome[2]["never screened is kept"]["reason"] == "No mammogram since 2024-10-01"
    row = outcome[2]["a day too old"]
    assert row["reason"] == "Mammogram on 2024-09-30 is before 2024-10-01"
    assert (row["evidence_date"].isoformat(), row["evidence_route"]) == ("2024-09-30", "Mammogram (lab result)")


def test_only_what_supplemental_data_alone_closes_is_marked_so(outcome: tuple[dict, dict, dict]) -> None:
    marked = {case for case, row in outcome[2].items() if row["supplemental_only"]}
    assert marked == {"supplemental mammogram"}


def ages_in(year: int) -> dict[int, bool]:
    """Age at the end of the year -> whether the Star measure counts her, of women in the measure."""
    plan = Plan()
    for age in (41, 42, 51, 52, 74, 75):
        plan.add(str(age), f"{year - age}-06-01", f"{year - 2}-01-01..{year}-12-31")
    rows = plan.result(WITHOUT_EXCLUSIONS, year=year, as_of=f"{year + 1}-06-30")
    return {int(age): row["star_eligible"] for age, row in rows.items()}


@pytest.mark.parametrize(
    ("year", "women"),
    [
        (2024, {52: True, 74: True}),
        (2025, {42: False, 51: False, 52: True, 74: True}),
        (2026, {42: False, 51: False, 52: True, 74: True}),
        (2027, {42: True, 51: True, 52: True, 74: True}),
    ],
)
def test_hedis_counts_women_under_52_from_2025_and_the_star_measure_from_2027(
    year: int, women: dict[int, bool]
) -> None:
    assert ages_in(year) == women


def test_the_screening_codes_of_hcpcs_count_as_long_as_their_last_year_is_in_the_window() -> None:
    plan = Plan()
    plan.add("screened", "1961-06-01", "2017-01-01..2020-12-31", "2017-12-31 hcpcs:G0202")
    assert plan.result(WITHOUT_EXCLUSIONS, year=2019, as_of="2020-06-30")["screened"]["status"] == "closed-gap"
    assert plan.result(WITHOUT_EXCLUSIONS, year=2020, as_of="2021-06-30")["screened"]["status"] == "open-gap"
