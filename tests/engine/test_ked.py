"""KED by decision table (tables/ked.txt): measurement year 2026."""

from __future__ import annotations

import pytest

from hedis.engine.period import measurement_year
from hedis.measures import portfolio
from hedis.measures.definitions import DEFINITIONS
from tests.engine.plan import decide_table


@pytest.fixture(scope="module")
def outcome() -> tuple[dict, dict, dict]:
    return decide_table("KED")


def test_the_decision_table_holds(outcome: tuple[dict, dict, dict]) -> None:
    expected, found, _ = outcome
    assert found == expected


NO_URINE = "no urine albumin-creatinine ratio in 2026, no urine albumin and urine creatinine in 2026"


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("never tested is kept", f"No estimated GFR in 2026, {NO_URINE}"),
        ("blood alone", f"N{NO_URINE[1:]}"),
        ("urine alone", "No estimated GFR in 2026"),
        ("pair but no blood", "No estimated GFR in 2026"),
        ("blood the year before", "Estimated GFR on 2025-12-31 is before 2026-01-01"),
        (
            "five days apart",
            "No urine albumin-creatinine ratio in 2026, quantitative urine albumin on 2026-06-01 and urine creatinine "
            "on 2026-06-06 are more than 4 days apart",
        ),
        (
            "albumin alone",
            "No urine albumin-creatinine ratio in 2026, quantitative urine albumin on 2026-06-01 without urine "
            "creatinine",
        ),
    ],
)
def test_an_open_gap_says_which_test_is_missing(outcome: tuple[dict, dict, dict], case: str, reason: str) -> None:
    assert outcome[2][case]["reason"] == reason


def test_an_old_test_is_the_last_thing_found_even_where_the_other_is_newer(outcome: tuple[dict, dict, dict]) -> None:
    row = outcome[2]["blood the year before"]
    assert (row["evidence_date"].isoformat(), row["evidence_route"]) == ("2025-12-31", "Estimated GFR (lab result)")


def test_only_what_supplemental_data_alone_closes_is_marked_so(outcome: tuple[dict, dict, dict]) -> None:
    marked = {case for case, row in outcome[2].items() if row["supplemental_only"]}
    assert marked == {"urine by supplemental data", "half a pair by supplemental"}


def test_ked_is_a_measure_from_2020_on() -> None:
    entry = next(entry for entry in portfolio.read() if entry.code == "KED")
    assert [DEFINITIONS["KED"].in_force(measurement_year(year)) for year in (2019, 2020)] == [False, True]
    assert [entry.ages(year) for year in (2019, 2020)] == [(None, None), (18, 85)]
