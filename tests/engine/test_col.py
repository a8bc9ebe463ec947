"""COL by decision table (tables/col.txt): measurement year 2026."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hedis.engine.codes import ValueSetCode
from hedis.measures.definitions import DEFINITIONS
from tests.engine.plan import Plan, decide_table

WITHOUT_EXCLUSIONS = replace(DEFINITIONS["COL"], exclusions=())


@pytest.fixture(scope="module")
def outcome() -> tuple[dict, dict, dict]:
    return decide_table("COL")


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
