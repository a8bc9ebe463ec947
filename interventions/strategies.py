"""What a plan that is not ours would do with the same budget, the same capacities and one action a member.

Each strategy is taken at its best. Those that value closures (of the measures of the highest weight, of new measures,
by the next cut) buy as much of what they value as the limits allow, by the linear programme over all members, not by a
list from the top. Equity floors are not theirs to know.
"""

from collections.abc import Collection
from enum import StrEnum

import numpy as np

from interventions.candidates import Candidates
from interventions.optimiser import optimise, quietly
from interventions.pool import Pool, offer, pool_of
from interventions.problem import Floats, Integers, Problem
from interventions.reaching import Way, in_doubt
from interventions.restricted import Goal, block_totals, solve
from interventions.rounding import decided
from interventions.tally import tally, within_limits

MOST_ROUNDS, NEAR = 80, 1e-4
# What a closure of the other measures counts for one who has favourites.
LESSER = 0.01


class Strategy(StrEnum):
    """Ways to choose whom to help."""

    OPTIMAL = "optimal"
    TRIPLE_WEIGHTED = "triple_weighted_first"
    NEWEST = "newest_measures"
    MOST_GAPS = "most_gaps_per_member"
    NEAREST_CUT = "nearest_cut"

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
}
WORDS = {
    Strategy.OPTIMAL: "The plan worth most, by the cuts",
    Strategy.TRIPLE_WEIGHTED: "Measures of the highest weight first, then the rest",
    Strategy.NEWEST: "Measures new in the Star year first, then the rest",
    Strategy.MOST_GAPS: "Members with the most gaps an action touches first, the cheapest action first",
    Strategy.NEAREST_CUT: "The measures nearest to their next cut",
}


def choose(
    strategy: Strategy, problem: Problem, candidates: Candidates, *, newest: Collection[str] = (), seed: int = 0
) -> Integers:
    """The rows of the candidates a strategy takes. `newest` are the names of the measures new in the Star year."""
    if strategy is Strategy.OPTIMAL:
        return optimise(problem, candidates, seed=seed).rows
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


def most_worth(problem: Problem, candidates: Candidates, pool: Pool, worths: Floats) -> Integers:
    """Rows of the plan worth most within the limits, each closure having a fixed worth: a multiple-choice knapsack.

    Solved as a linear programme to a ten-thousandth; members it splits, and of what passes a limit the least, are
    left out.
    """
    if not pool.members:
        return np.zeros(0, dtype=np.int64)
    worths = np.append(worths, np.zeros(len(pool.floors)))
    points, prices = [offer(pool, np.concatenate([worths, np.zeros(len(pool.caps))]))], worths
    for _ in range(MOST_ROUNDS):
        free = in_doubt(pool, points)
        mix = solve(pool, Goal.WORTH, worths, free, block_totals(pool, points, free))
        if mix is None:
            raise ArithmeticError("HiGHS found no solution of a programme that has one")
        way, prices = Way(free, points[:], mix), mix.prices
        points.append(offer(pool, mix.prices))
        bound = float(mix.prices[pool.covers :] @ pool.caps) + points[-1].surplus
        if bound - mix.value <= NEAR * bound:
            break
    chosen = decided(pool, way, np.random.default_rng(0))
    rows = chosen[chosen >= 0]
    best_first = rows[np.argsort(-(pool.matrix[rows] @ pool.signed(prices)), kind="stable")]
    return in_order(problem, candidates, pool.source[best_first])


def in_order(problem: Problem, candidates: Candidates, rows: Integers) -> Integers:
    """Take rows one after the other, each if its member has none yet and every limit allows it."""
    left = np.append(list(problem.resources.values()), problem.budget).astype(np.float64)
    takes = np.column_stack([candidates.uses[rows].toarray(), candidates.cost[rows]])
    taken: list[Integers] = []
    while len(rows):
        fits = (takes <= left).all(axis=1)
        rows, takes = rows[fits], takes[fits]
        _, first = np.unique(candidates.member[rows], return_index=True)
        first = np.sort(first)
        beyond = np.flatnonzero((np.cumsum(takes[first], axis=0) > left).any(axis=1))
        now = first[: beyond[0]] if len(beyond) else first
        # Before the first that passes a limit all are taken; later rows of their members fall away.
        taken.append(rows[now])
        left = left - takes[now].sum(axis=0)
        last = first[beyond[0]] if len(beyond) else len(rows)
        kept = ~np.isin(candidates.member[rows], candidates.member[rows[now]])
        kept[:last] = False
        rows, takes = rows[kept], takes[kept]
    chosen = np.concatenate(taken) if taken else np.zeros(0, dtype=np.int64)
    # Sums of doubles depend on their order: what a limit has left may be less by a rounding.
    while len(chosen) and not within_limits(problem, tally(problem, candidates, chosen)):
        chosen = chosen[:-1]
    return np.sort(chosen)
