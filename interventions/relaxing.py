"""First prices for the whole problem: stars too may be mixed, and what a star is worth stands against what it takes.

Prices of closures, floors, resources and the dollar, here in units of worth, make a bound alone: budget and capacities
at their prices, what each member's best action is worth beyond its own, and of each measure the level worth most beyond
its closures. Its least value is that of the relaxed problem. It is found as in `sharpening`, by Newton steps on a
smoothed value; the prices give the first cut, nearly as close as a single cut can be, and near which all others lie.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from interventions.master import Master
from interventions.pool import Pool
from interventions.problem import Floats
from interventions.reaching import Ground
from interventions.sharpening import Smooth, members_smooth, step

# Temperatures, as shares of the typical cost of an action and of the worth of a star; they fall by a factor.
HOT, COOLING = 1.0, 0.3
MOST_STEPS = 20
SETTLED = 1e-4


@dataclass(frozen=True)
class Levels:
    """The levels of all measures in one line: of which measure each is, closures needed, worth, where each begins."""

    measure: np.ndarray
    need: Floats
    worth: Floats
    starts: np.ndarray


def levels_of(master: Master, share: float) -> Levels:
    """The rungs of a master programme, closures and worth in proportion to a share of the members."""
    measure = np.array([rung.measure for rung in master.rungs])
    return Levels(
        measure,
        np.array([rung.need * share for rung in master.rungs]),
        np.array([rung.worth * share for rung in master.rungs]),
        np.flatnonzero(np.append(True, np.diff(measure) > 0)),
    )


def relaxed(ground: Ground, master: Master) -> Iterator[Floats]:
    """Prices ever sharper, in dollars where the dollar has a price: first by the sample, then by all members."""
    pool = ground.pool
    levels = levels_of(master, 1.0)
    gains = positive_gains(levels)
    if not len(gains) or not pool.members:
        return
    movable = movable_of(pool, levels)
    # Typically all the budget would buy all the stars there are.
    unit = float(gains.sum()) / max(pool.caps[-1], ground.dollar)
    star, typical = float(np.median(gains)), ground.typical * unit
    prices = np.where(movable, typical, 0.0)
    prices[pool.covers : -1] = 0.0
    prices[-1] = unit
    for share, members in schedule(ground):
        own = levels if members is pool else levels_of(master, ground.ratio)
        heat = (
            share * ground.dollar * max(prices[-1], 1e-3 * unit),
            share * star * (1.0 if members is pool else ground.ratio),
        )
        prices = settled(members, own, prices, heat, movable, typical)
        if members is pool:
            yield prices / prices[-1] if prices[-1] > 1e-6 * unit else prices / unit


def schedule(ground: Ground) -> Iterator[tuple[float, Pool]]:
    """Falling temperatures as shares of what is typical, each with the members to look at."""
    shares = [HOT * COOLING**power for power in range(4)]
    if ground.ratio < 1:
        yield from ((share, ground.sample) for share in shares)
        shares = shares[-1:]
    yield from ((share, ground.pool) for share in shares)


def movable_of(pool: Pool, levels: Levels) -> np.ndarray:
    """What has a price: what somebody may need, and limits that are not nothing."""
    needed = np.maximum.reduceat(levels.need, levels.starts) > 0
    return np.concatenate([needed, pool.floors > 0, pool.caps > 0])


def positive_gains(levels: Levels) -> Floats:
    """What each level is worth more than the one before it, where it is."""
    gains = np.diff(levels.worth)[np.diff(levels.measure) == 0]
    return gains[gains > 0]


def settled(
    pool: Pool, levels: Levels, prices: Floats, heat: tuple[float, float], movable: np.ndarray, typical: Floats
) -> Floats:
    """Prices at which the value smoothed by this heat is least."""

    def at(tried: Floats, *, curved: bool) -> Smooth:
        return value(pool, levels, tried, heat, curved=curved)

    here = at(prices, curved=True)
    for _ in range(MOST_STEPS):
        moved = step(at, prices, here, movable, typical)
        if moved is None:
            break
        gained = here.value - moved[1].value
        prices, here = moved
        if gained <= SETTLED * abs(here.value):
            break
    return prices


def value(pool: Pool, levels: Levels, prices: Floats, heat: tuple[float, float], *, curved: bool) -> Smooth:
    """The smoothed bound at some prices with its slope and curvature."""
    people = members_smooth(pool, prices, heat[0], curved=curved)
    worth = levels.worth - prices[levels.measure] * levels.need
    top = np.maximum.reduceat(worth, levels.starts)
    chance = np.exp((worth - top[levels.measure]) / heat[1])
    total = np.add.reduceat(chance, levels.starts)
    chance /= total[levels.measure]
    needed = np.add.reduceat(chance * levels.need, levels.starts)
    bounds = np.concatenate([np.zeros(pool.measures), -pool.floors, pool.caps])
    slope = bounds + people.slope
    slope[: pool.measures] -= needed
    curvature = people.curvature
    if curved:
        spread = np.add.reduceat(chance * levels.need**2, levels.starts) - needed**2
        curvature = curvature + np.diag(np.append(spread / heat[1], np.zeros(pool.columns - pool.measures)))
    levels_worth = float(top.sum() + heat[1] * np.log(total).sum())
    return Smooth(float(prices @ bounds) + people.value + levels_worth, slope, curvature, people.surplus)
