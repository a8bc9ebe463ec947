"""Days covered, day by day: a pill box for every ingredient and a person who walks through the year. Written from the
rules in docs/pdc.md, not from the engine, and by another method, so that the two can disagree."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Fill:
    date: dt.date
    days: int
    ingredients: tuple[str, ...] = ("a",)


@dataclass(frozen=True)
class History:
    """One member's year. `stays` and `enrolled` are first and last days."""

    fills: tuple[Fill, ...]
    stays: tuple[tuple[dt.date, dt.date], ...] = ()
    enrolled: tuple[tuple[dt.date, dt.date], ...] = ((dt.date(2025, 1, 1), dt.date(2026, 12, 31)),)
    died: dt.date | None = None

    def with_fill(self, fill: Fill) -> History:
        return replace(self, fills=(*self.fills, fill))


@dataclass
class Walk:
    """What the person saw: every treatment day outside stays, those of them with medication on hand, and whether any
    was left in the end."""

    days: list[dt.date] = field(default_factory=list)
    covered: list[dt.date] = field(default_factory=list)
    left: bool = False


@dataclass(frozen=True)
class Answer:
    start: dt.date
    end: dt.date
    fill_dates: int
    in_measure: bool
    met: bool
    days_now: int
    covered_now: int
    missable: int
    refill_due: dt.date | None
    last_chance: dt.date | None
    adherence_class: str


def days_between(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + n * DAY for n in range((last - first).days + 1)]


def last_day(history: History, year: int, as_of: dt.date) -> dt.date | None:
    """The last day the member can still be treated in the year, as far as is known on `as_of`."""
    first, end = dt.date(year, 1, 1), dt.date(year, 12, 31)
    known = min(as_of, end)
    days = [
        day
        for start, last in history.enrolled
        if start <= known
        for day in days_between(max(start, first), min(last, end))
    ]
    if not days:
        return None
    last = max(days)
    if last >= known and as_of < end:
        last = end
    return min(last, history.died) if history.died and history.died <= as_of else last


def walk(history: History, start: dt.date, end: dt.date) -> Walk:
    """Each day the fills of the day go into the boxes and one pill is taken from every box that has one. Pills that
    would have been taken on a stay day are kept, and used on days outside without medication."""
    boxes: dict[str, int] = {}
    dispensed = {fill.date: [other for other in history.fills if other.date == fill.date] for fill in history.fills}
    in_stay = {day for first, last in history.stays for day in days_between(max(first, start), min(last, end))}
    kept, seen = 0, Walk()
    for day in days_between(start, end):
        for fill in dispensed.get(day, ()):
            for ingredient in fill.ingredients:
                boxes[ingredient] = boxes.get(ingredient, 0) + fill.days
        from_box = any(boxes.values())
        boxes = {name: pills - 1 if pills else 0 for name, pills in boxes.items()}
        if day in in_stay:
            kept += from_box
            continue
        seen.days.append(day)
        if from_box or kept:
            seen.covered.append(day)
            kept -= not from_box
    seen.left = bool(kept or any(boxes.values()))
    return seen


def answer(history: History, year: int, as_of: dt.date, percent: int = 80) -> Answer | None:
    """Where the member stands on `as_of`; None where no treatment of 91 days is possible."""
    fills = tuple(fill for fill in history.fills if fill.date.year == year and fill.date <= as_of)
    stays = tuple(stay for stay in history.stays if stay[0] <= as_of)
    end = last_day(history, year, as_of)
    fills = tuple(fill for fill in fills if end and fill.date <= end)
    if not fills or end is None:
        return None
    known = replace(history, fills=fills, stays=stays)
    start = min(fill.date for fill in fills)
    whole = walk(known, start, end)
    if (end - start).days + 1 < 91 or not whole.days:
        return None
    allowed = len(whole.days) - math.ceil(Fraction(percent, 100) * len(whole.days))
    without_any = sorted(set(whole.days) - set(whole.covered))
    uncovered_later = [day for day in without_any if day >= as_of]
    missable = allowed - (len(without_any) - len(uncovered_later))
    last_covered = max(whole.covered, default=start - DAY)
    without = [] if whole.left else [day for day in whole.days if day > last_covered]
    chance = None
    if missable >= 0 and len(uncovered_later) > missable:
        chance = uncovered_later[missable]
    now = [day for day in whole.days if day <= as_of]
    covered_now = [day for day in whole.covered if day <= as_of]
    enough = bool(now) and Fraction(len(covered_now), len(now)) >= Fraction(percent, 100)
    dates = len({fill.date for fill in fills})
    return Answer(
        start, end, dates, dates >= 2, enough, len(now), len(covered_now), missable,
        without[0] if without else None, chance,
        classed(dates, missable, chance, without[0] if without else None, uncovered_later, as_of),
    )  # fmt: skip


def classed(
    dates: int, missable: int, chance: dt.date | None, due: dt.date | None, uncovered: Sequence[dt.date], as_of: dt.date
) -> str:
    if dates < 2:
        return "not_yet_in"
    if missable < 0:
        return "unsalvageable"
    if len(uncovered) <= missable:
        return "locked_in"
    assert chance is not None
    if (chance - as_of).days <= 14:
        return "last_chance"
    if due is not None and due <= as_of:
        return "late_refill"
    return "at_risk" if missable <= 30 else "safe"
