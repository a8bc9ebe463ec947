# ruff: noqa: E501 — a decision table keeps one case on one line
"""CBP by decision table: measurement year 2026. H stands for two hypertension visits, the second on 2026-02-01."""

from __future__ import annotations

import pytest

from hedis.measures.definitions import DEFINITIONS
from tests.engine.plan import decide

CBP = DEFINITIONS["CBP"]
V1 = "2025-05-01 icd-10-cm:I10 #v1; 2025-05-01 place-of-service:11 #v1"
V2 = "2026-02-01 icd-10-cm:I10 #v2; 2026-02-01 place-of-service:11 #v2"
H = f"{V1}; {V2}"
KIDNEY = "excluded: end-stage kidney disease, dialysis, kidney transplant or nephrectomy"
FRAIL = "2026-02-05 icd-10-cm:R54; 2026-05-05 icd-10-cm:R54"
ILL = "2025-02-05 icd-10-cm:C250; 2026-05-05 icd-10-cm:C250"


def bp(date: str, systolic: object, diastolic: object, more: str = "") -> str:
    return f"{date} loinc:8480-6 ={systolic} {more}; {date} loinc:8462-4 ={diastolic} {more}"


# case | born | spans | events | expected
CASES = f"""
never measured is kept        | 1961-06-01 | | {H} | open-gap NotFound
139 over 89                   | 1961-06-01 | | {H}; {bp("2026-05-01", 139, 89)} | closed-gap
140 over 89                   | 1961-06-01 | | {H}; {bp("2026-05-01", 140, 89)} | open-gap ValueOutOfRange
139 over 90                   | 1961-06-01 | | {H}; {bp("2026-05-01", 139, 90)} | open-gap ValueOutOfRange
the last day decides          | 1961-06-01 | | {H}; {bp("2026-05-01", 120, 70)}; {bp("2026-09-01", 148, 92)} | open-gap ValueOutOfRange
lowest of each on that day    | 1961-06-01 | | {H}; {bp("2026-05-01", 150, 80)}; {bp("2026-05-01", 138, 95)} | closed-gap
incomplete last day           | 1961-06-01 | | {H}; {bp("2026-05-01", 120, 70)}; 2026-09-01 loinc:8480-6 =120 | open-gap Missing
zero is no reading            | 1961-06-01 | | {H}; {bp("2026-05-01", 0, 0)} | open-gap Missing
on the second diagnosis day   | 1961-06-01 | | {H}; {bp("2026-02-01", 120, 70)} | closed-gap
before the second diagnosis   | 1961-06-01 | | {H}; {bp("2026-01-31", 120, 70)} | open-gap DateOutOfRange
second diagnosis a year ago   | 1961-06-01 | | {V1}; 2025-06-01 icd-10-cm:I10 #w; 2025-06-01 hcpcs:G0439 #w; {bp("2025-12-31", 120, 70)} | open-gap DateOutOfRange
reading on an emergency day   | 1961-06-01 | | {H}; {bp("2026-05-01", 120, 70)}; 2026-05-01 place-of-service:23 #e | open-gap NotFound
high reading in a stay        | 1961-06-01 | | {H}; {bp("2026-05-01", 120, 70)}; {bp("2026-06-03", 180, 95)}; 2026-06-01 place-of-service:21 #s >2026-06-05 | closed-gap
coded reading in control      | 1961-06-01 | | {H}; 2026-05-01 hcpcs:G8752 #c; 2026-05-01 hcpcs:G8754 #c | closed-gap
coded diastolic too high      | 1961-06-01 | | {H}; 2026-05-01 hcpcs:G8752 #c; 2026-05-01 hcpcs:G8755 #c | open-gap ValueOutOfRange
one visit                     | 1961-06-01 | | {V1} | absent
two visits on one day         | 1961-06-01 | | {V1}; 2025-05-01 icd-10-cm:I10 #b; 2025-05-01 place-of-service:22 #b | absent
diagnosis without a visit     | 1961-06-01 | | {V1}; 2026-02-01 icd-10-cm:I10 #x; 2026-02-01 place-of-service:11 #y | absent
inpatient diagnosis           | 1961-06-01 | | {V1}; 2026-02-01 icd-10-cm:I10 #x; 2026-02-01 place-of-service:21 #x | absent
second visit on 30 June       | 1961-06-01 | | {V1}; 2026-06-30 icd-10-cm:I10 #x; 2026-06-30 place-of-service:11 #x | open-gap NotFound
second visit on 1 July        | 1961-06-01 | | {V1}; 2026-07-01 icd-10-cm:I10 #x; 2026-07-01 place-of-service:11 #x | absent
supplemental visit            | 1961-06-01 | | {V1}; 2026-02-01 icd-10-cm:I10 #x ~supplemental-standard; 2026-02-01 place-of-service:11 #x ~supplemental-standard | absent
aged 85 on the last day       | 1941-01-01 | | {H} | open-gap NotFound
aged 86 on the last day       | 1940-12-31 | | {H} | absent
kidney failure                | 1961-06-01 | | {H}; 2019-01-01 icd-10-cm:N186 | {KIDNEY}
nephrectomy                   | 1961-06-01 | | {H}; 2009-01-01 icd-10-pcs:0TT00ZZ | {KIDNEY}
pregnancy in the year         | 1990-06-01 | | {H}; 2026-04-01 icd-10-cm:O0900 | excluded: pregnancy
pregnancy the year before     | 1990-06-01 | | {H}; 2025-12-31 icd-10-cm:O0900 | open-gap NotFound
frail only at 80              | 1946-01-01 | | {H}; {FRAIL} | open-gap NotFound
frail and ill at 80           | 1946-01-01 | | {H}; {FRAIL}; {ILL} | excluded: frailty and advanced illness, 66 to 80
frail only at 81              | 1945-12-31 | | {H}; {FRAIL} | excluded: frailty, 81 and older
"""


@pytest.fixture(scope="module")
def outcome() -> tuple[dict, dict, dict]:
    return decide(CBP, CASES)


def test_the_decision_table_holds(outcome: tuple[dict, dict, dict]) -> None:
    expected, found, _ = outcome
    assert found == expected


@pytest.mark.parametrize(
    ("case", "reason", "value"),
    [
        ("never measured is kept", "No blood pressure in 2026", None),
        (
            "the last day decides",
            "Last blood pressure 148/92 mmHg on 2026-09-01 is not below 140/90 mmHg",
            "148/92 mmHg",
        ),
        ("incomplete last day", "Last blood pressure 120/? mmHg on 2026-09-01 is incomplete", "120/? mmHg"),
        (
            "before the second diagnosis",
            "Last blood pressure 120/70 mmHg on 2026-01-31 is before 2026-02-01",
            "120/70 mmHg",
        ),
        ("lowest of each on that day", None, "138/80 mmHg"),
        ("coded reading in control", None, "<140/<90 mmHg"),
    ],
)
def test_the_reason_and_the_last_reading_are_told(
    outcome: tuple[dict, dict, dict], case: str, reason: str | None, value: str | None
) -> None:
    row = outcome[2][case]
    assert (row["reason"], row["evidence_value"]) == (reason, value)
