"""GSD by decision table (tables/gsd.txt): measurement year 2026."""

from __future__ import annotations

import pytest

from hedis.measures.definitions import DEFINITIONS
from tests.engine.plan import Plan, decide_table

GSD = DEFINITIONS["GSD"]
D = "2025-03-01 icd-10-cm:E119; 2026-03-01 icd-10-cm:E119"


@pytest.fixture(scope="module")
def outcome() -> tuple[dict, dict, dict]:
    return decide_table("GSD")


def test_the_decision_table_holds(outcome: tuple[dict, dict, dict]) -> None:
    expected, found, _ = outcome
    assert found == expected


@pytest.mark.parametrize(
    ("case", "reason", "value"),
    [
        ("never tested is kept", "No HbA1c or GMI in 2026", None),
        ("the last result decides, bad", "Last HbA1c or GMI 9.4 % on 2026-11-01 is above 9.0 %", "9.4 %"),
        ("last result missing", "Last HbA1c or GMI on 2026-11-01 has no usable result", None),
        ("tested the year before", "Last HbA1c or GMI 7.0 % on 2025-12-31 is before 2026-01-01", "7.0 %"),
        ("coded result out of control", "Last HbA1c or GMI above 9 % on 2026-05-01 is above 9.0 %", "above 9 %"),
        ("lowest of one day", None, "8.9 %"),
    ],
)
def test_the_reason_and_the_last_value_are_told(
    outcome: tuple[dict, dict, dict], case: str, reason: str | None, value: str | None
) -> None:
    row = outcome[2][case]
    assert (row["reason"], row["evidence_value"]) == (reason, value)


def test_closed_by_supplemental_data_only_looks_at_the_last_result_without_it(outcome: tuple[dict, dict, dict]) -> None:
    marked = {case for case, row in outcome[2].items() if row["supplemental_only"]}
    assert marked == {"supplemental result", "supplemental after a bad one"}


def test_in_mid_year_a_gap_is_prospective_and_later_events_are_not_known() -> None:
    plan = Plan()
    later = f"{D}; 2026-05-01 loinc:4548-4 =9.4; 2026-08-01 loinc:4548-4 =7.0"
    plan.add("bad so far", "1961-06-01", events=later)
    plan.add("result not received", "1961-06-01", events=f"{D}; 2026-05-01 loinc:4548-4 =7.0 ^2026-07-01")
    plan.add("second diagnosis later", "1961-06-01", events="2025-03-01 icd-10-cm:E119; 2026-07-01 icd-10-cm:E119")
    plan.add("dies later", "1961-06-01", events=D, died="2026-09-01")
    rows = plan.result(GSD, as_of="2026-06-30")
    assert {member: (row["status"], row["reason_code"]) for member, row in rows.items()} == {
        "bad so far": ("prospective-gap", "ValueOutOfRange"),
        "result not received": ("prospective-gap", "NotFound"),
        "dies later": ("prospective-gap", "NotFound"),
    }
    assert plan.result(GSD)["bad so far"]["status"] == "closed-gap"
