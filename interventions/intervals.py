"""Intervals of shares and of their differences. Pure."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure and where it may lie."""

    value: float
    low: float
    high: float


def wilson(count: float, total: float, level: float = LEVEL) -> Interval:
    """A share with Wilson's score interval (Wilson 1927), which stays within 0 to 1 and holds at small counts.

    Counts may be broken: as many as clustered ones are worth.

    Raises ValueError for an empty total, a count outside it or a level that is not between 0 and 1.
    """
    if not 0 <= count <= total or total == 0:
        raise ValueError(f"{count} of {total} is no share")
    z = quantile_of(level)
    share = count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    reach = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    # At 0 and at 1 the interval begins there; floating point would put it a hair off.
    low = 0.0 if count == 0 else max(middle - reach, 0.0)
    high = 1.0 if count == total else min(middle + reach, 1.0)
    return Interval(share, low, high)


def difference(one: Interval, other: Interval) -> Interval:
    """one - other with Newcombe's interval from both Wilson intervals (Newcombe 1998, method 10)."""
    value = one.value - other.value
    low = sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    high = sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    return Interval(value, value - low, value + high)


def quantile_of(level: float) -> float:
    """The normal quantile of a two-sided level, 1.96 for 0.95. Raises ValueError outside 0 to 1."""
    if not 0 < level < 1:
        raise ValueError(f"level {level} is not between 0 and 1")
    return NormalDist().inv_cdf((1 + level) / 2)
