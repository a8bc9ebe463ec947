"""What holds for every measure: one member alone, order of rows, dates asked for."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace

import pytest

from hedis.engine.backends import opened
from hedis.engine.evaluate import RESULT, Pass, evaluate
from hedis.engine.measure import AllOf, Condition, EnrolmentFlag, Events, Exists, Not, value_sets_used
from hedis.engine.period import Window, measurement_year, years_before
from hedis.measures.definitions import DEFINITIONS
from tests.engine.plan import Plan

COL = DEFINITIONS["COL"]
GSD = replace(DEFINITIONS["GSD"], exclusions=DEFINITIONS["GSD"].exclusions[:1])
"""With its first exclusion only: these tests are about evaluation, and compiling is most of their time."""

D = "2025-03-01 icd-10-cm:E119; 2026-03-01 icd-10-cm:E119"


def plan() -> Plan:
    made = Plan()
    made.add("controlled", "1961-06-01", events=f"{D}; 2026-05-01 loinc:4548-4 =7.0; 2026-05-01 loinc:4549-2 =7.0")
    made.add("moved", "1961-06-01", "2026-01-01..2026-05-31 H1/001, 2026-06-01..2026-12-31 H2/002", D)
    made.add("excluded", "1961-06-01", "2026-01-01..2026-12-31 +hospice", D)
    return made


def test_one_member_alone_gives_the_row_of_the_full_run() -> None:
    full = plan().result(GSD)
    assert set(full) == {"controlled", "moved", "excluded"}
    assert tuple(full["moved"]) == RESULT
    assert plan().result(GSD, member="controlled") == {"controlled": full["controlled"]}
    assert plan().result(GSD, member="nobody") == {}


def test_a_plan_judged_in_parts_gives_each_member_once_and_the_row_of_the_whole() -> None:
    made = Plan()
    for pseudonym in ("0000", "5554", "5555", "5556", "aaaa", "ffff"):
        made.add(pseudonym, "1961-06-01", events=D)
    period, as_of = measurement_year(2026), dt.date(2027, 6, 30)
    parts = [evaluate(GSD, part, period, as_of).to_pyarrow().to_pylist() for part in made.tables(2026).parts(3)]
    assert [{row["member"] for row in part} for part in parts] == [{"0000", "5554"}, {"5555", "5556"}, {"aaaa", "ffff"}]
    assert {row["member"]: row for part in parts for row in part} == made.result(GSD)


def test_two_measures_of_one_pass_share_exclusions_and_give_their_own_rows() -> None:
    other = replace(GSD, code="OTHER", numerator=DEFINITIONS["KED"].numerator)
    with opened() as backend:
        judging = Pass((GSD, other), plan().tables(2026), measurement_year(2026), dt.date(2027, 6, 30), backend.keep)
        found = {each.code: backend.arrow(judging.result(each)).to_pylist() for each in (GSD, other)}
    for definition in (GSD, other):
        assert {row["member"]: row for row in found[definition.code]} == plan().result(definition)


def test_the_order_rows_arrive_in_changes_nothing() -> None:
    shuffled = plan()
    for rows in shuffled.rows.values():
        random.Random(7).shuffle(rows)
    assert shuffled.result(GSD) == plan().result(GSD)


def test_the_lazy_expression_gives_the_same_rows_as_kept_steps() -> None:
    tables = plan().tables(2026)
    lazy = evaluate(GSD, tables, measurement_year(2026), dt.date(2027, 6, 30)).to_pyarrow().to_pylist()
    assert {row["member"]: row for row in lazy} == plan().result(GSD)


def test_asking_before_the_period_starts_is_refused() -> None:
    tables = plan().tables(2026)
    with pytest.raises(ValueError, match="as-of date 2025-12-31 is before the period starts"):
        evaluate(GSD, tables, measurement_year(2026), dt.date(2025, 12, 31))


def test_a_year_without_an_age_band_is_refused() -> None:
    with pytest.raises(ValueError, match="COL: no age band for measurement year 1999"):
        COL.band(measurement_year(1999))


def test_all_of_needs_every_part_and_names_only_what_is_missing() -> None:
    both = AllOf(Exists(Events("HbA1c", ("hba1c",))), Exists(Events("FOBT", ("fobt",))))
    made = Plan()
    made.add("both", "1961-06-01", events="2026-02-01 loinc:4548-4 =7; 2026-04-01 loinc:2335-8")
    made.add("one", "1961-06-01", events="2026-02-01 loinc:4548-4 =7")
    made.add("none", "1961-06-01")
    rows = made.result(replace(COL, numerator=both, exclusions=()))
    assert {name: (row["numerator"], row["reason"]) for name, row in rows.items()} == {
        "both": (True, None),
        "one": (False, "No FOBT in 2026"),
        "none": (False, "No HbA1c in 2026, no FOBT in 2026"),
    }
    assert rows["both"]["evidence_date"] == dt.date(2026, 4, 1)


def test_not_is_met_by_whoever_lacks_the_thing() -> None:
    without: Condition = Not("hospice election", EnrolmentFlag("hospice election", "hospice"))
    made = Plan()
    made.add("without", "1961-06-01")
    made.add("with", "1961-06-01", "2025-01-01..2026-12-31 +hospice")
    rows = made.result(replace(COL, numerator=without, exclusions=()))
    assert {name: (row["numerator"], row["reason_code"], row["reason"]) for name, row in rows.items()} == {
        "without": (True, None, None),
        "with": (False, "Present", "Hospice election on 2026-01-01"),
    }


def test_every_definition_can_be_read_by_a_stranger() -> None:
    for code, definition in DEFINITIONS.items():
        assert definition.code == code and definition.sources and definition.version
        assert value_sets_used(definition)
        assert len({exclusion.name for exclusion in definition.exclusions}) == len(definition.exclusions)


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (Window(), "in 2026"),
        (Window(years_back=9), "since 2017-01-01"),
        (Window(years_back=1, until_month_day=(6, 30)), "from 2025-01-01 to 2026-06-30"),
        (Window(years_back=1, until_years_back=1), "from 2025-01-01 to 2025-12-31"),
        (Window(years_back=None), "up to 2026-12-31"),
    ],
)
def test_a_window_says_itself_in_words(window: Window, words: str) -> None:
    assert window.words(measurement_year(2026)) == words


def test_the_day_before_years_with_no_leap_day_is_the_28th() -> None:
    assert years_before(dt.date(2024, 2, 29), 1) == dt.date(2023, 2, 28)
