# ruff: noqa: E501 — a decision table keeps one case on one line
"""COL by decision table: measurement year 2026, enrolled 2024 to 2026 unless a case says otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hedis.engine.codes import ValueSetCode
from hedis.measures.definitions import DEFINITIONS
from tests.engine.plan import Plan, decide

COL = DEFINITIONS["COL"]
WITHOUT_EXCLUSIONS = replace(COL, exclusions=())
FRAIL = "2026-02-01 icd-10-cm:R54; 2026-05-01 icd-10-cm:R54"
ILL = "2025-02-01 icd-10-cm:C250; 2026-05-01 icd-10-cm:C250"
FRAIL_AND_ILL = "excluded: frailty and advanced illness, 66 and older"
INSTITUTIONAL = "excluded: institutional special needs plan or long-term institutional stay, 66 and older"

# case | born | spans | events | expected
CASES = f"""
never tested is kept           | 1961-06-01 | | | open-gap NotFound
aged 44                        | 1982-01-01 | | | absent
aged 45 on the last day        | 1981-12-31 | | | open-gap NotFound
aged 75 on the last day        | 1951-01-01 | | | open-gap NotFound
aged 76 on the last day        | 1950-12-31 | | | absent
enrolled one year only         | 1961-06-01 | 2026-01-01..2026-12-31 | | absent
colonoscopy nine years back    | 1961-06-01 | | 2017-01-01 hcpcs:G0121 | closed-gap
colonoscopy a day too old      | 1961-06-01 | | 2016-12-31 hcpcs:G0121 | open-gap DateOutOfRange
colonoscopy after the year     | 1961-06-01 | | 2027-01-01 hcpcs:G0121 | open-gap NotFound
sigmoidoscopy four years back  | 1961-06-01 | | 2022-01-01 hcpcs:G0104 | closed-gap
sigmoidoscopy too old          | 1961-06-01 | | 2021-12-31 hcpcs:G0104 | open-gap DateOutOfRange
ct colonography four back      | 1961-06-01 | | 2022-01-01 loinc:79101-2 | closed-gap
ct colonography too old        | 1961-06-01 | | 2021-12-31 loinc:79101-2 | open-gap DateOutOfRange
fit-dna two years back         | 1961-06-01 | | 2024-01-01 loinc:77353-1 | closed-gap
fit-dna too old                | 1961-06-01 | | 2023-12-31 loinc:77353-1 | open-gap DateOutOfRange
fobt in the year               | 1961-06-01 | | 2026-01-01 loinc:2335-8 | closed-gap
fobt the year before           | 1961-06-01 | | 2025-12-31 loinc:2335-8 | open-gap DateOutOfRange
code of another system         | 1961-06-01 | | 2026-01-01 hcpcs:2335-8 | open-gap NotFound
received after the as-of date  | 1961-06-01 | | 2026-11-01 hcpcs:G0121 ^2027-07-01 | open-gap NotFound
supplemental closes            | 1961-06-01 | | 2020-01-01 hcpcs:G0121 ~supplemental-standard | closed-gap
supplemental beside a claim    | 1961-06-01 | | 2020-01-01 hcpcs:G0121 ~supplemental-standard; 2018-01-01 hcpcs:G0121 | closed-gap
cancer long ago                | 1961-06-01 | | 2001-01-01 icd-10-cm:C189 | excluded: colorectal cancer
cancer to be ruled out         | 1961-06-01 | | 2020-01-01 icd-10-cm:C189 #a; 2020-01-01 place-of-service:81 #a | open-gap NotFound
cancer by supplemental data    | 1961-06-01 | | 2001-01-01 icd-10-cm:C189 ~supplemental-non-standard | excluded: colorectal cancer
colectomy                      | 1961-06-01 | | 2010-01-01 icd-10-pcs:0DTE0ZZ | excluded: total colectomy
screened and excluded          | 1961-06-01 | | 2026-01-01 hcpcs:G0121; 2010-01-01 icd-10-pcs:0DTE0ZZ | excluded: total colectomy
first listed exclusion named   | 1961-06-01 | | 2010-01-01 icd-10-pcs:0DTE0ZZ; 2026-01-01 hcpcs:G9473 | excluded: hospice
hospice service the year before| 1961-06-01 | | 2025-12-31 hcpcs:G9473 | open-gap NotFound
hospice election in the year   | 1961-06-01 | 2024-01-01..2025-12-31, 2026-01-01..2026-12-31 +hospice | | excluded: hospice
hospice election before        | 1961-06-01 | 2024-01-01..2025-12-31 +hospice, 2026-01-01..2026-12-31 | | open-gap NotFound
death in the year              | 1961-06-01 | 2024-01-01..2026-12-31 died:2026-12-31 | | excluded: death in the measurement year
death after the year           | 1961-06-01 | 2024-01-01..2026-12-31 died:2027-01-01 | | open-gap NotFound
palliative care                | 1961-06-01 | | 2026-03-01 icd-10-cm:Z515 | excluded: palliative care
institutional plan at 66       | 1960-12-31 | 2024-01-01..2026-12-31 +institutional_snp | | {INSTITUTIONAL}
institutional plan at 65       | 1961-01-01 | 2024-01-01..2026-12-31 +institutional_snp | | open-gap NotFound
long-term institution at 66    | 1960-12-31 | 2024-01-01..2026-12-31 +long_term_institutional | | {INSTITUTIONAL}
frail and ill at 66            | 1960-12-31 | | {FRAIL}; {ILL} | {FRAIL_AND_ILL}
frail and ill at 65            | 1961-01-01 | | {FRAIL}; {ILL} | open-gap NotFound
frail only                     | 1955-06-01 | | {FRAIL} | open-gap NotFound
ill only                       | 1955-06-01 | | {ILL} | open-gap NotFound
frail twice on one day         | 1955-06-01 | | 2026-02-01 icd-10-cm:R54; 2026-02-01 icd-10-cm:R531; {ILL} | open-gap NotFound
frail the year before          | 1955-06-01 | | 2025-02-01 icd-10-cm:R54; 2026-02-01 icd-10-cm:R54; {ILL} | open-gap NotFound
"""


@pytest.fixture(scope="module")
def outcome() -> tuple[dict, dict, dict]:
    return decide(COL, CASES)


def test_the_decision_table_holds(outcome: tuple[dict, dict, dict]) -> None:
    expected, found, _ = outcome
    assert found == expected


def test_an_open_gap_names_every_missing_route_and_its_window(outcome: tuple[dict, dict, dict]) -> None:
    row = outcome[2]["never tested is kept"]
    assert row["reason"] == (
        "No colonoscopy since 2017-01-01, no flexible sigmoidoscopy since 2022-01-01, "
        "no CT colonography since 2022-01-01, no FIT-DNA since 2024-01-01, no FOBT in 2026"
    )
    assert (row["evidence_date"], row["evidence_route"], row["contract"]) == (None, None, "H1234")
    assert row["closable_until"].isoformat() == "2026-12-31"


def test_an_old_test_is_kept_as_the_last_thing_found(outcome: tuple[dict, dict, dict]) -> None:
    row = outcome[2]["colonoscopy a day too old"]
    assert row["reason"].startswith("Colonoscopy on 2016-12-31 is before 2017-01-01, no flexible")
    assert (row["evidence_date"].isoformat(), row["evidence_route"]) == ("2016-12-31", "Colonoscopy (claim)")


def test_only_what_supplemental_data_alone_closes_is_marked_so(outcome: tuple[dict, dict, dict]) -> None:
    marked = {case for case, row in outcome[2].items() if row["supplemental_only"]}
    assert marked == {"supplemental closes"}
    assert outcome[2]["supplemental closes"]["evidence_route"] == "Colonoscopy (standard supplemental data)"


def test_star_age_band_follows_cms_not_the_steward() -> None:
    plan = Plan()
    for member, born in (("aged 49", "1974-06-01"), ("aged 50", "1973-06-01")):
        plan.add(member, born, "2022-01-01..2025-12-31")
    rows = plan.result(WITHOUT_EXCLUSIONS, year=2023, as_of="2024-06-30")
    assert {member: row["star_eligible"] for member, row in rows.items()} == {"aged 49": False, "aged 50": True}


def test_the_plans_own_cpt_list_switches_the_route_on() -> None:
    plan = Plan()
    plan.add("screened", "1961-06-01", events="2020-01-01 hcpcs:99999")
    own = (ValueSetCode("colonoscopy", "hcpcs", "99999"),)
    assert plan.result(WITHOUT_EXCLUSIONS)["screened"]["status"] == "open-gap"
    assert plan.result(WITHOUT_EXCLUSIONS, codes=own)["screened"]["status"] == "closed-gap"
