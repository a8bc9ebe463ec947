"""FHIR dates, instants and periods as days, both ends inclusive."""

import datetime as dt
import re
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hedis.evidence.sources.fhir.elements import Element, Wrong, number, part, text

EARLIEST = dt.date(1900, 1, 1)
OPEN_END = dt.date(9999, 12, 31)
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
DAYS_IN = {"d": 1.0, "wk": 7.0, "mo": 30.0, "a": 365.0, "h": 1 / 24, "min": 1 / 1440, "s": 1 / 86400}
"""Days in a unit of time as UCUM writes it; months and years as CQL's CumulativeMedicationDuration counts them."""
_SPELLINGS = {"day": "d", "days": "d", "week": "wk", "weeks": "wk", "month": "mo", "months": "mo", "year": "a",
              "years": "a", "hour": "h", "hours": "h"}  # fmt: skip


class Span(NamedTuple):
    """First and last day."""

    start: dt.date
    end: dt.date


def days(written: str, zone: ZoneInfo, field: str) -> Span:
    """The days a date, dateTime or instant can mean: one, or all of a month or year. Raises Wrong.

    An instant with an offset is moved to the zone first; without one it is local time already.
    """
    try:
        found = _day(written, zone) if len(written) > 10 else _partial(written)
    except (ValueError, OverflowError) as error:
        raise Wrong(field, "is not a date (YYYY, YYYY-MM, YYYY-MM-DD or with a time)") from error
    if found.start < EARLIEST:
        raise Wrong(field, "lies before 1900")
    return found


def _day(written: str, zone: ZoneInfo) -> Span:
    if written[10] != "T":
        raise ValueError("no time behind the date")
    moment = dt.datetime.fromisoformat(written)
    day = (moment if moment.tzinfo is None else moment.astimezone(zone)).date()
    return Span(day, day)


def _partial(written: str) -> Span:
    match = _DATE.fullmatch(written)
    if match is None:
        raise ValueError("no date")
    year, month, day = (int(each) if each else None for each in match.groups())
    assert year is not None  # noqa: S101  the pattern has it
    if day is not None and month is not None:
        return Span(dt.date(year, month, day), dt.date(year, month, day))
    first = dt.date(year, month or 1, 1)
    following = dt.date(year + (month or 12) // 12, (month or 12) % 12 + 1, 1) if year < 9999 else OPEN_END
    return Span(first, following - dt.timedelta(days=1))


def period(element: Element, zone: ZoneInfo, field: str, open_end: dt.date | None = None) -> Span | None:
    """A Period's days; None where neither end is there. Without a start it begins on 1900-01-01: it can end in a
    window, not lie within one. Without an end: `open_end`, else the day it began. Raises Wrong."""
    start, end = text(element, "start"), text(element, "end")
    if start is None and end is None:
        return None
    first = days(start, zone, f"{field}.start") if start else Span(EARLIEST, EARLIEST)
    last = days(end, zone, f"{field}.end").end if end else open_end or first.end
    if last < first.start:
        raise Wrong(field, "ends before it starts")
    return Span(first.start, last)


def _since_birth(age: Element, birth: dt.date | None, field: str) -> dt.date:
    value = number(age, "value")
    unit = text(age, "code") or text(age, "unit") or "a"
    unit = _SPELLINGS.get(unit, unit)
    if value is None or birth is None or unit not in DAYS_IN or not 0 <= value <= 150 / (DAYS_IN[unit] / 365):
        raise Wrong(field, "is no age that a day can be counted from")
    if unit in ("a", "mo"):
        months = birth.year * 12 + birth.month - 1 + round(value * (12 if unit == "a" else 1))
        year, month = divmod(months, 12)
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        longest = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month]
        return dt.date(year, month + 1, min(birth.day, longest))
    return birth + dt.timedelta(days=int(value * DAYS_IN[unit]))


def choice(resource: Element, name: str, zone: ZoneInfo, birth: dt.date | None = None) -> Span | None:
    """The days of `name`[x]: DateTime, Date, Instant, Period, Timing, Age or Range (from birth); None where it is
    absent or in words only. Raises Wrong."""
    for suffix in ("DateTime", "Date", "Instant"):
        written = text(resource, name + suffix)
        if written:
            return days(written, zone, name + suffix)
    if found := part(resource, name + "Period"):
        return period(found, zone, name + "Period")
    if timing := part(resource, name + "Timing"):
        return _timing(timing, zone, name + "Timing")
    if age := part(resource, name + "Age"):
        day = _since_birth(age, birth, name + "Age")
        return Span(day, day)
    if bounds := part(resource, name + "Range"):
        return _range(bounds, birth, name + "Range")
    return None


def _range(bounds: Element, birth: dt.date | None, field: str) -> Span:
    ends = [_since_birth(each, birth, field) for each in (part(bounds, "low"), part(bounds, "high")) if each]
    if not ends or ends[-1] < ends[0]:
        raise Wrong(field, "is no range of ages")
    return Span(ends[0], ends[-1])


def _timing(timing: Element, zone: ZoneInfo, field: str) -> Span | None:
    events = timing.get("event") or []
    if not isinstance(events, list) or not all(isinstance(each, str) for each in events):
        raise Wrong(field, "has an event that is not a string")
    found = [days(each, zone, field) for each in events]
    if found:
        return Span(min(each.start for each in found), max(each.end for each in found))
    bounds = part(part(timing, "repeat") or {}, "boundsPeriod")
    return period(bounds, zone, field) if bounds else None


def first_date(element: Element, name: str, zone: ZoneInfo) -> Span | None:
    """The days of a plain date element such as `authoredOn`; None where it is absent. Raises Wrong."""
    written = text(element, name)
    return days(written, zone, name) if written else None


def duration_in_days(quantity: Element | None) -> float | None:
    """A Duration in days; None where it is absent or its unit is no unit of time. Raises Wrong."""
    if quantity is None:
        return None
    value = number(quantity, "value")
    unit = text(quantity, "code") or text(quantity, "unit") or "d"
    factor = DAYS_IN.get(_SPELLINGS.get(unit, unit))
    return None if value is None or factor is None else value * factor
