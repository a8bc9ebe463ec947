"""From a fractional plan to a real one: nearly all members are decided; a small exact programme decides the rest.

A basic solution splits no more members than there are measures, floors and resources. Those few, and the members
nearest to a change of mind, are decided together, so that the plan reaches what is needed and stays within every
limit.
"""

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from interventions.pool import FINEST, Offer, Pool
from interventions.problem import Floats, Integers
from interventions.reaching import Way

# So many members beside the split ones are decided together, more where that is too few.
NEIGHBOURS = (40, 200, 800)
MOST_ROWS_A_MEMBER = 8
# A search ends after so many nodes.
MOST_NODES = 200
# A plan may cost this share more than the cheapest that the small programme could find.
SPARE_COST = 3e-4
ANY_COST = 1.0
GOLDEN = (5**0.5 - 1) / 2


def plans(
    pool: Pool, needs: Floats, way: Way, nearest: Offer, random: np.random.Generator, *, enough: float = 0.0
) -> Iterator[Integers]:
    """Rows of plans near the fractional one, each search wider than the one before; the caller checks every digit.

    Where the fractional plan costs at most `enough` dollars any plan within the budget will do.
    """
    spare = SPARE_COST if way.mix.value > enough else ANY_COST
    chosen = decided(pool, way, random)
    split = np.flatnonzero(chosen == -2)
    required = np.concatenate([needs, pool.floors])
    order = np.argsort(nearest.margin, kind="stable")
    for neighbours in NEIGHBOURS:
        open_members = np.union1d(split, order[:neighbours])
        rows = repaired(pool, required, chosen, open_members, nearest.prices, spare)
        if rows is not None:
            yield rows
        if neighbours >= pool.members:
            break


def decided(pool: Pool, way: Way, random: np.random.Generator) -> Integers:
    """The row of each member, -1 for none, -2 for those the fractional plan splits."""
    free, mix = way.free, way.mix
    chosen = dealt(pool, way, random)
    chosen[free.members] = -1
    whole = mix.taken > 1 - 1e-6
    chosen[free.members[free.place[whole]]] = free.rows[whole]
    split = (mix.taken > 1e-6) & ~whole
    chosen[free.members[free.place[split]]] = -2
    return chosen


def dealt(pool: Pool, way: Way, random: np.random.Generator) -> Integers:
    """What members in blocks do.

    Where the blocks mixed disagree, members are dealt to them evenly, one after the other, in the proportion of the
    mix: what they add up to stays what the mix adds up to. A mix of less than one whole leaves the rest of the members
    alone.
    """
    used = np.flatnonzero(way.mix.blocks > 1e-9)
    choices = np.full((len(used) + 1, pool.members), -1, dtype=np.int64)
    for place, block in enumerate(used):
        choices[place] = way.points[block].best
    edges = np.cumsum(way.mix.blocks[used])
    if len(used) and edges[-1] > 1 - 1e-9:
        choices[-1] = choices[-2]
    apart = np.flatnonzero((choices != choices[0]).any(axis=0))
    apart = apart[np.lexsort(choices[:, apart] >= 0)] if len(apart) else apart
    chosen = choices[0].copy()
    turn = (random.random() + GOLDEN * np.arange(len(apart))) % 1.0
    chosen[apart] = choices[np.searchsorted(edges, turn, side="right"), apart]
    return chosen


def repaired(
    pool: Pool, required: Floats, chosen: Integers, members: Integers, prices: Floats, spare: float
) -> Integers | None:
    """The rows of a plan that leaves all other members as chosen and decides these anew; None where there is none."""
    kept = chosen.copy()
    kept[members] = -1
    fixed = kept[kept >= 0]
    rows, place = pool.best_rows(members, prices, MOST_ROWS_A_MEMBER)
    if not len(rows):
        return fixed
    links, bounds = left_to_do(pool, required, pool.total(fixed))
    choices = sparse.csr_array((np.ones(len(rows)), (place, np.arange(len(rows)))), shape=(len(members), len(rows)))
    cost = pool.matrix[rows][:, [pool.columns - 1]].toarray().ravel()
    spend = float(pool.total(fixed)[-1] + cost.mean() * len(members))
    found = milp(
        cost,
        constraints=[
            LinearConstraint(links @ pool.matrix[rows].T, -np.inf, bounds),
            LinearConstraint(choices, -np.inf, 1),
        ],
        integrality=np.ones(len(rows)),
        bounds=Bounds(0, 1),
        options={"node_limit": MOST_NODES, "mip_rel_gap": spare * spend / max(cost.mean() * len(members), 1e-9)},
    )
    return None if found.x is None else np.concatenate([fixed, rows[found.x > 0.5]])


def left_to_do(pool: Pool, required: Floats, have: Floats) -> tuple[sparse.csr_array, Floats]:
    """What the open members must cover and may use beside what is decided: rows over the columns, and their bounds.

    Each row is in units in which HiGHS's tolerance is a billionth. What is required is raised by more than that, and a
    limit lowered, unless both the bound and all that adds up to it are counted exactly.
    """
    needed = np.concatenate([required, pool.caps])
    used = np.flatnonzero(needed > 0)
    covering = used < pool.covers
    signs = np.where(covering, -1.0, 1.0) * 1e3 / needed[used]
    counted = pool.counted[used] & ((needed[used] * FINEST) % 1 == 0)
    edge = np.where(counted, 0.0, np.maximum(pool.edge[used], 2e-9 * needed[used]))
    bounds = needed[used] + np.where(covering, edge, -edge) - have[used]
    links = sparse.csr_array((signs, (np.arange(len(used)), used)), shape=(len(used), pool.columns))
    return links, bounds * signs
