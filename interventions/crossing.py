"""How many members will be met at year's end: the distribution of a count, and the chance that it reaches a star.

The count is a sum of independent closures with different chances (Poisson-binomial), mixed over scenarios of one
common shock, because all of a measure's chances may be wrong in the same direction. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from predictions.calibrating import log_odds, probability

Floats = npt.NDArray[np.float64]

# Up to so many uncertain members the distribution is exact; above, the normal one with continuity correction is.
EXACT_UP_TO = 50
# Points at which the common shock is looked at (Gauss and Hermite's, exact for polynomials up to degree 17).
NODES = 9
# Chances are grouped to find the shock: more groups change nothing that can be seen.
GROUPS = 200
FURTHEST_SHIFT = 40.0
WIDEST_SHOCK = 6.0
FARTHEST_MASS = 1e-9


@dataclass(frozen=True)
class Part:
    """The count in one scenario: its weight, mean and variance, and its distribution where that is exact."""

    weight: float
    mean: float
    variance: float
    exact: Floats | None = None

    def at_least(self, count: int) -> float:
        """The chance of so many or more."""
        if self.exact is not None:
            return float(self.exact[max(count, 0) :].sum())
        if self.variance <= 0:
            return float(self.mean >= count - 0.5)
        return 1 - NormalDist(self.mean, sqrt(self.variance)).cdf(count - 0.5)


@dataclass(frozen=True)
class Count:
    """The number of members met: `firm` ones for certain, and up to `people` more."""

    firm: int
    people: int
    parts: tuple[Part, ...]

    @cached_property
    def mean(self) -> float:
        return self.firm + sum(part.weight * part.mean for part in self.parts)

    @cached_property
    def variance(self) -> float:
        """Within the scenarios and between them."""
        middle = self.mean - self.firm
        return sum(part.weight * (part.variance + (part.mean - middle) ** 2) for part in self.parts)

    def at_least(self, count: int) -> float:
        """The chance that so many or more are met, 0 to 1."""
        return min(sum(part.weight * self.in_part(part, count) for part in self.parts), 1.0)

    def in_part(self, part: Part, count: int) -> float:
        """The same in one scenario."""
        if count <= self.firm:
            return 1.0
        if count > self.firm + self.people:
            return 0.0
        return min(max(part.at_least(count - self.firm), 0.0), 1.0)

    def quantile(self, share: float) -> int:
        """The smallest count that is not exceeded with this chance."""
        low, high = self.firm, self.firm + self.people
        while low < high:
            middle = (low + high) // 2
            if 1 - self.at_least(middle + 1) >= share:
                high = middle
            else:
                low = middle + 1
        return low

    def odds(self, counts: Sequence[int]) -> tuple[float, ...]:
        """The chance of each number of stars from 1 to 5; `counts` are the smallest numerators that earn them."""
        return differences([self.at_least(count) for count in counts])

    def odds_by_scenario(self, counts: Sequence[int]) -> Iterator[tuple[float, tuple[float, ...]]]:
        """Weight of each scenario and the chance of each number of stars in it."""
        for part in self.parts:
            yield part.weight, differences([self.in_part(part, count) for count in counts])


def differences(chances: Sequence[float]) -> tuple[float, ...]:
    """Chances of so many stars or more to chances of exactly so many. They sum to 1."""
    after = [*chances[1:], 0.0]
    return tuple(max(here - higher, 0.0) for here, higher in zip(chances, after, strict=True))


def count_of(firm: int, chances: Floats, *, mean: float | None = None, error: float = 0.0) -> Count:
    """The count of members met at year's end.

    `chances`: of each member who is not firmly met, in no order. `mean`: the expected number among them, where
    something besides their own chances says so: all are shifted alike in log-odds to give it. `error`: standard
    deviation of that mean, in members, from what past forecasts missed; it becomes a common shock of the log-odds.
    Raises ValueError for chances outside 0 to 1, a mean they cannot give, or a negative error.
    """
    check_chances(chances)
    if firm < 0 or not 0 <= error < np.inf:
        raise ValueError(f"firm {firm} and error {error} must not be negative")
    sure = int((chances == 1).sum())
    open_ones = chances[(chances > 0) & (chances < 1)]
    if mean is None and not error:
        return Count(firm + sure, len(chances) - sure, (part_of(1.0, open_ones),))
    wanted = float(open_ones.sum()) if mean is None else mean - sure
    if not -1e-6 <= wanted <= len(open_ones) + 1e-6:
        raise ValueError(f"{wanted + sure:.1f} expected of {len(chances)} members, {sure} of them certain")
    parts = tuple(
        part_of(weight, changed) for weight, changed in scenarios(open_ones, min(max(wanted, 0), len(open_ones)), error)
    )
    return Count(firm + sure, len(chances) - sure, parts)


def check_chances(chances: Floats) -> None:
    """Raises ValueError for a chance that is none."""
    wrong = np.flatnonzero(~((chances >= 0) & (chances <= 1)))
    if len(wrong):
        raise ValueError(f"chance {chances[wrong[0]]} of member {wrong[0] + 1} is not within 0 to 1")


def part_of(weight: float, chances: Floats) -> Part:
    """One scenario: exact for a few members, else by its moments."""
    exact = poisson_binomial(chances) if len(chances) <= EXACT_UP_TO else None
    return Part(weight, float(chances.sum()), float((chances * (1 - chances)).sum()), exact)


def poisson_binomial(chances: Floats) -> Floats:
    """The distribution of the number of successes, 0 to n, by convolution: nothing is rounded below zero."""
    found = np.ones(1)
    for chance in chances:
        found = np.convolve(found, [1 - chance, chance])
    return found


def scenarios(chances: Floats, wanted: float, error: float) -> Iterator[tuple[float, Floats]]:
    """Weights, and the chances in each scenario, so that the mean is as wanted and strays by the error."""
    if not len(chances) or wanted in (0, len(chances)):
        yield 1.0, np.full(len(chances), wanted / max(len(chances), 1))
        return
    margins = log_odds(chances)
    groups = grouped(margins)
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES if error else 1)
    weights = weights / weights.sum()
    spread = spread_of(groups, nodes, weights, wanted, error) if error else 0.0
    shift = shift_of(groups, spread * nodes, weights, wanted)
    for node, weight in zip(nodes, weights, strict=True):
        yield float(weight), probability(margins + shift + spread * node)


def grouped(margins: Floats) -> Floats:
    """Neighbours in order joined to at most GROUPS of nearly equal size: their means, and how many, as two rows."""
    ordered = np.array_split(np.sort(margins), min(GROUPS, len(margins)))
    return np.array([[group.mean() for group in ordered], [float(len(group)) for group in ordered]])


def means_of(groups: Floats, shifts: Floats) -> Floats:
    """The expected number at each shift of the log-odds."""
    return probability(groups[0] + shifts[:, None]) @ groups[1]


def shift_of(groups: Floats, shocks: Floats, weights: Floats, wanted: float) -> float:
    """The common shift of the log-odds at which the scenarios' mean is as wanted. By bisection: it only rises."""
    low, high = -FURTHEST_SHIFT, FURTHEST_SHIFT
    for _ in range(60):
        middle = (low + high) / 2
        if weights @ means_of(groups, shocks + middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def spread_of(groups: Floats, nodes: Floats, weights: Floats, wanted: float, error: float) -> float:
    """The size of the shock at which the scenarios' means stray by the error; the widest where none is enough."""
    low, high = 0.0, WIDEST_SHOCK
    for _ in range(20):
        middle = (low + high) / 2
        means = means_of(groups, middle * nodes + shift_of(groups, middle * nodes, weights, wanted))
        if sqrt(weights @ (means - wanted) ** 2) < error:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def within(mean: float, error: float, low: float, high: float) -> tuple[float, float]:
    """Mean and standard deviation of a normal forecast once it is known to lie from low to high (truncated normal).

    A forecast that falls outside is then near the end it missed, not certain of it. Without an error it is that end.
    """
    if error <= 0 or low >= high:
        return min(max(mean, low), high), 0.0
    normal = NormalDist()
    before, after = (low - mean) / error, (high - mean) / error
    mass = normal.cdf(after) - normal.cdf(before)
    if mass < FARTHEST_MASS:
        # So far out in the tail only its slope counts: exponential, with the mean one over the distance from the end.
        step = error / (before if before > 0 else -after)
        return (min(low + step, high) if before > 0 else max(high - step, low)), min(step, (high - low) / 2)
    left, right = normal.pdf(before), normal.pdf(after)
    shift = (left - right) / mass
    spread = 1 + (before * left - after * right) / mass - shift**2
    return mean + error * shift, error * sqrt(max(spread, 0.0))


def raised(count: Count, added: float) -> Count:
    """The same with so many more expected, never more than there are people. The spread is kept, as a plan's bound
    takes it: who was going to close with some chance now has a greater one. Raises ValueError for fewer."""
    if not 0 <= added < np.inf:
        raise ValueError(f"{added} closures added")
    if not added:
        return count
    parts = (Part(part.weight, min(part.mean + added, count.people), part.variance) for part in count.parts)
    return Count(count.firm, count.people, tuple(parts))


def sampled(count: Count, denominator: int, sample: int) -> Count:
    """The numerator in a random sample of the denominator, as hybrid measures are reported (411 members).

    The sample is drawn without replacement: hypergeometric variance beside that of the count itself.
    """
    if not 0 < sample <= denominator:
        raise ValueError(f"a sample of {sample} from {denominator} members")
    share = sample / denominator
    drawn = sample * (denominator - sample) / max(denominator - 1, 1)
    parts = []
    for part in count.parts:
        rate = (count.firm + part.mean) / denominator
        spread = max(rate * (1 - rate) - part.variance / denominator**2, 0.0)
        parts.append(Part(part.weight, rate * sample, drawn * spread + share**2 * part.variance))
    return Count(0, sample, tuple(parts))
