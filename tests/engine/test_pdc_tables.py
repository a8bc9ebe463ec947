"""The three adherence measures by decision table (tables/pdc-*.txt): measurement year 2025, the last in which CMS
adjusts for stays."""

from __future__ import annotations

import pytest

from hedis.measures.definitions import DEFINITIONS
from tests.engine.plan import Plan, decide_table
from tests.engine.test_pdc import CODES


@pytest.mark.parametrize("code", ["PDC-DR", "PDC-RASA", "PDC-STA"])
def test_the_decision_table_holds(code: str) -> None:
    expected, found, rows = decide_table(code, year=2025)
    assert found == expected
    assert not any(row["supplemental_only"] for row in rows.values())


def test_while_the_year_runs_days_are_judged_up_to_the_as_of_date() -> None:
    plan = Plan()
    plan.add("covered so far", "1950-06-01", events="2026-01-01 ndc:00001000101 *90; 2026-04-01 ndc:00001000101 *90")
    plan.add(
        "not covered so far", "1950-06-01", events="2026-01-01 ndc:00001000101 *90; 2026-05-01 ndc:00001000101 *30"
    )
    plan.add("second fill later", "1950-06-01", events="2026-01-01 ndc:00001000101 *90; 2026-07-15 ndc:00001000101 *30")
    plan.add(
        "left already",
        "1950-06-01",
        "2025-01-01..2026-05-31",
        "2026-01-01 ndc:00001000101 *90; 2026-04-01 ndc:00001000101 *90",
    )
    plan.add(
        "file ends with the month",
        "1950-06-01",
        "2025-01-01..2026-06-30",
        "2026-05-01 ndc:00001000101 *30; 2026-06-01 ndc:00001000101 *30",
    )
    rows = plan.result(DEFINITIONS["PDC-RASA"], as_of="2026-06-30", codes=CODES)
    assert {member: (row["status"], row["evidence_value"]) for member, row in rows.items()} == {
        "covered so far": ("closed-gap", "99.4 %"),
        "not covered so far": ("prospective-gap", "66.2 %"),
        "left already": ("closed-gap", "100.0 %"),
        "file ends with the month": ("closed-gap", "98.3 %"),
    }


def test_from_measurement_year_2026_on_a_stay_moves_no_supply() -> None:
    """CMS adjusts for stays up to measurement year 2025 only: what the table closes there stays open a year later."""
    plan = Plan()
    plan.add(
        "supply moves behind the stay",
        "1950-06-01",
        "2025-01-01..2027-12-31",
        "2026-01-01 ndc:00001000101 *283; 2026-02-01 ndc:00001000101 *1; 2026-03-01 place-of-service:21 >2026-03-10",
    )
    (row,) = plan.result(DEFINITIONS["PDC-RASA"], year=2026, codes=CODES).values()
    assert row["status"] == "open-gap"
