"""The plan of most expected stars: not the most cuts reached at the mean, but the most that chance is likely to leave.

Expected stars rise in S-shaped steps with a measure's closures (`curves`). Their concave covers are climbed by
Frank and Wolfe's method: at each round the best plan for closures of a fixed worth, the slopes of the covers where one
stands. Each of these is a plan within the limits; of them, and of those found by the true slopes from the best of them,
the one of most expected stars is taken. Pure; no bound is proven.
"""

from dataclasses import dataclass

import numpy as np

from interventions.candidates import Candidates
from interventions.curves import Envelope, envelope, expected_stars
from interventions.fixed_worths import most_worth
from interventions.optimiser import quietly
from interventions.pool import pool_of
from interventions.problem import Floats, Integers, Measure, Problem

ROUNDS, TRUE_ROUNDS = 12, 4
# A count of members is uncertain by half of one at least: a spread of nought would make steps without a slope.
LEAST_SPREAD = 0.5


@dataclass(frozen=True)
class Curve:
    """Expected worth of a measure by closures added, and its concave cover: None where nothing can be added."""

    weight: float
    base: float
    counts: tuple[float, ...]
    spread: float
    cover: Envelope | None

    def worth(self, added: float) -> float:
        """Expected stars times weight."""
        return self.weight * expected_stars(self.base + added, self.counts, self.spread)

    def slope(self, added: float) -> float:
        """Worth of one closure more."""
        return self.worth(added + 0.5) - self.worth(added - 0.5)

    def cover_slope(self, added: float) -> float:
        """The same of the concave cover."""
        if self.cover is None:
            return 0.0
        slopes = self.cover.slopes()
        place = int(np.searchsorted(self.cover.means, self.base + added, side="right")) - 1
        return self.weight * float(slopes[min(max(place, 0), len(slopes) - 1)])


def curve_of(measure: Measure, reach: float, *, weighted: bool) -> Curve:
    """The curve of a measure that at most so many closures are added to."""
    spread = max(float(np.sqrt(measure.baseline_variance)), LEAST_SPREAD)
    counts = tuple(np.inf if cut is None else cut for cut in measure.cut_counts)
    cover = envelope(measure.base, measure.base + reach, counts, spread) if reach > 0 else None
    return Curve(measure.weight if weighted else 1.0, measure.base, counts, spread, cover)


def most_expected(problem: Problem, candidates: Candidates) -> Integers:
    """The rows of the plan of most expected (weighted) stars that was found, within budget and capacities."""
    reaches = reach_of(candidates)
    curves = [
        curve_of(measure, reach, weighted=problem.objective != "stars")
        for measure, reach in zip(problem.measures, reaches, strict=True)
    ]
    best: tuple[float, Integers] = (worth_of(curves, np.zeros(len(curves))), np.zeros(0, dtype=np.int64))
    with quietly():
        pool = pool_of(problem, candidates)
        stand = np.zeros(len(curves))
        for number in range(ROUNDS):
            slopes = np.array([curve.cover_slope(added) for curve, added in zip(curves, stand, strict=True)])
            rows = most_worth(problem, candidates, pool, slopes)
            added = added_by(candidates, rows)
            best = max(best, (worth_of(curves, added), rows), key=lambda one: one[0])
            stand += 2 / (number + 2) * (added - stand)
        for _ in range(TRUE_ROUNDS):
            added = added_by(candidates, best[1])
            slopes = np.array([max(curve.slope(more), 0.0) for curve, more in zip(curves, added, strict=True)])
            rows = most_worth(problem, candidates, pool, slopes)
            found = (worth_of(curves, added_by(candidates, rows)), rows)
            if found[0] <= best[0]:
                break
            best = found
    return best[1]


def reach_of(candidates: Candidates) -> Floats:
    """Of each measure the closures there would be if everybody got what raises it most."""
    reached = np.zeros(candidates.uplifts.shape[1])
    columns = candidates.uplifts.tocsc()
    for place in range(len(reached)):
        part = slice(columns.indptr[place], columns.indptr[place + 1])
        most = np.zeros(len(candidates.member_names))
        np.maximum.at(most, candidates.member[columns.indices[part]], columns.data[part])
        reached[place] = most.sum()
    return reached


def added_by(candidates: Candidates, rows: Integers) -> Floats:
    """Closures that rows add, by measure."""
    return np.asarray(candidates.uplifts[rows].sum(axis=0), dtype=np.float64).ravel()


def worth_of(curves: list[Curve], added: Floats) -> float:
    """Expected worth of all measures."""
    return sum(curve.worth(more) for curve, more in zip(curves, added, strict=True))
