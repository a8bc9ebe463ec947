"""The chance of each summary or overall rating, from the chances of the measures' stars. Pure and exact.

A rating depends on the measures' stars only through two sums, of weight times star and of weight times star squared,
kept apart for improvement and for new measures, which some scenarios leave out. So the sums are walked measure by
measure (dynamic programming), and `hedis.engine.rating` rates one example of each pair of sums, by CMS's own recipe.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from hedis.engine import rating
from hedis.engine.rating import Contract, NotRated
from hedis.engine.rating_year import NotInThisYear, Part, StarYear

Odds = Mapping[str, Sequence[float]]
Stars = tuple[int, ...]

# Chances below this are left out; of a rating's chance they make less than one in a million.
NEGLIGIBLE = 1e-10
# Two sums each of plain, new, improvement, and new improvement measures.
NOTHING = (0,) * 8


@dataclass(frozen=True)
class RatingOdds:
    """The chance of each half star, best last; they sum to 1. Empty with the reason where there is no rating."""

    chances: Mapping[Decimal, float]
    not_rated: NotRated | None = None

    def at_least(self, star: Decimal) -> float:
        """The chance of so many stars or more."""
        return sum(chance for found, chance in self.chances.items() if found >= star)

    @property
    def expected(self) -> float | None:
        """Expected stars; None where there is no rating."""
        return sum(float(star) * chance for star, chance in self.chances.items()) if self.chances else None


class Rater:
    """Rates a contract whose stars of some measures are open. What was rated once is remembered."""

    def __init__(self, contract: Contract, measures: Iterable[str], year: StarYear, part: Part | None = None) -> None:
        """`part`: the rating wanted, by default the one the contract is known by. Raises NotInThisYear, ValueError."""
        self.measures = tuple(sorted(measures))
        both = set(self.measures) & set(contract.stars)
        if both:
            raise ValueError(f"{', '.join(sorted(both))}: either a star or its chances, not both")
        for name in self.measures:
            if year.measure(name).part not in contract.rated_as.parts:
                raise NotInThisYear(f"{name} is no measure of {contract.rated_as.value} contracts")
        self.contract, self.year, self.part = contract, year, part or contract.rated_as.highest
        self.known: dict[tuple[int, ...], Decimal | None] = {}
        # The reason does not hang on which stars the measures have, only on which measures there are.
        every = replace(contract, stars={**contract.stars, **dict.fromkeys(self.measures, 3)})
        self.not_rated = rating.rate(every, year).ratings[self.part].reason
        self.steps = [self.step(name) for name in self.measures]

    def step(self, name: str) -> tuple[int, int]:
        """Where a measure's sums are kept, and its weight; 0 where it does not count in this rating."""
        measure = self.year.measure(name)
        elsewhere = self.part is not Part.OVERALL and measure.part is not self.part
        twice = self.part is Part.OVERALL and measure.duplicate_of in {*self.contract.stars, *self.measures}
        weight = 0 if elsewhere or twice else rating.weight_of(measure, self.contract)
        return 2 * (2 * rating.is_improvement(measure) + measure.new), weight

    def sums(self, stars: Sequence[int]) -> tuple[int, ...]:
        """The sums that the rating hangs on."""
        state: tuple[int, ...] = NOTHING
        for (place, weight), star in zip(self.steps, stars, strict=True):
            state = moved(state, place, weight, star)
        return state

    def star(self, stars: Stars) -> Decimal | None:
        """The rating with these stars, in the order of `measures`."""
        return self.star_of(self.sums(stars), stars)

    def star_of(self, state: tuple[int, ...], example: Stars) -> Decimal | None:
        """The rating of any stars that give these sums, by one example."""
        if self.not_rated:
            return None
        if state not in self.known:
            stars = {**self.contract.stars, **dict(zip(self.measures, example, strict=True))}
            self.known[state] = rating.rate_part(replace(self.contract, stars=stars), self.part, self.year).star
        return self.known[state]

    def chances(self, odds: Odds) -> dict[Decimal, float]:
        """The chance of each rating where the measures' stars are independent."""
        states: dict[tuple[int, ...], tuple[float, Stars]] = {NOTHING: (1.0, ())}
        for name, (place, weight) in zip(self.measures, self.steps, strict=True):
            states = spread(states, odds[name], place, weight)
        found: dict[Decimal, float] = {}
        for state, (chance, example) in states.items():
            star = self.star_of(state, example)
            if star is not None:
                found[star] = found.get(star, 0.0) + chance
        return found


def moved(state: tuple[int, ...], place: int, weight: int, star: int) -> tuple[int, ...]:
    """The sums with one measure more."""
    first, second = state[place] + weight * star, state[place + 1] + weight * star * star
    return (*state[:place], first, second, *state[place + 2 :])


def spread(
    states: Mapping[tuple[int, ...], tuple[float, Stars]], odds: Sequence[float], place: int, weight: int
) -> dict[tuple[int, ...], tuple[float, Stars]]:
    """All sums after one measure more, each with its chance and one example of stars that give it."""
    found: dict[tuple[int, ...], tuple[float, Stars]] = {}
    for state, (chance, example) in states.items():
        for star, share in enumerate(odds, start=1):
            if chance * share < NEGLIGIBLE:
                continue
            after = moved(state, place, weight, star)
            so_far, kept = found.get(after, (0.0, (*example, star)))
            found[after] = (so_far + chance * share, kept)
    return found


def rating_odds(
    contract: Contract,
    scenarios: Iterable[tuple[float, Odds]],
    year: StarYear,
    *,
    part: Part | None = None,
    rater: Rater | None = None,
) -> RatingOdds:
    """The chance of each rating of a contract.

    `contract.stars` are the measures whose star is known. `scenarios`: weights that sum to 1, with the chance of 1 to
    5 stars of each other measure; within a scenario the measures are independent, a common shock makes the scenarios
    differ. One scenario of weight 1: independent measures. `rater`: one of this contract, measures and year, where
    other odds were rated before. Raises ValueError for odds that are none.
    """
    chosen = list(scenarios)
    check_odds(chosen)
    rater = rater or Rater(contract, chosen[0][1], year, part)
    if rater.not_rated:
        return RatingOdds({}, rater.not_rated)
    found: dict[Decimal, float] = {}
    for weight, odds in chosen:
        for star, chance in rater.chances(odds).items():
            found[star] = found.get(star, 0.0) + weight * chance
    total = sum(found.values())
    return RatingOdds({star: found[star] / total for star in sorted(found)})


def check_odds(scenarios: Sequence[tuple[float, Odds]]) -> None:
    """Raises ValueError for weights or odds that do not sum to 1, or scenarios of different measures."""
    if not scenarios or abs(sum(weight for weight, _ in scenarios) - 1) > 1e-6:
        raise ValueError("the weights of the scenarios do not sum to 1")
    for weight, odds in scenarios:
        if weight < 0 or set(odds) != set(scenarios[0][1]):
            raise ValueError("a scenario has a negative weight or speaks of other measures")
        for name, chances in odds.items():
            if len(chances) != 5 or not min(chances) >= 0 or abs(sum(chances) - 1) > 1e-6:
                raise ValueError(f"{name}: {list(chances)} are no chances of 1 to 5 stars")


def together(measures: Mapping[str, Sequence[tuple[float, Sequence[float]]]]) -> list[tuple[float, Odds]]:
    """Scenarios in which every measure meets the same shock at once: `Count.odds_by_scenario` of each measure.

    A measure with one scenario has no shock and is the same in all. Raises ValueError where the others differ in
    their weights.
    """
    weights = max(([weight for weight, _ in parts] for parts in measures.values()), key=len, default=[1.0])
    for name, parts in measures.items():
        own = [weight for weight, _ in parts]
        if len(own) > 1 and not (len(own) == len(weights) and np.allclose(own, weights)):
            raise ValueError(f"{name}: its scenarios are not those of the other measures")
    return [
        (weight, {name: parts[place if len(parts) > 1 else 0][1] for name, parts in measures.items()})
        for place, weight in enumerate(weights)
    ]


@dataclass(frozen=True)
class Draws:
    """Ratings drawn twice with the same luck: `before` without and `after` with what changes the odds."""

    before: tuple[Decimal, ...]
    after: tuple[Decimal, ...]


def paired_draws(
    contract: Contract,
    before: Odds,
    after: Odds,
    year: StarYear,
    *,
    draws: int = 2000,
    seed: int = 0,
    rater: Rater | None = None,
) -> Draws:
    """Ratings of the contract by both odds, each draw with the same random numbers for both.

    A measure whose chances rise never falls in any draw, so the difference is that of the odds and not of luck.
    Raises ValueError for odds that are none, or where the contract is not rated.
    """
    check_odds([(0.5, before), (0.5, after)])
    rater = rater or Rater(contract, before, year)
    if rater.not_rated:
        raise ValueError(f"contract {contract.number} is not rated: {rater.not_rated.value}")
    luck = np.random.default_rng(seed).random((draws, len(rater.measures)))
    return Draws(*(rated(rater, odds, luck) for odds in (before, after)))


def rated(rater: Rater, odds: Odds, luck: np.ndarray) -> tuple[Decimal, ...]:
    """The rating of each draw."""
    columns = [
        1 + np.searchsorted(np.cumsum(odds[name])[:4], luck[:, place], side="right")
        for place, name in enumerate(rater.measures)
    ]
    rows = np.column_stack(columns).tolist() if columns else [[]] * len(luck)
    stars = (rater.star(tuple(row)) for row in rows)
    return tuple(star for star in stars if star is not None)
