"""Small problems whole: actions and stars in one mixed-integer programme."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from interventions.candidates import Candidates
from interventions.master import ROW_SIZE, Master
from interventions.pool import Pool
from interventions.problem import Integers, Problem
from interventions.tally import allowed, tally

SECONDS = 60.0
# HiGHS keeps rows to a small tolerance. A solution that keeps one only so is forbidden, and the next is looked for.
MOST_SOLUTIONS = 20


@dataclass(frozen=True)
class Found:
    """Rows of the file of the best plan found (None: none), its worth, and the worth no plan can pass."""

    rows: Integers | None
    worth: float
    bound: float


def search(problem: Problem, candidates: Candidates, pool: Pool, master: Master) -> Found:
    """The best plan of a small problem. The bound is that of the first search, before anything was forbidden."""
    best, bound = Found(None, -np.inf, np.inf), np.inf
    forbidden: list[np.ndarray] = []
    for _ in range(MOST_SOLUTIONS):
        found = solve(pool, master, forbidden)
        if found.x is None:
            break
        unit = master.unit
        if not forbidden:
            bound = -found.mip_dual_bound * unit
        taken = found.x[: len(pool.owner)] > 0.5
        rows = np.sort(pool.source[taken])
        added = tally(problem, candidates, rows)
        worth = problem.worth(added.stars)
        if allowed(problem, added) and worth > best.worth:
            best = Found(rows, worth, bound)
        # What HiGHS promises of its solution, and of all that are left.
        if best.worth >= min(-found.fun * unit, bound) - 1e-7 * max(1.0, abs(bound)):
            break
        forbidden.append(taken)
    return Found(
        best.rows,
        best.worth,
        max(bound, best.worth) if bound > best.worth + 1e-7 * max(1.0, abs(bound)) else best.worth,
    )


def solve(pool: Pool, master: Master, forbidden: list[np.ndarray]) -> OptimizeResult:
    """One search; plans in `forbidden` (flags of rows) are left out."""
    rows = len(pool.owner)
    choices = sparse.csr_array((np.ones(rows), (pool.owner, np.arange(rows))), shape=(pool.members, rows))
    constraints = [
        LinearConstraint(sparse.hstack([choices, sparse.csr_array((pool.members, master.size))]), -np.inf, 1.0),
        *linking(pool, master),
    ]
    for rule in master.rules(with_cuts=False):
        constraints.append(
            LinearConstraint(sparse.hstack([sparse.csr_array((rule.A.shape[0], rows)), rule.A]), rule.lb, rule.ub)
        )
    for taken in forbidden:
        row = np.concatenate([np.where(taken, 1.0, -1.0), np.zeros(master.size)])
        constraints.append(LinearConstraint(row[None, :], -np.inf, float(taken.sum()) - 1.0))
    return milp(
        np.concatenate([np.zeros(rows), master.worths() / master.unit]),
        constraints=constraints,
        integrality=np.ones(rows + master.size),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0.0, "time_limit": SECONDS},
    )


def linking(pool: Pool, master: Master) -> list[LinearConstraint]:
    """Covers reach what the chosen rungs need, floors and limits are kept; each row in units of its largest number."""
    needed = np.zeros((pool.columns, master.size))
    for place, rung in enumerate(master.rungs):
        needed[rung.measure, place] = rung.need
    least = np.concatenate([np.zeros(pool.measures), pool.floors])
    bounds = np.concatenate([-least, pool.caps])
    signs = np.append(-np.ones(pool.covers), np.ones(len(pool.caps)))
    sums = sparse.hstack([sparse.diags_array(signs) @ pool.matrix.T, needed], format="csr")
    unit = ROW_SIZE / np.maximum(abs(sums).max(axis=1).toarray().ravel(), 1e-9)
    return [LinearConstraint(sparse.diags_array(unit) @ sums, -np.inf, bounds * unit)]
