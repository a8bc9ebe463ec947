"""Whether certain stars can be reached: prices are sharpened until they prove that not, or show how and at what cost.

Sharpening begins on a sample of the members and ends on all of them. At sharp prices nearly every member is sure of
the best action; the few in doubt decide in a linear programme (`restricted`), whose dual values are the exact prices.
Any prices give a valid cut: precision is a matter of speed, never of truth.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from interventions.master import CLEAR
from interventions.pool import Cut, Offer, Pool, cut_at, cut_of, offer, sample_of
from interventions.problem import Floats
from interventions.restricted import Free, Goal, Mix, block_totals, solve
from interventions.sharpening import COOLING, sharpen

# First prices come from a sample of so many members.
SAMPLE = 8_000
# From so many members on the last temperature is colder.
MANY = 50_000
# So many members decide alone in the linear programme; more take longer, fewer need more rounds.
FREE_MEMBERS = 800
FREE_ROWS = 16_000
MOST_ROUNDS = 10
# Dollars above the least that stars can cost, as a share, at which sharpening ends.
NEAR_LEAST = 1e-4
# On the sample a cut broken by so much needs no more sharpening: all members will break it too.
FAR_OUT = 0.3
RUN_AWAY = 10.0
# Needs that break a cut by this share are out of reach; a cut that is broken by less is worth sharpening.
DEEP = 0.03


@dataclass(frozen=True)
class Way:
    """A fractional plan that reaches the needs: who decides alone, what is mixed for the others, the solution."""

    free: Free
    points: list[Offer]
    mix: Mix


@dataclass(frozen=True)
class Verdict:
    """What is known of some needs: cuts, whether one forbids them, else the cheapest way, and the sharpest prices."""

    cuts: list[Cut]
    forbidden: bool
    prices: Floats
    way: Way | None = None


@dataclass(frozen=True)
class Ground:
    """A pool, where chance comes from, and what is prepared once: a sample, its costs, typical prices."""

    pool: Pool
    random: np.random.Generator

    @cached_property
    def sample(self) -> Pool:
        """Some of the members."""
        count = min(SAMPLE, self.pool.members)
        return sample_of(self.pool, np.sort(self.random.choice(self.pool.members, count, replace=False)))

    @cached_property
    def costs(self) -> Floats:
        """The cost of each candidate of the sample."""
        return np.asarray(self.sample.matrix[:, [self.pool.columns - 1]].toarray()).ravel()

    @cached_property
    def dollar(self) -> float:
        """The mean cost of a candidate; one where nothing costs anything."""
        return float(self.costs.mean()) or 1.0

    @cached_property
    def typical(self) -> Floats:
        """Of each column a price at which a fifth of the candidates that touch it pay."""
        found = np.full(self.pool.columns, self.dollar)
        for place in range(self.pool.columns - 1):
            column = self.sample.matrix[:, [place]].tocoo()
            if column.nnz:
                dollars = np.maximum(self.costs[column.coords[0]], 0.01 * self.dollar)
                found[place] = np.quantile(dollars / column.data, 0.2)
        return found

    @property
    def ratio(self) -> float:
        """What part of the members the sample is."""
        return self.sample.members / max(self.pool.members, 1)

    def temperatures(self, hottest: int, coldest: int) -> list[float]:
        """Falling temperatures, in powers of the cooling factor."""
        return [self.dollar * COOLING**power for power in range(hottest, coldest)]


def reach(ground: Ground, needs: Floats, near: Floats | None = None, *, enough: float = 0.0) -> Verdict:
    """Sharpen prices for these needs (closures beyond the baseline, by measure) until all is known.

    `near` are sharp prices of similar needs to begin with. A way that costs at most `enough` dollars need not be the
    cheapest.
    """
    pool = ground.pool
    required = np.concatenate([needs, pool.floors])
    if all_free(pool):
        return finish(ground, needs, required, [], enough)
    start = first_prices(ground, required, near)
    # The more members, the colder it must be for only a few to be in doubt.
    colder = round(math.log(max(pool.members / MANY, 1.0), 1 / COOLING))
    hottest = 4 if near is not None else 3 if ground.ratio < 1 else 6
    last: list[Floats] = []
    deepest, depth = None, 0.0
    for prices, surplus in sharpen(pool, required, start, ground.temperatures(hottest, 8 + colder), ground.typical):
        last = [*last[-2:], prices]
        cut = cut_at(pool, prices, surplus)
        excess = cut.excess(pool, needs)
        if excess > max(CLEAR, depth):
            grown = excess - depth
            deepest, depth = cut, excess
            if depth > DEEP or grown < 0.1 * depth:
                break
        elif deepest is not None:
            break
    if deepest is not None:
        return Verdict([deepest], True, deepest.prices)
    return finish(ground, needs, required, [offer(pool, prices) for prices in last], enough)


def first_prices(ground: Ground, required: Floats, near: Floats | None) -> Floats:
    """Prices near others, or by the sample alone; where it finds the needs far out of reach it stops."""
    start = ground.typical.copy()
    start[ground.pool.covers :] = 0.0
    if near is not None:
        # Prices that ran away from needs out of reach are no place to begin.
        return np.where(near > 0, np.minimum(near, RUN_AWAY * ground.typical), start)
    small = required * ground.ratio
    for prices, surplus in sharpen(ground.sample, small, start, ground.temperatures(1, 7), ground.typical):
        start = prices
        covers = ground.pool.covers
        constant = float(prices[covers:] @ ground.sample.caps) + surplus
        if float(prices[:covers] @ small) > (1 + FAR_OUT) * constant:
            break
    return start


def finish(ground: Ground, needs: Floats, required: Floats, points: list[Offer], enough: float) -> Verdict:
    """Let those in doubt decide in linear programmes until the cost is the least (or `enough`), or a cut forbids it."""
    pool = ground.pool
    cuts: list[Cut] = [cut_of(pool, points[-1])] if points else []
    way, least = None, np.inf
    for _ in range(MOST_ROUNDS):
        free = in_doubt(pool, points)
        mix = cheapest(pool, required, free, block_totals(pool, points, free))
        points = [*points, offer(pool, mix.prices)]
        cuts.append(cut_of(pool, points[-1]))
        if cuts[-1].excess(pool, needs) > CLEAR:
            return Verdict(cuts, True, mix.prices)
        if mix.complete:
            if mix.value < least:
                way, least = Way(free, points[:-1], mix), mix.value
            if mix.value <= enough or mix.value - least_cost(pool, required, points[-1]) <= NEAR_LEAST * mix.value:
                break
        elif all_free(pool):
            break
    return Verdict(cuts, False, way.mix.prices if way else mix.prices, way)


def least_cost(pool: Pool, required: Floats, point: Offer) -> float:
    """The dollars below which the requirements cannot be had, by the prices of a pass."""
    asked = float(point.prices[: pool.covers] @ required)
    return asked - float(point.prices[pool.covers : -1] @ pool.caps[:-1]) - point.surplus


def cheapest(pool: Pool, required: Floats, free: Free, blocks: Floats) -> Mix:
    """The cheapest way to what is required, or the way to the largest part of it."""
    found = solve(pool, Goal.COST, required, free, blocks) or solve(pool, Goal.REACH, required, free, blocks)
    if found is None:
        raise ArithmeticError("HiGHS found no solution of a programme that has one")
    return found


def all_free(pool: Pool) -> bool:
    """Whether one linear programme can hold everybody."""
    return pool.members <= FREE_MEMBERS and len(pool.owner) <= FREE_ROWS


def in_doubt(pool: Pool, points: list[Offer]) -> Free:
    """The members whose margin at the last prices is smallest, with their best candidates; everybody where few."""
    if all_free(pool):
        return Free(np.arange(pool.members), np.arange(len(pool.owner)), pool.owner)
    count = min(FREE_MEMBERS, pool.members)
    members = np.sort(np.argpartition(points[-1].margin, count - 1)[:count])
    rows, place = pool.best_rows(members, points[-1].prices, FREE_ROWS // FREE_MEMBERS)
    return Free(members, rows, place)
