"""The completion curve: what past years still closed after this day of the year. Pure.

Rates are shares of 1. A day is counted from 1 January; past 365 the year is over and late claims still arrive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MOST_YEARS = 3


@dataclass(frozen=True)
class Reading:
    """Numerator and denominator of a measure as they were known on a day of its year."""

    day: int
    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if not 0 <= self.numerator <= self.denominator or self.denominator == 0 or self.day < 1:
            raise ValueError(f"day {self.day}: {self.numerator} of {self.denominator} is no rate")

    @property
    def rate(self) -> float:
        return self.numerator / self.denominator


@dataclass(frozen=True)
class Course:
    """A past year of a measure: readings in the order of their days, the last one final."""

    year: int
    readings: tuple[Reading, ...]

    def __post_init__(self) -> None:
        if not self.readings:
            raise ValueError(f"year {self.year} has no readings")
        if any(later.day <= earlier.day for earlier, later in pairwise(self.readings)):
            raise ValueError(f"year {self.year}: the days of the readings do not rise")

    @property
    def final(self) -> Reading:
        return self.readings[-1]

    def on(self, day: int) -> tuple[float, float] | None:
        """Rate and denominator on a day, between two readings by the straight line; None before the first one.

        From the last reading on there is nothing left to learn, so None too.
        """
        for earlier, later in pairwise(self.readings):
            if earlier.day <= day < later.day:
                share = (day - earlier.day) / (later.day - earlier.day)
                return (
                    earlier.rate + share * (later.rate - earlier.rate),
                    earlier.denominator + share * (later.denominator - earlier.denominator),
                )
        return None


@dataclass(frozen=True)
class Growth:
    """What a past year did after a day: `share` of the open ones closed (below 0: of the met ones lost), `drift` of
    the denominator as a ratio."""

    year: int
    share: float
    drift: float

    def from_rate(self, rate: float) -> float:
        """Where a rate ends that goes on as that year did; always within 0 to 1."""
        return rate + (1 - rate) * self.share if self.share >= 0 else rate * (1 + self.share)


@dataclass(frozen=True)
class CurveForecast:
    """The rate at year's end by the completion curve, the ratio of the denominator to come, and the years used."""

    rate: float
    drift: float
    years: tuple[int, ...]


@dataclass(frozen=True)
class Trial:
    """A forecast of a past year made from what was known at the same time of that year, and what came."""

    method: str
    year: int
    forecast: float
    actual: float


def growth_after(course: Course, day: int, until: int | None = None) -> Growth | None:
    """g = (final - rate)/(1 - rate) of a year after a day; None where the year has no reading by then.

    A rate that fell, as reversible measures do, lost a share of those met: then it is -(rate - final)/rate. `until`:
    a day before the end of the year to stop at.
    """
    found = course.on(day)
    if found is None:
        return None
    rate, denominator = found
    stopped = course.on(until) if until is not None else None
    end, people = stopped or (course.final.rate, course.final.denominator)
    room = 1 - rate if end >= rate else rate
    share = (end - rate) / room if room else 0.0
    return Growth(course.year, share, people / denominator)


def by_curve(courses: Sequence[Course], day: int, rate: float) -> CurveForecast | None:
    """Mean over up to three latest years of where this rate would end; None where no year was read by this day."""
    growths = [found for course in courses if (found := growth_after(course, day)) is not None]
    used = sorted(growths, key=lambda growth: growth.year)[-MOST_YEARS:]
    if not used:
        return None
    return CurveForecast(
        sum(growth.from_rate(rate) for growth in used) / len(used),
        sum(growth.drift for growth in used) / len(used),
        tuple(growth.year for growth in used),
    )


def curve_trials(courses: Sequence[Course], day: int, method: str = "curve") -> list[Trial]:
    """The curve tried on every past year, each from the years before it alone: what came later was not known."""
    trials = []
    for course in courses:
        found = course.on(day)
        earlier = [other for other in courses if other.year < course.year]
        forecast = by_curve(earlier, day, found[0]) if found else None
        if forecast:
            trials.append(Trial(method, course.year, forecast.rate, course.final.rate))
    return trials


def by_past_years(courses: Sequence[Course]) -> float | None:
    """Mean of the final rates of up to three latest years: what is left where nothing else is known."""
    finals = [course.final.rate for course in sorted(courses, key=lambda course: course.year)[-MOST_YEARS:]]
    return sum(finals) / len(finals) if finals else None


def past_trials(courses: Sequence[Course], method: str = "past_years") -> list[Trial]:
    """The mean of the years before tried on every past year."""
    trials = []
    for course in courses:
        said = by_past_years([other for other in courses if other.year < course.year])
        if said is not None:
            trials.append(Trial(method, course.year, said, course.final.rate))
    return trials
