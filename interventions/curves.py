"""Expected stars as a function of the expected numerator: S-shaped steps, and their concave envelope. Pure.

A plan that maximises expected stars needs a bound; the S-shaped curve has none that prices can give, its smallest
concave cover does. Where curve and cover touch, the bound is exact. Formula: docs/projection.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from interventions.crossing import Floats

# Points of the grid to the narrowest spread of a step: the cover then lies within a thousandth of a star.
STEPS_PER_SPREAD = 16
MOST_POINTS = 20_001


def expected_stars(mean: float, counts: Sequence[float], spread: float) -> float:
    """1 plus the chance of each higher star, the count being normal around the mean (continuity correction).

    `counts` are the smallest numerators for 1 to 5 stars, infinite for stars nobody can earn; `spread`: standard
    deviation in members, above 0.
    """
    normal = NormalDist(0, spread)
    return 1 + sum(normal.cdf(mean + 0.5 - count) for count in counts[1:])


@dataclass(frozen=True)
class Envelope:
    """The smallest concave cover of a curve on a range: straight between its corners."""

    means: Floats
    stars: Floats

    def at(self, mean: float) -> float:
        """The cover at a mean. Raises ValueError outside the range it was made for."""
        if not self.means[0] <= mean <= self.means[-1]:
            raise ValueError(f"{mean} lies outside {self.means[0]} to {self.means[-1]}")
        return float(np.interp(mean, self.means, self.stars))

    def slopes(self) -> Floats:
        """Stars per closure in each piece, falling."""
        found: Floats = np.diff(self.stars) / np.diff(self.means)
        return found


def envelope(low: float, high: float, counts: Sequence[float], spread: float) -> Envelope:
    """The concave envelope of expected stars between two means. Raises ValueError for an empty range or no spread."""
    if not low < high or not spread > 0:
        raise ValueError(f"no curve from {low} to {high} with a spread of {spread}")
    points = min(max(int((high - low) / spread * STEPS_PER_SPREAD), 2), MOST_POINTS - 1) + 1
    means = np.linspace(low, high, points)
    stars = np.array([expected_stars(float(mean), counts, spread) for mean in means])
    corners = upper_hull(means, stars)
    return Envelope(means[corners], stars[corners])


def upper_hull(x: Floats, y: Floats) -> list[int]:
    """Places of the corners of the upper convex hull; `x` rises (Andrew's monotone chain)."""
    hull: list[int] = []
    for place in range(len(x)):
        while len(hull) > 1 and turns_up(x, y, hull[-2], hull[-1], place):
            hull.pop()
        hull.append(place)
    return hull


def turns_up(x: Floats, y: Floats, first: int, middle: int, last: int) -> bool:
    """Whether the middle point lies on or below the line from the first to the last."""
    return bool((y[middle] - y[first]) * (x[last] - x[first]) <= (y[last] - y[first]) * (x[middle] - x[first]))
