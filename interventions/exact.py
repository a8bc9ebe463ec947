"""Small problems whole: actions and stars in one mixed-integer programme."""

import time
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from interventions.candidates import Candidates
from interventions.master import ROW_SIZE, Master
from interventions.pool import Pool
from interventions.problem import Integers, Problem
from interventions.tally import allowed, hangs, tally

# All searches of one problem together end after so many nodes, fewer the larger it is: no clock decides.
NODES_BY_SIZE, LEAST_NODES = 8_000_000, 200
# A solution that keeps a row only by HiGHS's tolerance is forbidden, and the next is looked for.
MOST_SOLUTIONS = 20


@dataclass(frozen=True)
class Found:
    """Rows of the file of the best plan found (None: none), its worth, and the worth no plan can pass."""

    rows: Integers | None
    worth: float
    bound: float


def search(problem: Problem, candidates: Candidates, pool: Pool, master: Master, *, deadline: float = np.inf) -> Found:
    """The best plan of a small problem. The bound is that of the first search, before anything was forbidden.

    Where its plan is one by tolerance only, or hangs on the last digits, the second search keeps a distance from every
    row, which finds the best plan that does not; the others look for one that does.
    """
    best, bound = Found(None, -np.inf, np.inf), np.inf
    nodes = max(NODES_BY_SIZE // max(len(pool.owner) * pool.measures, 1), LEAST_NODES)
    forbidden: list[np.ndarray] = []
    for place in range(MOST_SOLUTIONS):
        found = solve(pool, master, forbidden, apart=place == 1, nodes=max(nodes, 1), deadline=deadline)
        if place == 0 and found.mip_dual_bound is not None:
            bound = problem.floor(-float(found.mip_dual_bound) * master.unit)
        nodes -= found.mip_node_count or 1
        if found.x is not None:
            taken = found.x[: len(pool.owner)] > 0.5
            rows = np.sort(pool.source[taken])
            added = tally(problem, candidates, rows)
            worth = problem.worth(added.stars)
            if allowed(problem, added) and (worth > best.worth or (place == 1 and worth == best.worth)):
                best = Found(rows, worth, bound)
            forbidden.append(taken)
            if place == 0 and hangs(problem, added):
                continue
        promised = bound if found.x is None or place <= 1 else min(-found.fun * master.unit, bound)
        if best.worth >= promised - 1e-7 * max(1.0, abs(bound)) or nodes <= 0 or time.monotonic() > deadline:
            break
        if found.x is None and place != 1:
            break
    return Found(best.rows, best.worth, max(bound, best.worth))


def solve(
    pool: Pool,
    master: Master,
    forbidden: list[np.ndarray],
    *,
    apart: bool = False,
    nodes: int = LEAST_NODES,
    deadline: float = np.inf,
) -> OptimizeResult:
    """One search, with the cuts there are; plans in `forbidden` (flags of rows) are left out."""
    rows = len(pool.owner)
    choices = sparse.csr_array((np.ones(rows), (pool.owner, np.arange(rows))), shape=(pool.members, rows))
    constraints = [
        LinearConstraint(sparse.hstack([choices, sparse.csr_array((pool.members, master.size))]), -np.inf, 1.0),
        *linking(pool, master, apart=apart),
    ]
    for rule in master.rules():
        constraints.append(
            LinearConstraint(sparse.hstack([sparse.csr_array((rule.A.shape[0], rows)), rule.A]), rule.lb, rule.ub)
        )
    for taken in forbidden:
        row = np.concatenate([np.where(taken, 1.0, -1.0), np.zeros(master.size)])
        constraints.append(LinearConstraint(row[None, :], -np.inf, float(taken.sum()) - 1.0))
    options = {"mip_rel_gap": 0.0, "node_limit": nodes}
    if deadline < np.inf:
        options["time_limit"] = max(deadline - time.monotonic(), 0.0)
    found = milp(
        np.concatenate([np.zeros(rows), master.worths() / master.unit]),
        constraints=constraints,
        integrality=np.ones(rows + master.size),
        bounds=Bounds(0, 1),
        options=options,
    )
    if found.status not in (0, 1, 2) and "limit" not in found.message:
        raise ArithmeticError(f"HiGHS could not search the whole problem: {found.message}")
    return found


def linking(pool: Pool, master: Master, *, apart: bool) -> list[LinearConstraint]:
    """Covers reach what the chosen rungs need, floors and limits are kept; each row in units of its largest number.

    `apart`: by more than HiGHS's tolerance.
    """
    needed = np.zeros((pool.columns, master.size))
    for place, rung in enumerate(master.rungs):
        # Nothing needed is not to be kept apart from.
        needed[rung.measure, place] = rung.need + (pool.edge[rung.measure] if apart and rung.need else 0.0)
    least = np.concatenate([np.zeros(pool.measures), pool.floors])
    bounds = np.concatenate([-least, pool.caps])
    if apart:
        bounds[pool.measures :] -= np.where(bounds[pool.measures :] == 0, 0.0, pool.edge[pool.measures :])
    signs = np.append(-np.ones(pool.covers), np.ones(len(pool.caps)))
    sums = sparse.hstack([sparse.diags_array(signs) @ pool.matrix.T, needed], format="csr")
    unit = ROW_SIZE / np.maximum(abs(sums).max(axis=1).toarray().ravel(), 1e-9)
    return [LinearConstraint(sparse.diags_array(unit) @ sums, -np.inf, bounds * unit)]
