"""What a plan that is not ours would do with the same budget, the same capacities and one action a member.

Each strategy is taken at its best. Those that value closures (of the measures of the highest weight, of new measures,
by the next cut) buy as much of what they value as the limits allow, by the linear programme over all members, not by a
list from the top. Equity floors are not theirs to know.
"""

from collections.abc import Collection
from enum import StrEnum

import numpy as np

from interventions.candidates import Candidates
from interventions.expecting import most_expected
from interventions.fixed_worths import in_order, most_worth
from interventions.optimiser import optimise, quietly
from interventions.pool import Pool, pool_of
from interventions.problem import Floats, Integers, Problem

# What a closure of the other measures counts for one who has favourites.
LESSER = 0.01


class Strategy(StrEnum):
    """Ways to choose whom to help."""

    OPTIMAL = "optimal"
    TRIPLE_WEIGHTED = "triple_weighted_first"
    NEWEST = "newest_measures"
    MOST_GAPS = "most_gaps_per_member"
    NEAREST_CUT = "nearest_cut"
    EXPECTED = "most_expected_stars"

    @property
    def label(self) -> str:
        """Its name for people."""
        return LABELS[self]

    @property
    def words(self) -> str:
        """What it does, for people."""
        return WORDS[self]


LABELS = {
    Strategy.OPTIMAL: "Optimal plan",
    Strategy.TRIPLE_WEIGHTED: "Triple-weighted first",
    Strategy.NEWEST: "New measures first",
    Strategy.MOST_GAPS: "Most gaps first",
    Strategy.NEAREST_CUT: "Nearest cut first",
    Strategy.EXPECTED: "Most expected stars",
}
WORDS = {
    Strategy.OPTIMAL: "The plan worth most, by the cuts",
    Strategy.TRIPLE_WEIGHTED: "Measures of the highest weight first, then the rest",
    Strategy.NEWEST: "Measures new in the Star year first, then the rest",
    Strategy.MOST_GAPS: "Members with the most gaps an action touches first, the cheapest action first",
    Strategy.NEAREST_CUT: "The measures nearest to their next cut",
    Strategy.EXPECTED: "What chance is likely to leave most stars of, not what the cuts ask at the mean",
}


def choose(
    strategy: Strategy, problem: Problem, candidates: Candidates, *, newest: Collection[str] = (), seed: int = 0
) -> Integers:
    """The rows of the candidates a strategy takes. `newest` are the names of the measures new in the Star year."""
    if strategy is Strategy.OPTIMAL:
        return optimise(problem, candidates, seed=seed).rows
    if strategy is Strategy.EXPECTED:
        return most_expected(problem, candidates)
    with quietly():
        pool = pool_of(problem, candidates)
        if strategy is Strategy.MOST_GAPS:
            return in_order(problem, candidates, pool.source[by_gaps(pool)])
        return most_worth(problem, candidates, pool, worths_of(strategy, problem, newest))


def worths_of(strategy: Strategy, problem: Problem, newest: Collection[str]) -> Floats:
    """What a closure of each measure is worth to a strategy."""
    if strategy is Strategy.NEAREST_CUT:
        return nearest_cut(problem)
    heaviest = max(measure.weight for measure in problem.measures)
    first = [
        measure.name in newest if strategy is Strategy.NEWEST else measure.weight == heaviest
        for measure in problem.measures
    ]
    return np.where(first, 1.0, LESSER)


def nearest_cut(problem: Problem) -> Floats:
    """What a closure is worth to one who looks at the next cut only: the measure's weight by the closures needed."""
    worths = np.zeros(len(problem.measures))
    for place, measure in enumerate(problem.measures):
        needs = [least - measure.base for _, least in measure.thresholds(problem.confidence_z)]
        if needs:
            worths[place] = measure.weight / max(needs[0], 1.0)
    return worths


def by_gaps(pool: Pool) -> Integers:
    """Rows of the pool by the gaps they touch, most first; of as many the cheapest first."""
    touched = np.diff(pool.matrix[:, : pool.measures].tocsr().indptr)
    cost = pool.matrix[:, [pool.columns - 1]].toarray().ravel()
    return np.lexsort((pool.source, cost, -touched))
