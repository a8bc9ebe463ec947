"""The linear programme over few members: those whose best action is in doubt decide alone, the rest moves in blocks.

A block is the choice all the rest made at prices already tried; blocks can be mixed, so what the programme finds is a
true (fractional) plan. Its dual values are the next prices to try.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from interventions.pool import Offer, Pool
from interventions.problem import Floats, Integers


class Goal(StrEnum):
    """What a programme is after."""

    REACH = "reach"  # as large a part of what is needed as the budget and the capacities allow, at most all of it
    COST = "cost"  # all of what is needed for as few dollars as the capacities allow
    WORTH = "worth"  # as much as the budget and the capacities allow of something that has its worth per closure


@dataclass(frozen=True)
class Free:
    """Members who decide alone: `rows` are their candidates, `place` the member of each row as a place in `members`."""

    members: Integers
    rows: Integers
    place: Integers


@dataclass(frozen=True)
class Mix:
    """A solution: the part taken of each free row and of each block, and whether all that is needed is reached.

    `value` is the share reached (REACH), dollars (COST) or worth (WORTH); `prices` are the dual values.
    """

    taken: Floats
    blocks: Floats
    complete: bool
    value: float
    prices: Floats


def block_totals(pool: Pool, points: list[Offer], free: Free) -> Floats:
    """What the members who are not free add up to at each of some prices: points x columns."""
    totals = []
    for point in points:
        own = point.best[free.members]
        totals.append(point.total - pool.total(own[own >= 0]))
    return np.array(totals).reshape(len(points), pool.columns)


def solve(pool: Pool, goal: Goal, required: Floats, free: Free, blocks: Floats) -> Mix | None:
    """Solve a programme; None where the needs cannot all be met (COST only).

    `required` is what every cover must reach, or under WORTH what a unit of each cover is worth.
    """
    links, bounds, scale = linking(pool, goal, required, free, blocks)
    choices = sparse.csr_array(
        (np.ones(len(free.rows)), (free.place, np.arange(len(free.rows)))), shape=(len(free.members), len(free.rows))
    )
    mixing = sparse.csr_array(np.ones((1, len(blocks))))
    above = [links, sparse.block_diag([choices, mixing] if len(blocks) else [choices])]
    matrix = sparse.vstack([above[0], sparse.hstack([above[1], sparse.csr_array((above[1].shape[0], 1))])])
    objective, unit = objective_of(pool, goal, required, free, blocks)
    found = linprog(
        objective,
        A_ub=matrix.tocsc(),
        b_ub=np.concatenate([bounds, np.ones(len(free.members) + (len(blocks) > 0))]),
        bounds=[(0, None)] * (len(objective) - 1) + [(0, 1) if goal is Goal.REACH else (0, 0)],
        method="highs-ds",
    )
    if found.status != 0:
        return None
    dual = np.zeros(pool.columns)
    used = np.flatnonzero(scale)
    dual[used] = np.maximum(-found.ineqlin.marginals[: len(used)], 0.0) * unit / scale[used]
    rows = len(free.rows)
    return Mix(
        taken=found.x[:rows],
        blocks=found.x[rows:-1],
        complete=goal is not Goal.REACH,
        value=abs(float(found.fun)) * unit,
        prices=completed(pool, goal, required, dual),
    )


def completed(pool: Pool, goal: Goal, required: Floats, dual: Floats) -> Floats:
    """Dual values with the price the goal itself gives: a dollar is a dollar, a closure its worth."""
    if goal is Goal.COST:
        dual[-1] = 1.0
    elif goal is Goal.WORTH:
        dual[: pool.covers] = required
    return dual


def linking(
    pool: Pool, goal: Goal, required: Floats, free: Free, blocks: Floats
) -> tuple[sparse.csr_array, Floats, Floats]:
    """The linking rows in units of what is needed or allowed; their bounds; the units, 0 where there is no row."""
    scale = np.zeros(pool.columns)
    if goal is not Goal.WORTH:
        scale[: pool.covers] = required
    scale[pool.covers :] = pool.caps
    if goal is Goal.COST:
        scale[-1] = 0.0
    used = np.flatnonzero(scale)
    covering = used < pool.covers
    signs = np.where(covering, -1.0, 1.0) / scale[used]
    rows = sparse.csr_array(pool.matrix[free.rows][:, used].T)
    together = sparse.hstack([rows, sparse.csr_array(blocks[:, used].T), np.zeros((len(used), 1))], format="csr")
    links = sparse.csr_array(sparse.diags_array(signs) @ together)
    if goal is Goal.REACH:
        links = links + sparse.csr_array(
            (covering * 1.0, (np.arange(len(used)), [links.shape[1] - 1] * len(used))), shape=links.shape
        )
        bounds = np.where(covering, 0.0, 1.0)
    else:
        bounds = np.where(covering, -1.0, 1.0)
    return links, bounds, scale


def objective_of(pool: Pool, goal: Goal, required: Floats, free: Free, blocks: Floats) -> tuple[Floats, float]:
    """What to minimise for each variable (rows, blocks, the share reached), and its unit."""
    if goal is Goal.REACH:
        return np.append(np.zeros(len(free.rows) + len(blocks)), -1.0), 1.0
    weights = np.zeros(pool.columns)
    if goal is Goal.COST:
        weights[-1] = 1.0
    else:
        weights[: pool.covers] = -required
    costs = np.concatenate([pool.matrix[free.rows] @ weights, blocks @ weights, [0.0]])
    unit = float(np.abs(costs).max(initial=0.0)) or 1.0
    return costs / unit, unit
