"""The words of a definition, the decision tables' file form, and the pages made of both."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from hedis.engine import measure as m
from hedis.engine.period import EVER, MEASUREMENT_YEAR_OR_YEAR_BEFORE, Window
from hedis.measures import decision_tables, measure_page, portfolio
from hedis.measures.decision_tables import DecisionTableError
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.describing import alternatives, describe, enrolment_words, window_words
from hedis.measures.value_sets import packaged
from tests.conftest import PROJECT

TABLES = PROJECT / "tests" / "engine" / "tables"
SCAN = m.Events("scan", ("scan",))


def said(condition: m.Condition) -> list[str]:
    return ["  " * line.depth + line.text for line in describe(condition)]


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (Window(), "in the measurement year"),
        (MEASUREMENT_YEAR_OR_YEAR_BEFORE, "in the measurement year or the year before"),
        (Window(years_back=9), "in the measurement year or the nine years before it"),
        (Window(years_back=12), "in the measurement year or the 12 years before it"),
        (EVER, "ever, up to the end of the measurement year"),
        (Window(years_back=1, until_years_back=1), "in the year before"),
        (Window(years_back=2, until_years_back=2), "in the year two years before"),
        (
            Window(years_back=2, from_month_day=(10, 1)),
            "from 1 October of the year two years before to the end of the measurement year",
        ),
        (
            Window(years_back=1, until_month_day=(6, 30)),
            "from the start of the year before to 30 June of the measurement year",
        ),
        (
            Window(years_back=2, until_years_back=1),
            "from the start of the year two years before to the end of the year before",
        ),
        (Window(years_back=0, from_month_day=(2, 29)), "from 29 February of the measurement year to the end of the "
         "measurement year"),
    ],
)  # fmt: skip
def test_a_window_is_said_relative_to_the_measurement_year(window: Window, words: str) -> None:
    assert window_words(window) == words


def test_two_windows_are_never_said_alike() -> None:
    windows = [
        Window(back, start, until, end)
        for back in (None, 0, 1, 2)
        for start in (None, (10, 1))
        for until in (0, 1)
        for end in (None, (6, 30))
        if (back is not None and back >= until) or (back is None and start is None)
    ]
    assert len({window_words(window) for window in windows}) == len(windows)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (None, "No continuous enrolment is asked for."),
        (
            m.ContinuousEnrolment(),
            "Enrolled in the measurement year: in each calendar year at most one break of at most 45 days, enrolled on "
            "the last day.",
        ),
        (
            m.ContinuousEnrolment(years_before=1, lead_in_from=(10, 1)),
            "Enrolled in the measurement year and the year before: in each calendar year at most one break of at most "
            "45 days, enrolled on the last day. No break at all from 1 October to the end of the year two years "
            "before.",
        ),
    ],
)
def test_enrolment_is_said_in_a_sentence_or_two(rule: m.ContinuousEnrolment | None, words: str) -> None:
    assert enrolment_words(rule) == words


def test_alternatives_read_like_a_sentence() -> None:
    assert [alternatives(texts) for texts in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a or b", "a, b or c"]


def test_every_condition_of_the_language_has_words() -> None:
    known = set(m.Condition.__subclasses__())
    assert known and known <= set(describe.registry)


def test_a_condition_without_words_is_refused() -> None:
    with pytest.raises(TypeError, match="no words describe Condition"):
        list(describe(m.Condition()))


OTHER: dict[str, Any] = {
    "name": "other", "value_sets": ("other",), "window": EVER, "kinds": ("dispensing",), "dates": m.Dates.OVERLAP,
    "statuses": ("final",), "has_value": True, "measured": True, "with_value": ("found",), "qualified_by": ("left",),
    "on_same_claim": m.Events("visit", ("visit",)), "not_on_same_claim": m.Events("visit", ("visit",)),
    "not_during": m.Events("stay", ("stay",)), "kept_in_encounter": m.Events("visit", ("visit",)),
    "from_denominator_event": True, "claims_only": True,
}  # fmt: skip


def test_nothing_that_narrows_events_goes_unsaid() -> None:
    asked = {each.name for each in fields(m.Events)} - {"needs"}
    assert set(OTHER) == asked
    plain = said(m.Exists(SCAN))
    for name, value in OTHER.items():
        assert said(m.Exists(replace(SCAN, **{name: value}))) != plain, name


def test_a_nested_condition_reads_as_a_nested_list() -> None:
    pair = m.WithinDays("pair", SCAN, m.Events("print", ("print",), EVER), days=4)
    condition = m.AnyOf(m.AllOf(m.CountDates(SCAN, 2), pair), m.Died(), name="anything at all")
    assert said(condition) == [
        "anything at all, by one of:",
        "  all of:",
        "    on at least two different dates: scan, in the measurement year (codes: `scan`)",
        "    pair, at most four days apart:",
        "      scan, in the measurement year (codes: `scan`)",
        "      print, ever, up to the end of the measurement year (codes: `print`)",
        "  death in the measurement year",
    ]


def test_a_result_says_its_limit_its_bounds_and_what_codes_stand_for() -> None:
    result = m.Result(SCAN, "mm", 1, (0.5, 9.0), below=3.0, coded=(m.CodedResult("scan-small", 2.9, "small"),))
    assert said(m.LatestResult(result)) == [
        "the result of the last day that has one; of several on that day the lowest counts:",
        "  below 3.0 mm: scan, in the measurement year (codes: `scan`)",
        "    outside 0.5 to 9 mm a result is treated as missing",
        "    a code of `scan-small` stands for “small”",
    ]


# -- decision tables ---------------------------------------------------------------------------------------------------

TEXT = """
# Of 2026.
D (a diagnosis) = 2026-01-01 icd-10-cm:E119
TWO (the diagnosis and a visit) = {D}; 2026-02-01 hcpcs:G0439
list scan = hcpcs:99991

## First
one | 1961-06-01 | | {TWO} | absent
## Second
two | 1961-06-01 male | 2026-01-01..2026-12-31 | 2026-03-01 loinc:1-8 =loinc|LA1 | open-gap NotFound
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "scan.txt"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_table_is_read_with_its_groups_shorthands_and_invented_codes(tmp_path: Path) -> None:
    table = decision_tables.read(written(tmp_path, TEXT))
    assert table.remarks == ("Of 2026.",)
    assert [(each.name, each.words) for each in table.shorthands] == [
        ("D", "a diagnosis"), ("TWO", "the diagnosis and a visit"),
    ]  # fmt: skip
    assert [(each.value_set, each.code_system, each.code) for each in table.codes] == [("scan", "hcpcs", "99991")]
    first, second = table.resolved()
    assert (first.group, first.known) == ("First", "2026-01-01 icd-10-cm:E119; 2026-02-01 hcpcs:G0439")
    assert (second.group, second.known, second.born) == (
        "Second", "2026-03-01 loinc:1-8 =loinc|LA1", "1961-06-01 male",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("one | 1961-06-01 | | absent", "scan.txt, line 1: 4 columns where 5 are needed"),
        (" | 1961-06-01 | | | absent", "scan.txt, line 1: a case needs a name of its own"),
        (
            "one | 1961-06-01 | | | absent\none | 1961-06-01 | | | absent",
            "scan.txt, line 2: a case needs a name of its",
        ),
        ("one | 1961-06-01 | | {D} | absent", "scan.txt, case 'one': nothing is named D"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DecisionTableError, match=message):
        decision_tables.read(written(tmp_path, line))


# -- pages -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(DEFINITIONS))
def test_a_page_tells_the_whole_definition(code: str) -> None:
    definition = DEFINITIONS[code]
    entry = next(entry for entry in portfolio.read() if entry.code == code)
    text = "\n".join(measure_page.page(entry, definition, packaged(), 2026, None))
    told = [each.name for each in definition.exclusions]
    told += [f"`{name}`" for name in m.value_sets_used(definition) | m.result_value_sets_used(definition)]
    told += [source.document for source in definition.sources] + list(definition.notes)
    assert [words for words in told if words not in text] == []


@pytest.mark.parametrize("file", sorted(TABLES.glob("*.txt")), ids=lambda file: file.stem)
def test_a_page_shows_every_case_of_the_table_the_tests_run(file: Path) -> None:
    entry = next(entry for entry in portfolio.read() if entry.code == file.stem.upper())
    table = decision_tables.read(file)
    text = "\n".join(measure_page.page(entry, DEFINITIONS[entry.code], packaged(), 2026, table))
    assert table.cases and [each.case for each in table.cases if f"\n| {each.case} | {each.born} |" not in text] == []


def test_every_definition_has_a_page_and_no_page_is_left_over() -> None:
    assert {file.stem for file in (PROJECT / "docs" / "measures").glob("*.md")} == {
        code.lower() for code in DEFINITIONS
    }
