"""BPD by decision table (tables/bpd.txt): measurement year 2026."""

from __future__ import annotations

import pytest

from hedis.measures.definitions import DEFINITIONS
from tests.engine.plan import Plan, decide_table

BPD = DEFINITIONS["BPD"]
D = "2025-03-01 icd-10-cm:E119; 2026-03-01 icd-10-cm:E119"


@pytest.fixture(scope="module")
def outcome() -> tuple[dict, dict, dict]:
    return decide_table("BPD")


def test_the_decision_table_holds(outcome: tuple[dict, dict, dict]) -> None:
    expected, found, _ = outcome
    assert found == expected


@pytest.mark.parametrize(
    ("case", "reason", "value"),
    [
        ("never measured is kept", "No blood pressure in 2026", None),
        ("139 over 90", "Last blood pressure 139/90 mmHg on 2026-05-01 is not below 140/90 mmHg", "139/90 mmHg"),
        ("incomplete last day", "Last blood pressure ?/70 mmHg on 2026-09-01 is incomplete", "?/70 mmHg"),
        ("the year before", "Last blood pressure 130/80 mmHg on 2025-12-31 is before 2026-01-01", "130/80 mmHg"),
        ("lowest of each on that day", None, "138/80 mmHg"),
        ("coded reading in control", None, "<140/<90 mmHg"),
    ],
)
def test_the_reason_and_the_last_reading_are_told(
    outcome: tuple[dict, dict, dict], case: str, reason: str | None, value: str | None
) -> None:
    row = outcome[2][case]
    assert (row["reason"], row["evidence_value"]) == (reason, value)


def test_only_what_supplemental_data_alone_closes_is_marked_so(outcome: tuple[dict, dict, dict]) -> None:
    marked = {case for case, row in outcome[2].items() if row["supplemental_only"]}
    assert marked == {"supplemental reading", "supplemental after a bad one"}


def test_in_mid_year_the_gap_is_prospective_and_a_later_reading_opens_it_again() -> None:
    plan = Plan()
    plan.add("good so far", "1961-06-01", events=f"{D}; 2026-05-01 bp:130/80; 2026-08-01 bp:150/95")
    plan.add("bad so far", "1961-06-01", events=f"{D}; 2026-05-01 bp:150/95")
    in_june = {member: row["status"] for member, row in plan.result(BPD, as_of="2026-06-30").items()}
    assert in_june == {"good so far": "closed-gap", "bad so far": "prospective-gap"}
    assert plan.result(BPD)["good so far"]["reason_code"] == "ValueOutOfRange"


def test_bpd_is_a_display_measure_that_counts_the_population_of_gsd() -> None:
    gsd = DEFINITIONS["GSD"]
    assert (BPD.denominator_event, BPD.ages[-1].low, BPD.ages[-1].high) == (gsd.denominator_event, 18, 75)
    assert BPD.exclusions == gsd.exclusions
