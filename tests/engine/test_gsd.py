# ruff: noqa: E501 — a decision table keeps one case on one line
"""GSD by decision table: measurement year 2026. D stands for two diabetes diagnoses on different dates."""

from __future__ import annotations

import pytest

from hedis.engine.codes import ValueSetCode
from hedis.measures.definitions import DEFINITIONS
from tests.engine.plan import Plan, decide

GSD = DEFINITIONS["GSD"]
D = "2025-03-01 icd-10-cm:E119; 2026-03-01 icd-10-cm:E119"
OWN = (
    ValueSetCode("diabetes-medication", "ndc", "00001000101"),
    ValueSetCode("hba1c-at-most-9", "hcpcs", "99991"),
    ValueSetCode("hba1c-above-9", "hcpcs", "99992"),
)

# case | born | spans | events | expected
CASES = f"""
never tested is kept         | 1961-06-01 | | {D} | open-gap NotFound
at 9.0 it is controlled      | 1961-06-01 | | {D}; 2026-05-01 loinc:4548-4 =9.0 | closed-gap
at 9.1 it is not             | 1961-06-01 | | {D}; 2026-05-01 loinc:4548-4 =9.1 | open-gap ValueOutOfRange
the last result decides, bad | 1961-06-01 | | {D}; 2026-05-01 loinc:4548-4 =7.0; 2026-11-01 loinc:4548-4 =9.4 | open-gap ValueOutOfRange
the last result decides, good| 1961-06-01 | | {D}; 2026-05-01 loinc:4548-4 =9.4; 2026-11-01 loinc:97506-0 =7.0 | closed-gap
lowest of one day            | 1961-06-01 | | {D}; 2026-05-01 loinc:4548-4 =9.4; 2026-05-01 loinc:4548-4 =8.9 | closed-gap
same day with a missing one  | 1961-06-01 | | {D}; 2026-05-01 loinc:4548-4 =8.9; 2026-05-01 loinc:4548-4 =pending | closed-gap
last result missing          | 1961-06-01 | | {D}; 2026-05-01 loinc:4548-4 =7.0; 2026-11-01 loinc:4548-4 =pending | open-gap Missing
zero never closes            | 1961-06-01 | | {D}; 2026-05-01 loinc:4548-4 =0 | open-gap Missing
tested the year before       | 1961-06-01 | | {D}; 2025-12-31 loinc:4548-4 =7.0 | open-gap DateOutOfRange
one diagnosis                | 1961-06-01 | | 2026-03-01 icd-10-cm:E119 | absent
two diagnoses on one day     | 1961-06-01 | | 2026-03-01 icd-10-cm:E119; 2026-03-01 icd-10-cm:E1165 | absent
diagnoses too old            | 1961-06-01 | | 2024-12-31 icd-10-cm:E119; 2026-03-01 icd-10-cm:E119 | absent
one diagnosis of a laboratory| 1961-06-01 | | 2025-03-01 icd-10-cm:E119 #a; 2025-03-01 place-of-service:81 #a; 2026-03-01 icd-10-cm:E119 | absent
supplemental diagnosis       | 1961-06-01 | | 2025-03-01 icd-10-cm:E119 ~supplemental-standard; 2026-03-01 icd-10-cm:E119 | absent
diagnosis and medication     | 1961-06-01 | | 2026-03-01 icd-10-cm:E119; 2026-04-01 ndc:00001000101 | open-gap NotFound
medication without diagnosis | 1961-06-01 | | 2026-04-01 ndc:00001000101 | absent
aged 17                      | 2009-01-01 | | {D} | absent
aged 18 on the last day      | 2008-12-31 | | {D} | open-gap NotFound
aged 76                      | 1950-12-31 | | {D} | absent
one year is enough           | 1961-06-01 | 2026-01-01..2026-12-31 | {D} | open-gap NotFound
excluded with a bad result   | 1961-06-01 | | {D}; 2026-05-01 loinc:4548-4 =9.9; 2026-06-01 hcpcs:G9054 | excluded: palliative care
supplemental result          | 1961-06-01 | | {D}; 2026-05-01 loinc:4548-4 =7.0 ~supplemental-standard | closed-gap
supplemental after a bad one | 1961-06-01 | | {D}; 2026-05-01 loinc:4548-4 =9.9; 2026-06-01 loinc:4548-4 =7.0 ~supplemental-standard | closed-gap
supplemental after a good one| 1961-06-01 | | {D}; 2026-05-01 loinc:4548-4 =7.9; 2026-06-01 loinc:4548-4 =7.0 ~supplemental-standard | closed-gap
coded result in control      | 1961-06-01 | | {D}; 2026-05-01 hcpcs:99991 | closed-gap
coded result out of control  | 1961-06-01 | | {D}; 2026-05-01 hcpcs:99992 | open-gap ValueOutOfRange
"""


@pytest.fixture(scope="module")
def outcome() -> tuple[dict, dict, dict]:
    return decide(GSD, CASES, codes=OWN)


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
