"""Definitions in plain words: what the dataclasses of the measure language say, as a reader says it. Pure.

`describe` turns a condition into lines with a depth, like a nested list; nothing of a definition is left out, so a
reviewer can hold the page against the specification.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import singledispatch

from hedis.engine import measure as m
from hedis.engine.period import Window

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
KINDS = {
    "dispensing": "fills",
    "order": "orders",
    "device-order": "orders of devices",
    "medication-order": "orders of medication",
}


@dataclass(frozen=True)
class Line:
    """One line of a nested list; `depth` 0 is the outermost."""

    depth: int
    text: str


def number_words(number: int) -> str:
    """``nine``; figures from eleven on."""
    return NUMBERS[number] if number < len(NUMBERS) else str(number)


def count(number: int, noun: str) -> str:
    """``one year``, ``nine years``."""
    return f"{number_words(number)} {noun}{'' if number == 1 else 's'}"


def alternatives(texts: Iterable[str], joined: str = "or") -> str:
    """``a, b or c``."""
    *first, last = texts
    return f"{', '.join(first)} {joined} {last}" if first else last


def window_words(window: Window) -> str:
    """A window relative to the measurement year: ``in the measurement year or the nine years before it``."""
    whole_years = window.from_month_day is None and window.until_month_day is None
    if window.years_back is None:
        return f"ever, up to {_end(window)}"
    if whole_years and window.until_years_back == 0:
        before = {0: "", 1: " or the year before"}
        years = before.get(window.years_back, f" or the {count(window.years_back, 'year')} before it")
        return f"in the measurement year{years}"
    if whole_years and window.years_back == window.until_years_back:
        return f"in {_year(window.years_back)}"
    start = "the start of" if window.from_month_day is None else f"{_day(window.from_month_day)} of"
    return f"from {start} {_year(window.years_back)} to {_end(window)}"


def _year(back: int) -> str:
    if back == 0:
        return "the measurement year"
    return "the year before" if back == 1 else f"the year {count(back, 'year')} before"


def _end(window: Window) -> str:
    day = "the end" if window.until_month_day is None else _day(window.until_month_day)
    return f"{day} of {_year(window.until_years_back)}"


def _day(month_day: tuple[int, int]) -> str:
    # A leap year, so that 29 February can be said.
    day = dt.date(2024, *month_day)
    return f"{day.day} {day.strftime('%B')}"


def enrolment_words(enrolment: m.ContinuousEnrolment | None) -> str:
    """The rule of continuous enrolment in a sentence or two."""
    if enrolment is None:
        return "No continuous enrolment is asked for."
    years = count(enrolment.years_before, "year")
    before = f" and the {'year' if enrolment.years_before == 1 else years} before" if enrolment.years_before else ""
    text = (
        f"Enrolled in the measurement year{before}: in each calendar year at most "
        f"{count(enrolment.breaks_per_year, 'break')} of at most {enrolment.break_days} days, enrolled on the last day."
    )
    if enrolment.lead_in_from is None:
        return text
    lead_in = _year(enrolment.years_before + 1)
    return f"{text} No break at all from {_day(enrolment.lead_in_from)} to the end of {lead_in}."


def ages_words(band: m.AgeBand | None) -> str:
    """``18 to 75``."""
    return "–" if band is None else f"{band.low} to {band.high}"


def codes_words(events: m.Events) -> str:
    """Events without their window: ``colonoscopy (codes: `colonoscopy`)``."""
    return f"{events.name} (codes: {', '.join(f'`{name}`' for name in events.value_sets)})"


def events_words(events: m.Events) -> str:
    """Events as one line: name, window, value sets."""
    codes = ", ".join(f"`{name}`" for name in events.value_sets)
    return f"{events.name}, {window_words(events.window)} (codes: {codes})"


def _sets(names: tuple[str, ...]) -> str:
    return alternatives(f"`{name}`" for name in names)


def details(events: m.Events) -> Iterator[str]:
    """What narrows the selection, a sentence each."""
    narrowed: tuple[tuple[object, str], ...] = (
        (events.kinds, f"recorded as {alternatives(KINDS.get(kind, kind) for kind in events.kinds or ('–',))}"),
        (events.dates is not m.Dates.START, f"counts where it {events.dates.value} the window"),
        (events.statuses, f"called {alternatives(events.statuses or ('–',))} by its source"),
        (events.has_value, "only with a result"),
        (events.measured, "only with a figure, or what it lies below or above"),
        (events.claims_only, "from claims only: supplemental data does not count"),
        (events.with_value, f"only with a result of {_sets(events.with_value or ('–',))}"),
        (events.qualified_by, f"only where qualified by {_sets(events.qualified_by or ('–',))}"),
        (events.from_denominator_event, "on or after the day the member entered the denominator"),
    )
    yield from (text for applies, text in narrowed if applies)
    related = (
        (events.on_same_claim, "the same claim shows"),
        (events.not_on_same_claim, "the same claim does not show"),
        (events.not_during, "not on a day of"),
        (events.kept_in_encounter, "such a day counts all the same where recorded at"),
    )
    for other, lead in related:
        if other is not None:
            yield "; ".join((f"{lead}: {codes_words(other)}", *details(other)))


def _events(events: m.Events, depth: int, lead: str = "") -> Iterator[Line]:
    yield Line(depth, f"{lead}{events_words(events)}")
    yield from (Line(depth + 1, text) for text in details(events))


@singledispatch
def describe(condition: m.Condition, depth: int = 0) -> Iterator[Line]:
    """The condition as a nested list. Raises TypeError for a condition nobody has put into words."""
    raise TypeError(f"no words describe {type(condition).__name__}")


@describe.register
def _(condition: m.Exists, depth: int = 0) -> Iterator[Line]:
    yield from _events(condition.events, depth)


@describe.register
def _(condition: m.CountDates, depth: int = 0) -> Iterator[Line]:
    yield from _events(condition.events, depth, f"on at least {number_words(condition.at_least)} different dates: ")


@describe.register
def _(condition: m.WithinDays, depth: int = 0) -> Iterator[Line]:
    yield Line(depth, f"{condition.name}, at most {count(condition.days, 'day')} apart:")
    yield from _events(condition.first, depth + 1)
    yield from _events(condition.second, depth + 1)


@describe.register
def _(condition: m.LatestValue, depth: int = 0) -> Iterator[Line]:
    yield from _events(condition.events, depth, f"the result of the last is of {_sets(condition.value_sets)}: ")


@describe.register
def _(condition: m.DaysCovered, depth: int = 0) -> Iterator[Line]:
    yield Line(depth, f"{condition.name} on hand on at least {condition.percent} % of the days of treatment")
    yield from _events(condition.fills, depth + 1, "supply: ")
    until = "" if condition.stays_until_year is None else f" (up to measurement year {condition.stays_until_year})"
    yield from _events(condition.stays, depth + 1, f"days that leave the treatment and shift the supply{until}: ")


@describe.register
def _(condition: m.InTreatment, depth: int = 0) -> Iterator[Line]:
    fills, days = number_words(condition.fill_dates), condition.days
    yield Line(
        depth,
        f"fills on at least {fills} different dates, and from the first at least {days} days to the end of treatment, "
        "not all of them in a stay:",
    )
    yield from _events(condition.covered.fills, depth + 1)


def _result(result: m.Result, depth: int) -> Iterator[Line]:
    limit = f"{'at most' if result.at_most is not None else 'below'} {result.threshold:.{result.decimals}f}"
    yield from _events(result.events, depth, f"{limit} {result.unit}: ")
    low, high = result.plausible
    yield Line(depth + 1, f"outside {low:g} to {high:g} {result.unit} a result is treated as missing")
    for coded in result.coded:
        yield Line(depth + 1, f"a code of `{coded.value_set}` stands for “{coded.text}”")


def _of_the_last_day(results: tuple[m.Result, ...]) -> str:
    if any(each.missing_decides for each in results):
        return "one without a value decides before one with a value"
    return "of several on that day the lowest counts"


@describe.register
def _(condition: m.LatestResult, depth: int = 0) -> Iterator[Line]:
    yield Line(depth, f"the result of the last day that has one; {_of_the_last_day((condition.result,))}:")
    yield from _result(condition.result, depth + 1)


@describe.register
def _(condition: m.LatestReading, depth: int = 0) -> Iterator[Line]:
    parts = (condition.first, condition.second)
    told = "the lowest of each part on that day counts"
    if any(each.missing_decides for each in parts):
        told = _of_the_last_day(parts)
    yield Line(depth, f"{condition.name} of the last day that has one; {told}, and a part alone is not enough:")
    for each in parts:
        yield from _result(each, depth + 1)


@describe.register
def _(condition: m.AnyOf, depth: int = 0) -> Iterator[Line]:
    yield Line(depth, f"{condition.name}, by one of:" if condition.name else "one of:")
    for each in condition.conditions:
        yield from describe(each, depth + 1)


@describe.register
def _(condition: m.AllOf, depth: int = 0) -> Iterator[Line]:
    yield Line(depth, "all of:")
    for each in condition.conditions:
        yield from describe(each, depth + 1)


@describe.register
def _(condition: m.Not, depth: int = 0) -> Iterator[Line]:
    yield Line(depth, f"not ({condition.name}):")
    yield from describe(condition.condition, depth + 1)


@describe.register
def _(condition: m.EnrolmentFlag, depth: int = 0) -> Iterator[Line]:
    yield Line(depth, f"{condition.name} in the enrolment record {window_words(condition.window)}")


@describe.register
def _(condition: m.Died, depth: int = 0) -> Iterator[Line]:
    yield Line(depth, f"death {window_words(condition.window)}")
