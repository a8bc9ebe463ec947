"""The frontier of budget against worth: what more money would buy, and what less would cost.

One search a budget, from the smallest on, each with what the ones before have found: a cheaper plan is a plan, and a
cut stays true at another budget, its constant moved by the price of the dollar. Worth and bound never fall with the
budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from interventions.candidates import Candidates
from interventions.optimiser import Search, quietly
from interventions.pool import Pool, pool_of
from interventions.problem import Integers, Problem, ProblemError


@dataclass(frozen=True)
class Point:
    """A budget and the best plan for it: `rows` of the file, the worth they reach, what no plan can pass, the stars.

    `dominated`: a smaller budget reaches the same worth for the same dollars.
    """

    budget: float
    spend: float
    worth: float
    upper_bound: float
    rows: Integers
    stars: tuple[int, ...]
    dominated: bool = False


def frontier(problem: Problem, candidates: Candidates, budgets: Sequence[float], *, seed: int = 0) -> list[Point]:
    """A point for every budget, from the smallest to the largest. Raises ProblemError where a floor is out of reach."""
    amounts = sorted({float(budget) for budget in budgets})
    if not amounts or not np.isfinite(amounts).all() or amounts[0] < 0:
        raise ProblemError("is a list of amounts from 0, at least one", field="budgets")
    found: list[Search] = []
    with quietly():
        # The largest budget knows the most candidates; one too dear for a smaller budget fits none of its plans.
        pool = pool_of(replace(problem, budget=amounts[-1]), candidates)
        for budget in amounts:
            search = Search.of(replace(problem, budget=budget), candidates, of_budget(pool, budget), seed=seed)
            search.search(after=found[-1] if found else None)
            found.append(search)
        return points_of(found)


def of_budget(pool: Pool, budget: float) -> Pool:
    """The pool with another budget."""
    return replace(pool, caps=np.append(pool.caps[:-1], budget))


def points_of(found: list[Search]) -> list[Point]:
    """The points; a bound is also one for every smaller budget."""
    plans = [search.plan(seconds=0.0) for search in found]
    bounds = np.minimum.accumulate([plan.upper_bound for plan in plans][::-1])[::-1]
    points: list[Point] = []
    for plan, bound in zip(plans, bounds, strict=True):
        before = points[-1] if points else None
        same = before is not None and (before.worth, before.spend) == (plan.lower_bound, plan.tally.spend)
        points.append(
            Point(
                budget=plan.problem.budget,
                spend=plan.tally.spend,
                worth=plan.lower_bound,
                upper_bound=max(float(bound), plan.lower_bound),
                rows=plan.rows,
                stars=tuple(plan.tally.stars),
                dominated=same,
            )
        )
    return points
