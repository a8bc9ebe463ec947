"""What planning costs and gains on made-up contracts, beside the plans of those who do not look at the cuts."""

import time
from typing import Any

import numpy as np

from interventions.candidates import Candidates
from interventions.instances import contract
from interventions.optimiser import optimise
from interventions.pool import Pool, offer, pool_of
from interventions.problem import Floats, Integers, Problem
from interventions.reaching import Way, in_doubt
from interventions.restricted import Goal, block_totals, solve
from interventions.rounding import decided
from interventions.tally import allowed, tally

SIZES = (30_000, 100_000)
# A small contract says little alone.
SEEDS_OF_SMALL, SMALL = (1, 2, 3, 4), 50_000
MOST_ROUNDS, NEAR = 80, 1e-4


def optimiser(members: tuple[int, ...] = SIZES) -> dict[str, Any]:
    """Per contract: stars reached and proven, dollars, seconds; the best blind plan and that of the nearest cuts."""
    return {
        f"{size:,} members, seed {seed}": figures(size, seed)
        for size in members
        for seed in (SEEDS_OF_SMALL if size <= SMALL else (1,))
    }


def figures(members: int, seed: int) -> str:
    """One contract, as a line to read."""
    problem, candidates = contract(members, seed=seed)
    begun = time.monotonic()
    plan = optimise(problem, candidates)
    seconds = time.monotonic() - begun
    before = problem.worth([measure.held for measure in problem.measures])
    blind, nearest = blind_optimum(problem, candidates), worth_of(problem, candidates, nearest_cut(problem))
    kept = "within every limit" if allowed(problem, tally(problem, candidates, plan.rows)) else "BEYOND A LIMIT"
    return (
        f"{plan.lower_bound:g} of at most {plan.upper_bound:g} weighted stars from {before:g} (gap {plan.gap:.2%}), "
        f"${plan.tally.spend:,.0f} of ${problem.budget:,.0f}, {kept}; "
        f"blind optimum {blind:g}, nearest cut {nearest:g}; "
        f"{candidates.rows:,} candidates, {seconds:.1f} s"
    )


def blind_optimum(problem: Problem, candidates: Candidates) -> float:
    """Weighted stars of the best of three plans blind to cuts: most closures, weighted closures, rate points."""
    weights = np.array([measure.weight for measure in problem.measures])
    denominators = np.array([measure.denominator for measure in problem.measures])
    return max(
        worth_of(problem, candidates, worths) for worths in (np.ones(len(weights)), weights, weights / denominators)
    )


def nearest_cut(problem: Problem) -> Floats:
    """What a closure is worth to one who looks at the next cut only: the measure's weight by the closures needed."""
    worths = np.zeros(len(problem.measures))
    for place, measure in enumerate(problem.measures):
        needs = [least - measure.base for _, least in measure.thresholds(problem.confidence_z)]
        if needs:
            worths[place] = measure.weight / max(needs[0], 1.0)
    return worths


def worth_of(problem: Problem, candidates: Candidates, worths: Floats) -> float:
    """The objective reached by the plan whose closures are worth most at fixed worths."""
    pool = pool_of(problem, candidates)
    rows = most_worth(pool, np.concatenate([worths, np.zeros(len(pool.floors))]))
    return problem.worth(tally(problem, candidates, pool.source[rows]).stars)


def most_worth(pool: Pool, worths: Floats) -> Integers:
    """Rows of the plan worth most within the limits, each closure having a fixed worth: a multiple-choice knapsack.

    Solved as a linear programme to a ten-thousandth; split members are left out, and of what passes a limit the least.
    """
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
    return within(pool, chosen[chosen >= 0], pool.signed(prices))


def within(pool: Pool, rows: Integers, signed: Floats) -> Integers:
    """Rows without those worth least, as many as it takes to keep every limit."""
    kept = rows[np.argsort(-(pool.matrix[rows] @ signed), kind="stable")]
    used = np.cumsum(pool.matrix[kept][:, pool.covers :].toarray(), axis=0)
    beyond = np.flatnonzero((used > pool.caps).any(axis=1))
    return kept[: beyond[0]] if len(beyond) else kept
