"""Claims that are still on their way: completion by service month and month of receipt (chain ladder). Pure.

A triangle holds, for each service month (row, January first), how many closures became known in that month, one month
later, and so on (columns); NaN where that time has not come. Each member counts once, with the first closure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from interventions.completing import Trial
from interventions.crossing import Floats

MONTHS = 12


@dataclass(frozen=True)
class ClaimYear:
    """One year of a measure's closures by service month and lag, with its denominator at the end.

    `carried`: members met by care of before the year, which a look-back counts, by the month they became known in.
    """

    year: int
    triangle: Floats
    denominator: int
    carried: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        check_triangle(self.triangle)
        if self.denominator < 1:
            raise ValueError(f"year {self.year}: denominator {self.denominator}")

    @property
    def rate(self) -> float:
        """Share of the denominator that is known to be met."""
        return min(self.known / self.denominator, 1.0)

    @property
    def known(self) -> float:
        """Members known to be met."""
        return float(np.nansum(self.triangle) + self.carried.sum())

    @property
    def months(self) -> int:
        """Service months that have begun to be known."""
        return int(self.triangle.shape[0])

    def as_known_after(self, months: int) -> "ClaimYear":
        """The same year as it stood so many months in: what was received later is not known yet."""
        rows, lags = np.indices(self.triangle.shape)
        seen = np.where(rows + lags < months, self.triangle, np.nan)
        return ClaimYear(self.year, seen[:months], self.denominator, self.carried[:months])


@dataclass(frozen=True)
class LagForecast:
    """`earned`: numerator members of the service months so far and of before the year, once all their claims are in;
    `known` of them today; `rate`: share of the denominator at year's end."""

    known: float
    earned: float
    rate: float


def check_triangle(triangle: Floats) -> None:
    """Raises ValueError for a table that is no triangle: negative counts, or a gap before a known cell."""
    if triangle.ndim != 2 or not 1 <= triangle.shape[0] <= MONTHS or triangle.shape[1] < 1:
        raise ValueError(f"a triangle has 1 to {MONTHS} service months and at least one lag, not {triangle.shape}")
    if (triangle < 0).any() or np.isinf(triangle).any():
        raise ValueError("a triangle holds counts, none below 0")
    seen = ~np.isnan(triangle)
    if (seen[:, 1:] & ~seen[:, :-1]).any() or (seen.sum(axis=1)[1:] > seen.sum(axis=1)[:-1]).any():
        raise ValueError("a month's later receipts are known before its earlier ones, or a later month's for longer")


def completion(triangles: Sequence[Floats]) -> Floats:
    """Share of a service month's closures that is known after each lag, the last one 1.

    Chain ladder: the factor from one lag to the next is the ratio of the sums over all months seen at both. Where no
    month was seen at both, nothing is added. Raises ValueError for no triangle or a false one.
    """
    if not triangles:
        raise ValueError("no triangle to learn the claim lag from")
    for triangle in triangles:
        check_triangle(triangle)
    width = max(triangle.shape[1] for triangle in triangles)
    rows = np.vstack([padded(triangle, width) for triangle in triangles])
    known = np.cumsum(rows, axis=1)
    shares = np.ones(width)
    for lag in range(width - 2, -1, -1):
        both = ~np.isnan(known[:, lag + 1])
        before, after = known[both, lag].sum(), known[both, lag + 1].sum()
        shares[lag] = shares[lag + 1] * (before / after if after > 0 else 1.0)
    return shares


def padded(triangle: Floats, width: int) -> Floats:
    """The same with unknown cells to the right."""
    return np.pad(triangle, ((0, 0), (0, width - triangle.shape[1])), constant_values=np.nan)


def earned_by_month(triangle: Floats, shares: Floats) -> Floats:
    """Closures of each service month that has begun to be known, once all claims are in."""
    check_triangle(triangle)
    seen = (~np.isnan(triangle)).sum(axis=1)
    known = np.nansum(triangle, axis=1)[seen > 0]
    done = shares[np.minimum(seen[seen > 0], len(shares)) - 1]
    # A month of which nothing is ever known so early says nothing: it stays as it is known.
    return known / np.where(done > 0, done, 1.0)


def seasons(finals: Sequence[Floats], shares: Floats) -> Floats:
    """Share of a year's closures in each service month, once all claims are in, averaged over past years."""
    if not finals:
        raise ValueError("no past year to learn the seasons from")
    parts = []
    for triangle in finals:
        months = earned_by_month(triangle, shares)
        if len(months) != MONTHS or not months.sum():
            raise ValueError("a past year has twelve service months and at least one closure")
        parts.append(months / months.sum())
    mean: Floats = np.mean(parts, axis=0)
    return mean


def by_claim_lag(current: ClaimYear, past: Sequence[ClaimYear]) -> LagForecast | None:
    """The year-end rate from what was earned so far, by the share of a year those months had in past years.

    None without a past year, or where the months so far had no share in them: nothing can be said of the rest.
    """
    if not past:
        return None
    finals = [year.triangle for year in past]
    shares = completion([*finals, current.triangle])
    earned = earned_by_month(current.triangle, shares)
    share = float(seasons(finals, shares)[: len(earned)].sum())
    if share <= 0:
        return None
    carried = float(current.carried.sum())
    whole = carried + float(earned.sum()) / share
    return LagForecast(current.known, carried + float(earned.sum()), min(whole / current.denominator, 1.0))


def lag_trials(past: Sequence[ClaimYear], months: int, method: str = "claim_lag") -> list[Trial]:
    """The claim lag tried on every past year as it stood so many months in, each from the years before it alone."""
    trials = []
    for year in past:
        forecast = by_claim_lag(year.as_known_after(months), [one for one in past if one.year < year.year])
        if forecast:
            trials.append(Trial(method, year.year, forecast.rate, year.rate))
    return trials
