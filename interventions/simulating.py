"""What a plan makes of a projection: stars, rating and money with it and without it; what-ifs on the rules. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from hedis.engine.rating import Contract
from hedis.engine.rating_year import StarYear
from interventions.crossing import Count, raised
from interventions.money import County, PaymentRules, present_value, value
from interventions.projecting import Projection, StarRule
from interventions.rating_odds import Draws, Rater, RatingOdds, paired_draws, rating_odds
from interventions.returns import Return, return_on

DRAWS = 2000


@dataclass(frozen=True)
class Worth:
    """What turns ratings into dollars: counties, rules of the payment year, the plan's cost, the yearly discount."""

    counties: Sequence[County]
    rules: PaymentRules
    cost: Decimal
    discount_rate: Decimal


@dataclass(frozen=True)
class MeasureOutcome:
    """A measure without and with the plan. `added`: closures that would not have happened without it."""

    added: float
    expected_stars: tuple[float, float]
    odds: tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Outcome:
    """A contract without and with the plan. `returned` is None where no money was asked for."""

    measures: Mapping[str, MeasureOutcome]
    before: RatingOdds
    after: RatingOdds
    returned: Return | None


def outcome(
    contract: Contract,
    year: StarYear,
    projections: Mapping[str, Projection],
    rules: Mapping[str, StarRule],
    added: Mapping[str, float],
    *,
    worth: Worth | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    rater: Rater | None = None,
) -> Outcome:
    """What closures added to a projection make of the contract's stars, rating and payment.

    `projections` and `rules` by Star measure id; `added` are incremental closures (`returns.incremental`), measures not
    named get none. `contract.stars` are the other measures' stars. `rater`: one of this contract, measures and year,
    which remembers what it rated. Raises ValueError for a measure that is not projected, for closures below 0, or
    where money is asked for a contract that is not rated.
    """
    rater = rater or Rater(contract, projections, year)
    unknown = set(added) - set(projections)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: closures of a measure that is not projected")
    measures = {name: measure_outcome(one, rules[name], added.get(name, 0.0)) for name, one in projections.items()}
    before, after = ({name: one.odds[side] for name, one in measures.items()} for side in (0, 1))
    returned = None
    if worth:
        drawn = paired_draws(contract, before, after, year, draws=draws, seed=seed, rater=rater)
        returned = returned_by(drawn, worth)
    without, with_them = (rating_odds(contract, [(1.0, side)], year, rater=rater) for side in (before, after))
    return Outcome(measures, without, with_them, returned)


def measure_outcome(projection: Projection, rule: StarRule, added: float) -> MeasureOutcome:
    """One measure without and with closures added; in a hybrid sample they show up by its share of the members."""
    counts = rule.counts(projection.reported)
    shown = added * projection.reported / projection.denominator
    before, after = projection.count, raised(projection.count, shown)
    return MeasureOutcome(
        added, (stars_of(before, counts), stars_of(after, counts)), (before.odds(counts), after.odds(counts))
    )


def stars_of(count: Count, counts: tuple[int, ...]) -> float:
    """Expected stars."""
    return sum(count.at_least(wanted) for wanted in counts)


def returned_by(drawn: Draws, worth: Worth) -> Return:
    """The return of the plan over pairs of ratings drawn with the same luck, in present dollars."""
    dollars = {star: dollars_at(star, worth) for star in {*drawn.before, *drawn.after}}
    without, with_plan = (np.array([dollars[star] for star in side]) for side in (drawn.before, drawn.after))
    return return_on(float(worth.cost), with_plan, without)


def dollars_at(star: Decimal, worth: Worth) -> float:
    """A year's payment at a rating, worth today."""
    paid = value(worth.counties, star, worth.rules)
    return float(present_value(paid, worth.discount_rate, worth.rules.years_to_payment))


def reweighted(year: StarYear, weights: Mapping[str, int]) -> StarYear:
    """The Star year with other weights by measure id. Raises NotInThisYear, ValueError for a weight below 0."""
    if any(weight < 0 for weight in weights.values()):
        raise ValueError("a weight is below 0")
    changed = {name: replace(year.measure(name), weight=weight) for name, weight in weights.items()}
    return replace(year, measures={**year.measures, **changed})


def without_reward(year: StarYear) -> StarYear:
    """The Star year without the reward factor."""
    return replace(year, reward={})
