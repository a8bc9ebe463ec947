"""Prices at which reaching certain needs costs least: projected Newton steps on the smoothed dual, ever less smoothed.

At temperature T a member's best worth h is taken as T·log(1 + Σ exp(worth / T)), which has slopes and curvature: a
step takes one pass over the candidates and a system of as many equations as there are measures, floors and resources.
The budget has the price 1, so all prices are dollars per unit. Every step also takes the exact cut at its prices;
where one forbids the needs, nothing more has to be known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from interventions.pool import Pool
from interventions.problem import Floats

# Temperatures fall from the mean cost of a candidate by this factor.
COOLING = 0.3
MOST_STEPS = 12
# No price grows or falls by more than this factor in a step (from its typical value where it is 0).
REACH = 3.0
# The curvature of more rows than this is taken from a part of the members.
MOST_CURVED = 30_000
# A candidate counts for the curvature when its chance is by so much neither 0 nor 1.
IN_DOUBT = 1e-4
# A temperature is done when a step promises less than this share of the least cost.
SETTLED = 1e-3


@dataclass(frozen=True)
class Smooth:
    """The smoothed dual at some prices: its value (to be minimised), slope and curvature, and the exact surplus."""

    value: float
    slope: Floats
    curvature: Floats
    surplus: float


def smooth(pool: Pool, required: Floats, prices: Floats, temperature: float, *, curved: bool) -> Smooth:
    """The smoothed dual of reaching what is required; the curvature only where asked for."""
    people = members_smooth(pool, prices, temperature, curved=curved)
    bounds = np.concatenate([-required, pool.caps])
    return Smooth(float(prices @ bounds) + people.value, bounds + people.slope, people.curvature, people.surplus)


def members_smooth(pool: Pool, prices: Floats, temperature: float, *, curved: bool) -> Smooth:
    """One pass at a temperature: what the members' best actions are worth beyond what they take."""
    signed = pool.signed(prices)
    worth = pool.matrix @ signed
    top = np.maximum(np.maximum.reduceat(worth, pool.starts), 0.0)
    chance = np.exp((worth - top[pool.owner]) / temperature)
    total = np.add.reduceat(chance, pool.starts) + np.exp(-top / temperature)
    chance /= total[pool.owner]
    value = float(top.sum() + temperature * np.log(total).sum())
    used = pool.matrix.T @ chance
    slope = np.concatenate([used[: pool.covers], -used[pool.covers :]])
    curvature = curvature_of(pool, chance, temperature) if curved else np.zeros((0, 0))
    return Smooth(value, slope, curvature, float(top.sum()))


def curvature_of(pool: Pool, chance: Floats, temperature: float) -> Floats:
    """Sum over members of the covariance of what they would take, by temperature; only those in doubt have any.

    Of very many a part speaks for all: a step need not be exact.
    """
    rows = np.flatnonzero(chance * (1 - chance) > IN_DOUBT)
    size = pool.columns
    if not len(rows):
        return np.zeros((size, size))
    each = max(1, len(rows) // MOST_CURVED)
    if each > 1:
        rows = rows[pool.owner[rows] % each == 0]
    sign = pool.signed(np.ones(size))
    dense = pool.matrix[rows].toarray() * sign
    weighted = dense * chance[rows][:, None]
    first = np.flatnonzero(np.append(True, np.diff(pool.owner[rows]) > 0))
    means = np.add.reduceat(weighted, first)
    return (dense.T @ weighted - means.T @ means) * (each / temperature)


def sharpen(
    pool: Pool, required: Floats, start: Floats, temperatures: Iterator[float] | list[float], typical: Floats
) -> Iterator[tuple[Floats, float]]:
    """Prices step by step, each with its exact surplus; the last one is the sharpest."""
    movable = np.concatenate([required > 0, pool.caps > 0])
    movable[-1] = False
    prices = np.where(movable, start, 0.0)
    prices[-1] = 1.0
    for temperature in temperatures:

        def at(tried: Floats, *, curved: bool, temperature: float = temperature) -> Smooth:
            return smooth(pool, required, tried, temperature, curved=curved)

        here = at(prices, curved=True)
        for _ in range(MOST_STEPS):
            yield prices, here.surplus
            moved = step(at, prices, here, movable, typical)
            if moved is None:
                break
            gained = here.value - moved[1].value
            prices, here = moved
            if gained <= SETTLED * abs(float(prices[: pool.covers] @ required)):
                break
    yield prices, here.surplus


class At(Protocol):
    """A smoothed value at any prices."""

    def __call__(self, tried: Floats, *, curved: bool) -> Smooth: ...


def step(at: At, prices: Floats, here: Smooth, movable: np.ndarray, typical: Floats) -> tuple[Floats, Smooth] | None:
    """A Newton step kept within bounds and shortened until it helps; None where none does."""
    free = movable & ((prices > 0) | (here.slope < 0))
    places = np.flatnonzero(free)
    if not len(places):
        return None
    system = here.curvature[np.ix_(places, places)]
    system = system + np.diag(
        1e-9 * np.diag(system) + np.abs(here.slope[places]) / (REACH * typical[places]) * 1e-2 + 1e-300
    )
    change = np.zeros_like(prices)
    change[places] = np.linalg.lstsq(system, -here.slope[places], rcond=None)[0]
    length = 1.0
    low, high = prices / REACH - 0.01 * typical, prices * REACH + typical
    for _ in range(8):
        tried = np.where(free, np.maximum(np.clip(prices + length * change, low, high), 0.0), prices)
        there = at(tried, curved=False)
        if there.value < here.value - 1e-12 * abs(here.value):
            return tried, at(tried, curved=True)
        length *= 0.3
    return None
