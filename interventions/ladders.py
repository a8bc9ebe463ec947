"""Cuts in which every level of every measure has a price of its own: much closer than one price a measure.

A cut is straight: closures of a measure have one price, however many are wanted. What they cost is bent: the first are
cheap. With some thirty measures the best stars are bounded by how much, and no number of straight cuts says it. At
reference prices p let a member's best action be worth h, an action worth r (nothing: 0), and d = h - r. If prices
become p + x, the member's best worth grows by at most

> Σ over measures of x · u(best) + max(0, max over actions of x · (u - u(best)) - d · part of the measure)

where the parts of an action are any that add up to 1 (here by weight · |u - u(best)|). So it falls into measures, and
the price of each measure may depend on its level l. For any weights and any shifts x, with U the closures of the best
actions and G the sum of the last term over members, every plan obeys

> Σ over measures of (p + x_l) · closures needed for l - x_l · U - G(x_l) <= the constant of the cut at p
"""

from dataclasses import dataclass

import numpy as np

from interventions.pool import Cut, Offer, Pool, cut_of
from interventions.problem import Floats, Integers

MOST_DOUBLINGS, HALVINGS = 8, 9
# A level that asks for more than this many times what there is is out of reach: more need not be known.
ENOUGH = 2.0
# No weight is less than this part of the largest.
LEAST_WEIGHT = 1e-6
# What is asked is lowered by more than a pass can have lost in rounding.
LOST = 1e-10


@dataclass(frozen=True)
class Rung:
    """A number of stars of a measure: its place, the stars, the closures needed beyond the baseline, its worth."""

    measure: int
    stars: int
    need: float
    worth: float


@dataclass(frozen=True)
class Ladder:
    """`cut` is the straight cut at the reference prices, `weights` those of the measures.

    Of each rung of the master `shifts` is by how much its price differs from the reference, `asked` the left side.
    """

    cut: Cut
    weights: Floats
    shifts: Floats
    asked: Floats


@dataclass(frozen=True)
class Turns:
    """Of one measure, where an action differs from the member's best: by how much, and what that takes.

    `starts` are the first entries of each member, `place` the member of each entry; `had` are the closures of the best.
    """

    differ: Floats
    takes: Floats
    starts: Integers
    place: Integers
    had: float

    def gain(self, need: float, price: float, shift: float) -> tuple[float, float]:
        """What a level asks at a shifted price, and how that changes with the shift."""
        asked, slope = (price + shift) * need - shift * self.had, need - self.had
        if not shift or not len(self.starts):
            return asked, slope
        turns = shift * self.differ - self.takes
        top = np.maximum.reduceat(turns, self.starts)
        hits = np.flatnonzero((turns == top[self.place]) & (turns > 0))
        first = hits[np.append(True, np.diff(self.place[hits]) > 0)] if len(hits) else hits
        return asked - float(turns[first].sum()), slope - float(self.differ[first].sum())


def ladder_of(pool: Pool, offered: Offer, rungs: list[Rung], weights: Floats) -> Ladder:
    """The ladder at the prices of an exact pass."""
    cut = cut_of(pool, offered)
    weights = np.maximum(weights, max(LEAST_WEIGHT * float(weights.max(initial=0.0)), 1e-300))
    scale = gaps_by_weight(pool, offered, weights)
    shifts, asked, lost = np.zeros(len(rungs)), np.zeros(len(rungs)), np.zeros(len(rungs))
    for measure in range(pool.measures):
        turns = turns_of(pool, offered, measure, float(weights[measure]), scale)
        price = float(offered.prices[measure])
        for place, rung in enumerate(rungs):
            if rung.measure == measure:
                shifts[place], asked[place] = best_shift(turns, rung.need, price, ENOUGH * cut.constant)
                lost[place] = asked[place] + (price + abs(shifts[place])) * (rung.need + turns.had)
    return Ladder(cut, weights, shifts, np.maximum(asked - LOST * (lost + cut.constant), 0.0))


def gaps_by_weight(pool: Pool, offered: Offer, weights: Floats) -> tuple[Floats, Floats]:
    """How much worse each row is than its member's best, by the weighted difference in closures; and each nothing."""
    signed = pool.signed(offered.prices)
    worth = pool.matrix @ signed
    best = np.where(offered.best >= 0, worth[offered.best], 0.0) if pool.members else np.zeros(0)
    rows, nothing = np.zeros(len(worth)), np.zeros(pool.members)
    for measure in np.flatnonzero(weights):
        had, differ = differences(pool, offered, int(measure))
        rows += weights[measure] * np.abs(differ)
        nothing += weights[measure] * had
    gap, least = np.maximum(best[pool.owner] - worth, 0.0), np.maximum(best, 0.0)
    return gap / np.where(rows > 0, rows, 1.0), least / np.where(nothing > 0, nothing, 1.0)


def differences(pool: Pool, offered: Offer, measure: int) -> tuple[Floats, Floats]:
    """Closures of a measure by each member's best, and by how much each row differs from its member's best."""
    column = np.zeros(len(pool.owner))
    columns = pool.by_column
    inside = slice(columns.indptr[measure], columns.indptr[measure + 1])
    column[columns.indices[inside]] = columns.data[inside]
    had = np.where(offered.best >= 0, column[offered.best], 0.0)
    return had, column - had[pool.owner]


def turns_of(pool: Pool, offered: Offer, measure: int, weight: float, scale: tuple[Floats, Floats]) -> Turns:
    """Every way in which an action, or none, differs from the best in closures of a measure."""
    had, differ = differences(pool, offered, measure)
    rows, people = np.flatnonzero(differ), np.flatnonzero(had)
    owner = np.concatenate([pool.owner[rows], people])
    order = np.argsort(owner, kind="stable")
    differ = np.concatenate([differ[rows], -had[people]])[order]
    takes = weight * np.concatenate([scale[0][rows], scale[1][people]])[order] * np.abs(differ)
    begins = np.append(True, np.diff(owner[order]) > 0) if len(owner) else np.zeros(0, dtype=bool)
    return Turns(differ, takes, np.flatnonzero(begins), np.cumsum(begins) - 1, float(had.sum()))


def best_shift(turns: Turns, need: float, price: float, enough: float) -> tuple[float, float]:
    """The shift at which a level asks most, and what it asks there; more than enough need not be known."""
    asked, slope = turns.gain(need, price, 0.0)
    best = (asked, 0.0)
    low, high = (-price, 0.0) if slope <= 0 else (0.0, max(price, 1e-3))
    for _ in range(MOST_DOUBLINGS if slope > 0 else 0):
        asked, slope = turns.gain(need, price, high)
        best = max(best, (asked, high))
        if slope <= 0 or asked > enough:
            break
        low, high = high, 2.0 * high
    for _ in range(HALVINGS):
        if best[0] > enough or high <= low:
            break
        middle = (low + high) / 2.0
        asked, slope = turns.gain(need, price, middle)
        best = max(best, (asked, middle))
        low, high = (middle, high) if slope > 0 else (low, middle)
    return best[1], best[0]
