"""What moved more than chance and the season explain: counts between two finding runs, and months that lack rows. Pure.

Such a movement is seldom care: a file is missing, came twice, or was read by another rule. The limits are rows of
`reference/early_warnings.toml`.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from math import sqrt
from pathlib import Path
from statistics import stdev
from typing import Any

from interventions.completing import Course, Growth, Reading, growth_after

FILE = Path(__file__).resolve().parent / "reference" / "early_warnings.toml"
TABLE = "anomaly"


@dataclass(frozen=True)
class Limits:
    """What is unusual; what each means stands in the file."""

    sigmas: float
    denominator_share: float
    rate_points: float
    turnover_share: float
    delivery_share: float
    fewest_rows: int


@cache
def limits() -> Limits:
    """The limits as data. Raises TypeError for one that is missing or not known."""
    return Limits(**tomllib.loads(FILE.read_text(encoding="utf-8"))[TABLE])


@dataclass(frozen=True)
class Movement:
    """A measure's counts in the newest finding run and in the one before, and what past years did in between.

    `stays`: who is met stays met, so that the numerator falls only as members leave.
    """

    code: str
    stays: bool
    since: date
    before: Reading
    now: Reading
    courses: Sequence[Course] = ()

    @property
    def seasons(self) -> list[Growth]:
        """What each past year did from the one day to the other, as far as it was read."""
        found = (growth_after(course, self.before.day, self.now.day) for course in self.courses)
        return [growth for growth in found if growth is not None]


@dataclass(frozen=True)
class Anomaly:
    """Something unusual, in words; `code`: the measure it is about, if one."""

    code: str
    words: str


def of_movement(one: Movement, within: Limits) -> Anomaly | None:
    """What is unusual about a measure's movement; the first that applies, since the others follow from it."""
    words = denominator_moved(one, within) or met_were_lost(one, within) or rate_moved(one, within)
    return Anomaly(one.code, f"{one.code}: {words} since {one.since.isoformat()}") if words else None


def denominator_moved(one: Movement, within: Limits) -> str:
    """The denominator shrank or grew by more than a limit beside what past years did."""
    seasons = one.seasons
    drift = sum(growth.drift for growth in seasons) / len(seasons) if seasons else 1.0
    expected = one.before.denominator * drift
    beyond = abs(one.now.denominator - expected)
    if beyond <= max(within.denominator_share * expected, within.sigmas * sqrt(expected)):
        return ""
    verb = "grew" if one.now.denominator > expected else "shrank"
    return f"denominator {verb} from {one.before.denominator:,} to {one.now.denominator:,}"


def met_were_lost(one: Movement, within: Limits) -> str:
    """More members are met no longer than leave a plan, though who is met stays met."""
    if not one.stays:
        return ""
    gone = max(one.before.denominator - one.now.denominator, 0)
    lost = one.before.numerator - one.now.numerator - gone
    usual = within.turnover_share * one.before.numerator
    if lost <= usual + within.sigmas * sqrt(usual):
        return ""
    return f"numerator fell from {one.before.numerator:,} to {one.now.numerator:,}, though who is met stays met,"


def rate_moved(one: Movement, within: Limits) -> str:
    """The rate is not where past years' season would have taken it. Without past years nobody knows the season."""
    ends = [growth.from_rate(one.before.rate) for growth in one.seasons]
    if not ends:
        return ""
    expected = sum(ends) / len(ends)
    spread = stdev(ends) if len(ends) > 1 else 0.0
    beyond = abs(one.now.rate - expected)
    if beyond <= max(within.rate_points / 100, within.sigmas * sqrt(chance(one, expected) + spread**2)):
        return ""
    told = f"{100 * one.before.rate:.1f} % to {100 * one.now.rate:.1f} %"
    return f"rate went from {told}, past years to {100 * expected:.1f} %,"


def chance(one: Movement, expected: float) -> float:
    """Variance of a rate's movement. Who stays met moves once; where the last value decides the two rates are taken
    as if of different people, which is the most it can be."""
    if one.stays:
        moved = abs(expected - one.before.rate)
        return moved * (1 - moved) / one.now.denominator
    share = (one.before.numerator + one.now.numerator) / (one.before.denominator + one.now.denominator)
    return share * (1 - share) * (1 / one.before.denominator + 1 / one.now.denominator)


def of_deliveries(deliveries: Sequence[Mapping[str, Any]], within: Limits) -> Iterator[Anomaly]:
    """Sources whose newest whole month has far fewer rows than the same month a year before and the month before had
    when they were as new."""
    for one in deliveries:
        then = {"the same month a year before": one["year_before"], "the month before": one["month_before"]}
        usual = {name: rows for name, rows in then.items() if rows >= within.fewest_rows}
        if usual and one["rows"] < within.delivery_share * min(usual.values()):
            told = ", ".join(f"{rows:,} in {name}" for name, rows in usual.items())
            yield Anomaly("", f"{one['source']}: {one['rows']:,} rows of {one['month']}, {told} when as new")
