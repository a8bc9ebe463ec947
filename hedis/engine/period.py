"""Measurement periods, and the look-back windows a rule counts from them.

A window is data: "the measurement year or the nine years before it" is ``Window(years_back=9)``. Nothing here
reads a clock.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


def years_before(date: dt.date, years: int) -> dt.date:
    """The same day `years` earlier; 29 February becomes 28 February where the year has no leap day."""
    try:
        return date.replace(year=date.year - years)
    except ValueError:
        return date.replace(year=date.year - years, day=28)


@dataclass(frozen=True)
class Period:
    """A measurement period, both ends inclusive. Raises ValueError where the end is before the start."""

    start: dt.date
    end: dt.date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"period: end {self.end} is before start {self.start}")

    @property
    def measurement_year(self) -> int:
        """The calendar year the period ends in."""
        return self.end.year

    def back(self, years: int) -> Period:
        """The period of the same length `years` earlier."""
        return Period(years_before(self.start, years), years_before(self.end, years))


def measurement_year(year: int) -> Period:
    """1 January to 31 December of `year`."""
    return Period(dt.date(year, 1, 1), dt.date(year, 12, 31))


@dataclass(frozen=True)
class Window:
    """Dates relative to a measurement period, both ends inclusive.

    `years_back`: the window begins that many years before the period starts; None means any time before.
    `from_month_day`: it begins on that day of the year it would begin in (the mammogram rule: 1 October).
    `until_years_back`: it ends that many years before the period ends.
    `until_month_day`: it ends on that day of the year it would end in (the hypertension rule: 30 June).
    """

    years_back: int | None = 0
    from_month_day: tuple[int, int] | None = None
    until_years_back: int = 0
    until_month_day: tuple[int, int] | None = None

    def first_date(self, period: Period) -> dt.date | None:
        """First day of the window, None where it is open."""
        if self.years_back is None:
            return None
        start = years_before(period.start, self.years_back)
        return start.replace(month=self.from_month_day[0], day=self.from_month_day[1]) if self.from_month_day else start

    def last_date(self, period: Period) -> dt.date:
        """Last day of the window."""
        end = years_before(period.end, self.until_years_back)
        return end.replace(month=self.until_month_day[0], day=self.until_month_day[1]) if self.until_month_day else end

    def words(self, period: Period) -> str:
        """The window as a reader says it: ``in 2026``, ``since 2017-01-01``, ``up to 2026-06-30``."""
        first, last = self.first_date(period), self.last_date(period)
        if first is None:
            return f"up to {last.isoformat()}"
        if last != period.end:
            return f"from {first.isoformat()} to {last.isoformat()}"
        if (first, last) == (dt.date(last.year, 1, 1), dt.date(last.year, 12, 31)):
            return f"in {last.year}"
        return f"since {first.isoformat()}"


MEASUREMENT_YEAR = Window()
MEASUREMENT_YEAR_OR_YEAR_BEFORE = Window(years_back=1)
EVER = Window(years_back=None)
