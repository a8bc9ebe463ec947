"""What planning costs and gains on made-up contracts, beside the plans of those who do not look at the cuts."""

import time
from typing import Any

import numpy as np

from interventions.candidates import Candidates
from interventions.fixed_worths import most_worth
from interventions.instances import contract
from interventions.optimiser import optimise, quietly
from interventions.pool import pool_of
from interventions.problem import Floats, Problem
from interventions.strategies import nearest_cut
from interventions.tally import allowed, tally

SIZES = (30_000, 100_000)
# A small contract says little alone.
SEEDS_OF_SMALL, SMALL = (1, 2, 3, 4), 50_000


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


def worth_of(problem: Problem, candidates: Candidates, worths: Floats) -> float:
    """The objective reached by the plan whose closures are worth most at fixed worths."""
    with quietly():
        rows = most_worth(problem, candidates, pool_of(problem, candidates), worths)
    return problem.worth(tally(problem, candidates, rows).stars)
