"""The plan worth most where every closure of a measure has a fixed worth: a multiple-choice knapsack. Pure."""

import numpy as np

from interventions.candidates import Candidates
from interventions.pool import Pool, offer
from interventions.problem import Floats, Integers, Problem
from interventions.reaching import Way, in_doubt
from interventions.restricted import Goal, block_totals, solve
from interventions.rounding import decided
from interventions.tally import tally, within_limits

MOST_ROUNDS, NEAR = 80, 1e-4


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
