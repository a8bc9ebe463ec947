"""What each part of the measure language means, one decision table a part, on codes invented for the table."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import ibis
import pytest
from ibis.config import Config

from hedis.engine.codes import ValueSetCode
from hedis.engine.evaluate import evaluate
from hedis.engine.measure import (
    AgeBand,
    AgeOn,
    AllOf,
    AnyOf,
    Condition,
    Dates,
    Definition,
    Direction,
    Events,
    Exclusion,
    Exists,
    LatestReading,
    LatestResult,
    LatestValue,
    Not,
    Result,
    Source,
    WithinDays,
)
from hedis.engine.period import EVER, Window, measurement_year
from tests.engine.plan import BAR, Plan, decide

CODES = tuple(
    ValueSetCode(value_set, system, code)
    for value_set, system, code in (
        ("illness", "icd-10-cm", "X1"),
        ("visit", "hcpcs", "V1"),
        ("stay", "hcpcs", "S1"),
        ("at-home", "encounter-class", "HH"),
        ("test", "loinc", "T1"),
        ("partner-test", "loinc", "T2"),
        ("upper", "loinc", "U"),
        ("lower", "loinc", "L"),
        ("yes", "loinc", "LA-YES"),
        ("left", "snomed-ct", "LEFT"),
    )
)
MEASURE = Definition(
    code="TRY",
    name="A measure of one condition",
    version="1",
    steward="nobody",
    domain="none",
    direction=Direction.HIGHER,
    author="test",
    checker="",
    review_date=dt.date(2026, 1, 1),
    sources=(Source("this file", "all"),),
    ages=(AgeBand(2000, 18, 85),),
    enrolment=None,
    exclusions=(),
    numerator=Exists(Events("test", ("test",))),
)
BORN = "1960-06-01"


def assert_decided(numerator: Condition, table: str, **fields: Any) -> dict[str, Any]:
    """Runs lines ``case | events | expected`` against a measure with this numerator; gives the result rows."""
    lines = [BAR.split(line) for line in table.strip().splitlines()]
    text = "\n".join(f"{case} | {BORN} | | {events} | {outcome}" for case, events, outcome in lines)
    expected, found, rows = decide(replace(MEASURE, numerator=numerator, **fields), text, codes=CODES)
    assert found == expected
    return rows


def test_a_fact_counts_by_the_day_it_starts_unless_the_definition_says_otherwise() -> None:
    assert_decided(
        Exists(Events("illness", ("illness",))),
        """
        first day        | 2026-01-01 icd-10-cm:X1                | closed-gap
        last day         | 2026-12-31 icd-10-cm:X1 >2027-03-01    | closed-gap
        begun before     | 2025-12-31 icd-10-cm:X1 >9999-12-31    | open-gap DateOutOfRange
        begun after      | 2027-01-01 icd-10-cm:X1                | open-gap NotFound
        """,
    )


def test_a_fact_can_count_by_the_day_it_ends() -> None:
    rows = assert_decided(
        Exists(Events("illness", ("illness",), dates=Dates.END)),
        """
        ends first day  | 2025-06-01 icd-10-cm:X1 >2026-01-01 | closed-gap
        ends last day   | 2026-12-01 icd-10-cm:X1 >2026-12-31 | closed-gap
        ends before     | 2025-06-01 icd-10-cm:X1 >2025-12-31 | open-gap DateOutOfRange
        ends after      | 2026-06-01 icd-10-cm:X1 >2027-01-01 | open-gap NotFound
        """,
    )
    assert rows["ends first day"]["evidence_date"] == dt.date(2026, 1, 1)
    assert rows["ends before"]["reason"] == "Illness on 2025-12-31 is before 2026-01-01"


def test_a_fact_can_have_to_lie_within_the_window() -> None:
    assert_decided(
        Exists(Events("illness", ("illness",), dates=Dates.WITHIN)),
        """
        whole year   | 2026-01-01 icd-10-cm:X1 >2026-12-31 | closed-gap
        begun before | 2025-12-31 icd-10-cm:X1 >2026-02-01 | open-gap DateOutOfRange
        ends after   | 2026-12-31 icd-10-cm:X1 >2027-01-01 | open-gap NotFound
        """,
    )


def test_a_fact_can_overlap_the_window() -> None:
    rows = assert_decided(
        Exists(Events("illness", ("illness",), dates=Dates.OVERLAP)),
        """
        around          | 2019-01-01 icd-10-cm:X1 >9999-12-31                            | closed-gap
        ends first day  | 2019-01-01 icd-10-cm:X1 >2026-01-01                            | closed-gap
        begins last day | 2026-12-31 icd-10-cm:X1 >2027-12-31                            | closed-gap
        ended before    | 2019-01-01 icd-10-cm:X1 >2025-12-31                            | open-gap DateOutOfRange
        begins after    | 2027-01-01 icd-10-cm:X1 >9999-12-31                            | open-gap NotFound
        later one ended | 2019-01-01 icd-10-cm:X1 >9999-12-31; 2025-01-01 icd-10-cm:X1   | closed-gap
        """,
    )
    assert rows["ended before"]["reason"] == "Illness until 2025-12-31 is before 2026-01-01"
    assert rows["later one ended"]["evidence_date"] == dt.date(2019, 1, 1)


def test_a_fact_can_have_to_overlap_from_before() -> None:
    rows = assert_decided(
        Exists(Events("illness", ("illness",), dates=Dates.OVERLAP_FROM_BEFORE)),
        """
        begun the day before | 2025-12-31 icd-10-cm:X1 >9999-12-31 | closed-gap
        ends first day       | 2025-12-31 icd-10-cm:X1 >2026-01-01 | closed-gap
        begun first day      | 2026-01-01 icd-10-cm:X1 >9999-12-31 | open-gap DateOutOfRange
        ended before         | 2025-01-01 icd-10-cm:X1 >2025-12-31 | open-gap DateOutOfRange
        """,
    )
    assert rows["begun first day"]["reason"] == "Illness on 2026-01-01 is not before 2026-01-01"


def test_what_was_only_asked_for_is_not_what_was_done() -> None:
    asked = Exists(Events("test ordered", ("test",), kinds=("order",)))
    table = """
        done    | 2026-03-01 loinc:T1        | {done}
        ordered | 2026-03-01 loinc:T1 %order | {ordered}
        """
    assert_decided(Exists(Events("test", ("test",))), table.format(done="closed-gap", ordered="open-gap NotFound"))
    assert_decided(asked, table.format(done="open-gap NotFound", ordered="closed-gap"))


def test_a_status_can_be_asked_for() -> None:
    assert_decided(
        Exists(Events("test", ("test",), statuses=("final", "amended"))),
        """
        final       | 2026-03-01 loinc:T1 !final       | closed-gap
        amended     | 2026-03-01 loinc:T1 !amended     | closed-gap
        preliminary | 2026-03-01 loinc:T1 !preliminary | open-gap NotFound
        unsaid      | 2026-03-01 loinc:T1              | open-gap NotFound
        """,
    )


def test_a_value_can_be_asked_for() -> None:
    assert_decided(
        Exists(Events("test", ("test",), has_value=True)),
        """
        number | 2026-03-01 loinc:T1 =7             | closed-gap
        text   | 2026-03-01 loinc:T1 =negative      | closed-gap
        coded  | 2026-03-01 loinc:T1 =loinc|LA-NO   | closed-gap
        none   | 2026-03-01 loinc:T1                | open-gap NotFound
        """,
    )


def test_a_coded_result_can_have_to_be_in_a_value_set() -> None:
    assert_decided(
        Exists(Events("test", ("test",), with_value=("yes",))),
        """
        in the set         | 2026-03-01 loinc:T1 =loinc|LA-YES     | closed-gap
        other code         | 2026-03-01 loinc:T1 =loinc|LA-NO      | open-gap NotFound
        other code system  | 2026-03-01 loinc:T1 =snomed-ct|LA-YES | open-gap NotFound
        text               | 2026-03-01 loinc:T1 =LA-YES           | open-gap NotFound
        none               | 2026-03-01 loinc:T1                   | open-gap NotFound
        """,
    )


def test_a_qualifier_can_have_to_be_in_a_value_set() -> None:
    assert_decided(
        Exists(Events("illness on the left", ("illness",), qualified_by=("left",))),
        """
        left   | 2026-03-01 icd-10-cm:X1 @snomed-ct|LEFT  | closed-gap
        right  | 2026-03-01 icd-10-cm:X1 @snomed-ct|RIGHT | open-gap NotFound
        unsaid | 2026-03-01 icd-10-cm:X1                  | open-gap NotFound
        """,
    )


def test_a_result_during_a_stay_counts_only_when_recorded_elsewhere() -> None:
    stay = Events("stay", ("stay",), kinds=("visit",))
    at_home = Events("visit at home", ("at-home",), EVER, kinds=("visit",))
    table = """
        outside      | 2026-03-01 loinc:T1; {stay}                                                      | closed-gap
        during       | 2026-03-11 loinc:T1; {stay}                                                      | {during}
        last day     | 2026-03-12 loinc:T1; {stay}  | {during}
        in the stay  | 2026-03-11 loinc:T1 &s1; {stay}                                                  | {during}
        at home      | 2026-03-11 loinc:T1 &h1; {stay}; 2026-03-11 encounter-class:HH %visit #h1        | {at_home}
        both         | 2026-03-01 loinc:T1 &h1; {stay}; 2026-03-11 encounter-class:HH %visit #h1        | closed-gap
        """
    known = {"stay": "2026-03-10 hcpcs:S1 %visit #s1 >2026-03-12", "during": "open-gap NotFound"}
    test = Events("test", ("test",), not_during=stay)
    assert_decided(Exists(test), table.format(**known, at_home="open-gap NotFound"))
    assert_decided(Exists(replace(test, kept_in_encounter=at_home)), table.format(**known, at_home="closed-gap"))


def test_the_encounter_of_another_member_keeps_nothing() -> None:
    stay = Events("stay", ("stay",), kinds=("visit",))
    at_home = Events("visit at home", ("at-home",), EVER, kinds=("visit",))
    made = Plan()
    made.add("one", BORN, events="2026-03-11 loinc:T1 &h1; 2026-03-11 hcpcs:S1 %visit #s1")
    made.add("two", BORN, events="2026-03-11 encounter-class:HH %visit #h1")
    made.rows["event"][0]["encounter"] = "two-h1"
    numerator = Exists(Events("test", ("test",), not_during=stay, kept_in_encounter=at_home))
    assert not made.result(replace(MEASURE, numerator=numerator), codes=CODES)["one"]["numerator"]


def test_two_results_have_to_be_near_each_other() -> None:
    rows = assert_decided(
        WithinDays("test with partner", Events("test", ("test",)), Events("partner test", ("partner-test",)), days=4),
        """
        same day     | 2026-03-01 loinc:T1; 2026-03-01 loinc:T2  | closed-gap
        four later   | 2026-03-01 loinc:T1; 2026-03-05 loinc:T2  | closed-gap
        four earlier | 2026-03-05 loinc:T1; 2026-03-01 loinc:T2  | closed-gap
        five         | 2026-03-01 loinc:T1; 2026-03-06 loinc:T2  | open-gap DateOutOfRange
        older pair   | 2026-03-01 loinc:T1; 2026-03-02 loinc:T2; 2026-09-01 loinc:T1  | closed-gap
        first alone  | 2026-03-01 loinc:T1  | open-gap NotFound
        second alone | 2026-03-01 loinc:T2  | open-gap NotFound
        over the end | 2025-12-31 loinc:T1; 2026-01-02 loinc:T2  | open-gap NotFound
        neither      |  | open-gap NotFound
        """,
    )
    assert rows["older pair"]["evidence_date"] == dt.date(2026, 3, 2)
    assert rows["five"]["reason"] == "Test on 2026-03-01 and partner test on 2026-03-06 are more than 4 days apart"
    assert rows["first alone"]["reason"] == "Test on 2026-03-01 without partner test"
    assert rows["second alone"]["reason"] == "Partner test on 2026-03-01 without test"
    assert rows["neither"]["reason"] == "No test with partner in 2026"


def test_the_last_coded_result_decides() -> None:
    rows = assert_decided(
        LatestValue(Events("test", ("test",), Window(years_back=1), dates=Dates.END), ("yes",)),
        """
        yes            | 2026-03-01 loinc:T1 =loinc|LA-YES                                        | closed-gap
        yes, then no   | 2026-03-01 loinc:T1 =loinc|LA-YES; 2026-04-01 loinc:T1 =loinc|LA-NO | open-gap ValueOutOfRange
        no, then yes   | 2026-03-01 loinc:T1 =loinc|LA-NO; 2026-04-01 loinc:T1 =loinc|LA-YES      | closed-gap
        both one day   | 2026-03-01 loinc:T1 =loinc|LA-NO; 2026-03-01 loinc:T1 =loinc|LA-YES      | closed-gap
        then no result | 2026-03-01 loinc:T1 =loinc|LA-YES; 2026-04-01 loinc:T1              | open-gap ValueOutOfRange
        by its end     | 2026-03-01 loinc:T1 =loinc|LA-YES >2026-06-01; 2026-04-01 loinc:T1 =loinc|LA-NO | closed-gap
        too old        | 2024-03-01 loinc:T1 =loinc|LA-YES                                   | open-gap DateOutOfRange
        none           |                                                                        | open-gap NotFound
        """,
    )
    assert rows["yes, then no"]["reason"] == "Last test on 2026-04-01 has another result"


@pytest.mark.parametrize(("missing_decides", "outcome"), [(False, "closed-gap"), (True, "open-gap Missing")])
def test_a_result_without_a_value_can_decide_the_last_day(missing_decides: bool, outcome: str) -> None:
    result = Result(
        Events("test", ("test",)), unit="%", decimals=1, plausible=(0, 100), at_most=9, missing_decides=missing_decides
    )
    assert_decided(
        LatestResult(result),
        f"""
        beside a good one | 2026-03-01 loinc:T1 =8; 2026-03-01 loinc:T1 | {outcome}
        older             | 2026-03-02 loinc:T1 =8; 2026-03-01 loinc:T1 | closed-gap
        """,
    )


@pytest.mark.parametrize(("missing_decides", "outcome"), [(False, "closed-gap"), (True, "open-gap Missing")])
def test_a_reading_that_lacks_a_part_can_decide_the_last_day(missing_decides: bool, outcome: str) -> None:
    upper, lower = (
        Result(
            Events(name, (name,)), unit="mmHg", decimals=0, plausible=(0, 300), below=limit,
            missing_decides=missing_decides,
        )
        for name, limit in (("upper", 140.0), ("lower", 90.0))
    )  # fmt: skip
    whole = "2026-03-01 loinc:U =130 #a; 2026-03-01 loinc:L =80 #a"
    assert_decided(
        LatestReading("pressure", upper, lower, unit="mmHg"),
        f"""
        whole            | {whole}                                                                       | closed-gap
        and half of one  | {whole}; 2026-03-01 loinc:U =130 #b                                          | {outcome}
        and one unread   | {whole}; 2026-03-01 loinc:U =130 #b; 2026-03-01 loinc:L #b                   | {outcome}
        and a worse one  | {whole}; 2026-03-01 loinc:U =150 #b; 2026-03-01 loinc:L =95 #b               | closed-gap
        half, a day ago  | {whole}; 2026-02-28 loinc:U =130 #b                                          | closed-gap
        """,
    )


def test_age_can_be_told_on_the_first_day_of_the_period() -> None:
    eighteen = (AgeBand(2000, 18, 85),)
    table = """
        turns 18 on the first day | 2008-01-01 | | | {first}
        turns 18 the day after    | 2008-01-02 | | | {second}
        turns 18 on the last day  | 2008-12-31 | | | {second}
        turns 86 on the last day  | 1940-12-31 | | | {old}
        """
    for age_on, words in (
        (AgeOn.START, {"first": "open-gap NotFound", "second": "absent", "old": "open-gap NotFound"}),
        (AgeOn.END, {"first": "open-gap NotFound", "second": "open-gap NotFound", "old": "absent"}),
    ):
        expected, found, _ = decide(replace(MEASURE, ages=eighteen, age_on=age_on), table.format(**words))
        assert found == expected


def test_a_definition_without_enrolment_asks_nobody_for_it() -> None:
    made = Plan()
    made.add("visitor", BORN, spans="", events="2026-03-01 loinc:T1")
    row = made.result(MEASURE, codes=CODES)["visitor"]
    assert (row["numerator"], row["contract"]) == (True, None)


def test_a_window_can_begin_in_the_middle_of_an_earlier_year() -> None:
    assert_decided(
        Exists(Events("test", ("test",), Window(years_back=2, from_month_day=(10, 1)))),
        """
        first day  | 2024-10-01 loinc:T1 | closed-gap
        day before | 2024-09-30 loinc:T1 | open-gap DateOutOfRange
        """,
    )


def test_the_absence_of_a_thing_shows_no_evidence() -> None:
    without = Not("illness", Exists(Events("illness", ("illness",))))
    rows = assert_decided(
        AnyOf(AllOf(without, Exists(Events("test", ("test",))))),
        """
        test          | 2026-03-01 loinc:T1                                           | closed-gap
        test, was ill | 2026-03-01 loinc:T1; 2025-03-01 icd-10-cm:X1                  | closed-gap
        test, ill     | 2026-03-01 loinc:T1; 2026-05-01 icd-10-cm:X1                  | open-gap Present
        """,
    )
    assert {rows[case]["evidence_route"] for case in ("test", "test, was ill")} == {"Test (lab result)"}
    assert rows["test, ill"]["reason"] == "Illness on 2026-05-01"


def test_each_new_condition_can_exclude_and_open_the_denominator() -> None:
    visit = Exists(Events("visit", ("visit",), kinds=("visit",), statuses=("finished",)))
    near = WithinDays("pair", Events("test", ("test",)), Events("partner test", ("partner-test",)), days=4)
    last = LatestValue(Events("test", ("test",), dates=Dates.END), ("yes",))
    excluding = replace(
        MEASURE,
        denominator_event=AllOf(visit, Not("illness", Exists(Events("illness", ("illness",))))),
        exclusions=(Exclusion("pair", near), Exclusion("last", last)),
    )
    seen = "2026-02-01 hcpcs:V1 %visit !finished"
    expected, found, _ = decide(
        excluding,
        f"""
        no visit   | {BORN} | | 2026-02-01 hcpcs:V1 %visit !planned; 2026-03-01 loinc:T1 | absent
        ill        | {BORN} | | {seen}; 2026-03-01 icd-10-cm:X1                          | absent
        pair       | {BORN} | | {seen}; 2026-03-01 loinc:T1; 2026-03-05 loinc:T2         | excluded: pair
        last       | {BORN} | | {seen}; 2026-03-01 loinc:T1 =loinc|LA-YES  | excluded: last
        neither    | {BORN} | | {seen}; 2026-03-01 loinc:T1 =loinc|LA-NO  | closed-gap
        """,
        codes=CODES,
    )
    assert found == expected


class SparkOptions(Config):
    """What Ibis' compiler for Spark asks for, which comes with Spark otherwise."""

    treat_nan_as_null: bool = False


def test_every_part_of_the_language_compiles_for_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ibis.options, "pyspark", SparkOptions())
    stay = Events("stay", ("stay",), kinds=("visit",), dates=Dates.OVERLAP)
    at_home = Events("visit at home", ("at-home",), EVER, kinds=("visit",))
    upper, lower = (
        Result(
            Events(name, (name,), not_during=stay, kept_in_encounter=at_home, dates=Dates.END),
            unit="mmHg", decimals=0, plausible=(0, 300), below=140.0, missing_decides=True,
        )
        for name in ("upper", "lower")
    )  # fmt: skip
    everything = AllOf(
        LatestReading("pressure", upper, lower, unit="mmHg"),
        WithinDays("pair", Events("test", ("test",)), Events("partner test", ("partner-test",)), days=4),
        LatestValue(Events("test", ("test",)), ("yes",)),
        Not("illness", Exists(Events("illness", ("illness",), dates=Dates.OVERLAP, qualified_by=("left",)))),
    )
    made = Plan().tables(2026)
    tables = replace(made, **{name: ibis.table(table.schema(), name=name) for name, table in vars(made).items()
                              if isinstance(table, ibis.Table)})  # fmt: skip
    definition = replace(MEASURE, numerator=everything)
    expression = evaluate(definition, tables, measurement_year(2026), dt.date(2027, 6, 30))
    assert "LEFT ANTI JOIN" in ibis.to_sql(expression, dialect="pyspark").upper()
