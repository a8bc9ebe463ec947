"""Features of open gaps: what they count, and that nothing of the future is in them."""

import datetime as dt
from typing import Any

import pytest

from hedis.measures.definitions import DEFINITIONS
from predictions import features, lookback
from tests.engine.plan import Plan
from tests.predictions import warehouse
from tests.predictions.warehouse import FULL, SCORED

DIABETES = "2023-03-01 icd-10-cm:E119; 2024-03-01 icd-10-cm:E119; 2025-03-01 icd-10-cm:E119"
STATINS = "2025-01-01 rxnorm:301542 *30; 2025-02-05 rxnorm:301542 *30; 2025-04-20 rxnorm:301542 *30"
KNOWN = {
    "COL": "2024-10-01 hcpcs:G0439; 2025-02-01 place-of-service:11; 2025-02-01 hcpcs:G0439; 2012-05-01 hcpcs:G0121",
    "GSD": f"{DIABETES}; 2025-02-01 loinc:4548-4 =9.8; 2024-05-01 loinc:4548-4 =7.1",
    "PDC-STA": STATINS,
}
# Everything that may come later: care, results, visits, fills, supplemental data and exclusions, of before and after
# the score date, but received after it.
LATER = "; ".join(
    f"{text} ^2025-07-01"
    for text in (
        "2025-05-01 hcpcs:G0121", "2025-06-29 loinc:4548-4 =6.1", "2025-06-01 place-of-service:11",
        "2025-04-01 hcpcs:G0439 ~supplemental-standard", "2024-11-01 hcpcs:G0121 ~supplemental-non-standard",
        "2025-05-02 rxnorm:301542 *60", "2024-06-30 hcpcs:G0182", "2025-05-05 hcpcs:G0182",
        "2024-12-01 loinc:4548-4 =5.5",
    )
)  # fmt: skip
AFTER = "; ".join(
    ("2025-08-01 hcpcs:G0121", "2025-08-02 loinc:4548-4 =6.0", "2025-07-01 place-of-service:11",
     "2025-07-15 rxnorm:301542 *90", "2025-09-01 hcpcs:G0182")
)  # fmt: skip


# Members by measure: events, and where it matters spans and the day of death. One member's row depends on that
# member alone, so all are judged at once.
LONG, GONE = FULL, "2022-01-01..2025-08-31"
CASES: dict[str, dict[str, tuple[str, ...]]] = {
    code: {
        "known": (known,),
        "received later": (f"{known}; {LATER}; {AFTER}",),
        "received in time": (f"{known}; {LATER.replace(' ^2025-07-01', '')}",),
        "leaves later": (known, GONE),
        "dies later": (known, LONG, "2025-07-01"),
    }
    for code, known in KNOWN.items()
}
CASES["COL"] |= {
    "nothing": ("", "2024-01-01..2026-12-31"),
    "closed": ("2025-02-01 hcpcs:G0121",),
    "hospice": ("2025-02-01 hcpcs:G0182",),
    "closed by a claim not yet received": ("2025-06-01 hcpcs:G0121 ^2025-07-01",),
    "visit paid on the score date": ("2025-06-01 place-of-service:11 ^2025-06-30",),
    "visit paid a day later": ("2025-06-01 place-of-service:11 ^2025-07-01",),
    "visits": (
        "2024-06-30 place-of-service:11; 2024-07-01 place-of-service:11; 2025-02-03 hcpcs:G0439;"
        "2025-02-03 place-of-service:11; 2025-02-20 place-of-service:11; 2025-02-21 place-of-service:81",
    ),
    "diabetes": (f"{DIABETES}; 2024-05-01 loinc:4548-4 =7.1",),
    "drugs": ("2025-01-01 ndc:00001000101; 2025-02-01 ndc:00001000102; 2025-03-01 ndc:00002000101",),
}
CASES["GSD"] |= {
    "result last year": (f"{DIABETES}; 2024-05-01 loinc:4548-4 =7.1; 2025-02-01 loinc:4548-4 =9.8",),
    "impossible": (f"{DIABETES}; 2025-02-01 loinc:4548-4 =9.8; 2025-03-01 loinc:4548-4 =0",),
    "last year's result too late": (f"{DIABETES}; 2024-05-01 loinc:4548-4 =7.1 ^2025-07-01",),
    "last year's result in time": (f"{DIABETES}; 2024-05-01 loinc:4548-4 =7.1 ^2025-06-30",),
    "overlaps and a break": (
        DIABETES, "2024-01-01..2024-12-31, 2024-06-01..2025-01-31, 2025-03-02..2026-12-31",
    ),
}  # fmt: skip
OTHERS = ("GSD", "BCS", "COL")
Rows = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def found() -> dict[str, Rows]:
    """The features of every member, by measure."""
    judged = {}
    for code, cases in CASES.items():
        plan = Plan()
        for case, (events, *rest) in cases.items():
            spans, died = (*rest, *(LONG, "")[len(rest) :])
            plan.add(case, "1958-03-01", spans, events, died=died)
        judged[code] = warehouse.rows(plan, code, others=tuple(each for each in OTHERS if each != code))
    return judged


@pytest.mark.parametrize("code", KNOWN)
def test_what_is_received_after_the_score_date_changes_nothing(code: str, found: dict[str, Rows]) -> None:
    assert found[code]["received later"] == found[code]["known"]


@pytest.mark.parametrize("code", KNOWN)
def test_the_same_facts_received_in_time_do_change_the_features(code: str, found: dict[str, Rows]) -> None:
    assert found[code].get("received in time") != found[code]["known"]


@pytest.mark.parametrize("code", KNOWN)
def test_leaving_or_dying_after_the_score_date_changes_nothing(code: str, found: dict[str, Rows]) -> None:
    assert found[code]["leaves later"] == found[code]["known"]
    assert found[code]["dies later"] == found[code]["known"]


def test_a_claim_paid_on_the_score_date_is_known(found: dict[str, Rows]) -> None:
    assert found["COL"]["visit paid on the score date"]["visit_days"] == 1
    assert found["COL"]["visit paid a day later"]["visit_days"] == 0


def test_only_gaps_open_by_what_was_known_have_a_row(found: dict[str, Rows]) -> None:
    assert not {"closed", "hospice"} & set(found["COL"])
    assert "closed by a claim not yet received" in found["COL"]


def test_visits_are_counted_by_days_and_months_of_the_year_before_the_score_date(found: dict[str, Rows]) -> None:
    row = found["COL"]["visits"]
    assert (row["visit_days"], row["visit_months"], row["wellness_visits"]) == (3, 2, 1)
    assert (row["days_since_visit"], row["days_left"]) == (130, 184)


def test_a_member_of_whom_nothing_is_known_has_counts_of_zero_and_no_days(found: dict[str, Rows]) -> None:
    row = found["COL"]["nothing"]
    assert [row[name] for name in ("visit_days", "visit_months", "wellness_visits", "drugs")] == [0, 0, 0, 0]
    assert row["days_since_visit"] is None and row["days_since_evidence"] is None
    assert row["met_last_year"] == 0 or row["months_enrolled"] == 18


def test_the_person_is_as_on_the_score_date(found: dict[str, Rows]) -> None:
    row = found["COL"]["nothing"]
    assert (row["age"], row["sex"], row["months_enrolled"], row["language_not_english"]) == (67, "female", 18, 0)
    assert [row[name] for name in ("low_income_subsidy", "dual", "disabled")] == [1, 1, 1]


def test_overlapping_spans_count_a_month_once_and_a_break_not_at_all(found: dict[str, Rows]) -> None:
    assert found["GSD"]["overlaps and a break"]["months_enrolled"] == 16


def test_the_last_evidence_and_the_last_value_are_of_the_measure(found: dict[str, Rows]) -> None:
    row = found["GSD"]["result last year"]
    assert (row["last_hba1c_or_gmi"], row["met_last_year"]) == (9.8, 1)
    assert row["days_since_evidence"] == (SCORED - dt.date(2025, 2, 1)).days


def test_an_impossible_value_is_no_last_value(found: dict[str, Rows]) -> None:
    assert found["GSD"]["impossible"]["last_hba1c_or_gmi"] == 9.8


def test_the_year_before_is_judged_by_what_was_known_on_the_score_date(found: dict[str, Rows]) -> None:
    assert found["GSD"]["last year's result too late"]["met_last_year"] == 0
    assert found["GSD"]["last year's result in time"]["met_last_year"] == 1


def test_another_measure_counts_where_the_member_was_in_it(found: dict[str, Rows]) -> None:
    row = found["COL"]["diabetes"]
    assert (row["met_last_year_gsd"], row["met_last_year_bcs"], row["others_met_last_year"]) == (1, 0, 0.5)
    assert found["COL"]["nothing"]["met_last_year_gsd"] is None


def test_adherence_says_days_covered_so_far_and_days_without_supply(found: dict[str, Rows]) -> None:
    row = found["PDC-STA"]["known"]
    assert row["fills"] == 3
    assert row["pdc_to_date"] == pytest.approx(100 * 90 / 180, abs=0.6)
    assert row["days_without"] == (SCORED - dt.date(2025, 5, 20)).days
    assert row["out_of_reach"] is True and row["missable_days"] < 0


def test_different_packages_of_a_product_are_one_drug(found: dict[str, Rows]) -> None:
    assert found["COL"]["drugs"]["drugs"] == 2


@pytest.mark.parametrize("language, other", [("en", False), ("Spanish", True), (None, None)])
def test_another_language_than_english_is_a_feature(language: str | None, other: bool | None) -> None:
    plan = Plan()
    plan.add("m", "1958-03-01", FULL)
    then = lookback.known_on(warehouse.tables(plan, language=language), {0: SCORED})
    assert lookback.person(then).language_not_english.to_pyarrow().to_pylist() == [other]


def test_race_and_ethnicity_are_carried_along_and_never_learnt_from(found: dict[str, Rows]) -> None:
    plan = Plan()
    plan.add("m", "1958-03-01", FULL)
    assert found["COL"]["known"]["race"] == "asian"
    then = lookback.known(warehouse.tables(plan), SCORED)
    assert not {"race", "ethnicity"} & set(then.member.columns)
    for definition in DEFINITIONS.values():
        assert not {feature.name for feature in features.features_of(definition)} & set(features.AUDIT)


@pytest.mark.parametrize("code", DEFINITIONS)
def test_every_feature_of_a_measure_has_a_name_of_its_own_and_words(code: str) -> None:
    named = features.features_of(DEFINITIONS[code], [each for each in DEFINITIONS.values() if each.code != code])
    assert len({feature.name for feature in named}) == len(named)
    assert all(feature.words for feature in named)


@pytest.mark.parametrize("code", KNOWN)
def test_a_row_has_exactly_the_columns_promised(code: str, found: dict[str, Rows]) -> None:
    others = [DEFINITIONS[each] for each in OTHERS if each != code]
    names = [feature.name for feature in features.features_of(DEFINITIONS[code], others)]
    assert list(found[code]["known"]) == ["out_of_reach", *names, *features.AUDIT]


def test_several_score_dates_at_once_give_the_rows_of_one_by_itself() -> None:
    plan, codes = Plan(), ("COL", "PDC-STA")
    for code in codes:
        for case, (events, *rest) in CASES[code].items():
            spans, died = (*rest, *(LONG, "")[len(rest) :])
            plan.add(f"{code} {case}", "1958-03-01", spans, events, died=died)
    plan.add("leaves on the day", "1958-03-01", "2022-01-01..2025-03-31", KNOWN["COL"])
    days = [dt.date(2025, 3, 31), dt.date(2025, 9, 30)]
    together, apart = warehouse.fed(plan, codes, days), warehouse.fed(plan, codes, days[:1])
    for code in codes:
        assert [row for row in together[code] if row["days_left"] == 275] == apart[code] != []
        assert {row["days_left"] for row in together[code]} == {92, 275}


def test_a_score_date_outside_the_year_is_refused() -> None:
    with pytest.raises(ValueError, match="not all of"):
        warehouse.fed(Plan(), ("COL",), [dt.date(2026, 1, 1)])
