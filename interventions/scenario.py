"""What a simulation asks: what is spent on outreach and how, which rates are reached, which rules hold. Pure.

The JSON form is described in docs/simulations.md. It is read whole or refused: `ProblemError` names field and reason.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from interventions.problem import OBJECTIVES, Fields
from interventions.strategies import Strategy

KEYS = {
    "budget", "on_top", "strategies", "objective", "confidence_z", "capacities", "effect", "budgets", "closures",
    "closure_rates",
    "cuts", "cut_shifts", "without", "with", "weights", "weights_of", "reward_factor", "hei_median_share",
}  # fmt: skip
# More would be twice the work for a curve nobody sees the difference of.
MOST_BUDGETS = 12
# An effect of outreach of three times what is known is no what-if any more.
HIGHEST_EFFECT = 3.0
HIGHEST_WEIGHT = 5
FIRST_STAR_YEAR, LAST_STAR_YEAR = 2024, 2040
EVERY = "*"


@dataclass(frozen=True)
class Added:
    """A measure the contract would have: the star it is taken to earn, and its weight."""

    star: int
    weight: int


@dataclass(frozen=True)
class Scenario:
    """Everything a simulation changes; what is not named stays as it is. Measures are named by id, key or code.

    `budget` in dollars with the `strategies` to spend it by, side by side; `budgets` draw the frontier. `on_top`: of
    the outreach under way, which then closes what it is expected to; otherwise all is planned anew. `effect` multiplies
    what outreach is expected to add. `closures`: closures added beyond those that come anyway.
    `closure_rates`: the share of the members who can still close that is met by the year's end, whatever closes it.
    `cuts`: scores by star; `cut_shifts`: points by which every cut point is harder to reach, "*" for every measure.
    `weights_of`: the Star year whose weights and removals hold. `hei_median_share`: the median share of members with
    social risk factors among all contracts, with which the Health Equity Index takes the reward factor's place.
    """

    budget: float | None = None
    on_top: bool = False
    strategies: tuple[Strategy, ...] = (Strategy.OPTIMAL,)
    objective: str = "weighted_stars"
    confidence_z: float = 0.0
    capacities: Mapping[str, float] = field(default_factory=dict)
    effect: float = 1.0
    budgets: tuple[float, ...] = ()
    closures: Mapping[str, float] = field(default_factory=dict)
    closure_rates: Mapping[str, float] = field(default_factory=dict)
    cuts: Mapping[str, Mapping[int, Decimal]] = field(default_factory=dict)
    cut_shifts: Mapping[str, Decimal] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    added: Mapping[str, Added] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)
    weights_of: int | None = None
    reward_factor: bool = True
    hei_median_share: Decimal | None = None

    @property
    def spends(self) -> bool:
        """Whether outreach is planned: without a budget only rules and given closures are looked at."""
        return self.budget is not None


def scenario_of(content: Any, *, channels: tuple[str, ...], file: str = "") -> Scenario:
    """The scenario a JSON object describes; `channels` are those a capacity can be of. Raises ProblemError."""
    fields = Fields(content, file, "", KEYS)
    objective = content.get("objective", "weighted_stars")
    if objective not in OBJECTIVES:
        raise fields.error("objective", f"is {objective!r}; it is one of {', '.join(OBJECTIVES)}")
    budget = None if content.get("budget") is None else fields.number("budget")
    strategies = strategies_of(fields)
    budgets = budgets_of(fields)
    if budget is None and (budgets or "strategies" in content):
        raise fields.error("budget", "is missing: strategies and a frontier of budgets need one")
    capacities = amounts(fields, "capacities", least=0.0)
    for name in capacities:
        if name not in channels:
            raise fields.error(f"capacities.{name}", f"is no channel; the channels are {', '.join(channels)}")
    return Scenario(
        budget=budget, on_top=flag(fields, "on_top", default=False), strategies=strategies, objective=objective,
        confidence_z=fields.number("confidence_z", default=0.0, least=-math.inf), capacities=capacities,
        effect=within(fields, "effect", 1.0, HIGHEST_EFFECT), budgets=budgets,
        closures=amounts(fields, "closures", least=0.0), closure_rates=shares(fields),
        cuts=cuts_of(fields), cut_shifts=shifts_of(fields), without=texts(fields, "without"), added=added_of(fields),
        weights={name: weight_of(fields, "weights", name, weight) for name, weight in fields_of(fields, "weights")},
        weights_of=star_year_of(fields), reward_factor=flag(fields, "reward_factor", default=True),
        hei_median_share=median_share_of(fields),
    )  # fmt: skip


def as_content(scenario: Scenario) -> dict[str, Any]:
    """The JSON object that `scenario_of` reads back; only what was asked for."""
    told: dict[str, Any] = {
        "budget": scenario.budget,
        "on_top": scenario.on_top or None,
        "strategies": [one.value for one in scenario.strategies] if scenario.spends else None,
        "objective": scenario.objective if scenario.spends else None,
        "confidence_z": scenario.confidence_z or None,
        "capacities": dict(scenario.capacities),
        "effect": None if scenario.effect == 1 else scenario.effect,
        "budgets": list(scenario.budgets),
        "closures": dict(scenario.closures),
        "closure_rates": dict(scenario.closure_rates),
        "cuts": {name: {str(star): str(cut) for star, cut in cuts.items()} for name, cuts in scenario.cuts.items()},
        "cut_shifts": {name: str(points) for name, points in scenario.cut_shifts.items()},
        "without": list(scenario.without),
        "with": {name: {"star": one.star, "weight": one.weight} for name, one in scenario.added.items()},
        "weights": dict(scenario.weights),
        "weights_of": scenario.weights_of,
        "reward_factor": None if scenario.reward_factor else False,
        "hei_median_share": None if scenario.hei_median_share is None else str(scenario.hei_median_share),
    }
    return {name: value for name, value in told.items() if value not in (None, [], {})}


def strategies_of(fields: Fields) -> tuple[Strategy, ...]:
    """The strategies named, each once, in their order."""
    found = []
    for name in fields.content.get("strategies", [Strategy.OPTIMAL.value]):
        if name not in list(Strategy):
            raise fields.error("strategies", f"names {name!r}; there are {', '.join(Strategy)}")
        found.append(Strategy(name))
    if not found:
        raise fields.error("strategies", "names none")
    return tuple(dict.fromkeys(found))


def budgets_of(fields: Fields) -> tuple[float, ...]:
    """The budgets of the frontier, rising."""
    given = fields.content.get("budgets", [])
    if not isinstance(given, list) or len(given) > MOST_BUDGETS:
        raise fields.error("budgets", f"is a list of at most {MOST_BUDGETS} amounts")
    return tuple(sorted({fields.finite(f"budgets[{place}]", one, 0.0) for place, one in enumerate(given)}))


def fields_of(fields: Fields, name: str) -> list[tuple[str, Any]]:
    """The entries of an object that may be missing."""
    return list(fields.mapping(name, optional=True).items())


def amounts(fields: Fields, name: str, *, least: float) -> dict[str, float]:
    """Numbers by name."""
    return {key: fields.finite(f"{name}.{key}", value, least) for key, value in fields_of(fields, name)}


def shares(fields: Fields) -> dict[str, float]:
    """Closure rates, 0 to 1; a measure has either a rate or closures."""
    found = amounts(fields, "closure_rates", least=0.0)
    for name, share in found.items():
        if share > 1:
            raise fields.error(f"closure_rates.{name}", f"is {share:g}; it is a share of 0 to 1")
        if name in fields.content.get("closures", {}):
            raise fields.error(f"closure_rates.{name}", "has closures too: give one of them")
    return found


def within(fields: Fields, name: str, default: float, highest: float) -> float:
    """A number from 0 to the highest."""
    value = fields.number(name, default=default)
    if value > highest:
        raise fields.error(name, f"is {value:g}, above {highest:g}")
    return value


def cuts_of(fields: Fields) -> dict[str, dict[int, Decimal]]:
    """Cut points by star from 2 to 5."""
    found: dict[str, dict[int, Decimal]] = {}
    for name, stars in fields_of(fields, "cuts"):
        if not isinstance(stars, dict) or not stars or not set(stars) <= {"2", "3", "4", "5"}:
            raise fields.error(f"cuts.{name}", 'is an object of stars and scores, as in {"4": 78, "5": 84}')
        found[name] = {int(star): exact(fields, f"cuts.{name}.{star}", cut) for star, cut in sorted(stars.items())}
    return found


def shifts_of(fields: Fields) -> dict[str, Decimal]:
    """Points by which cut points are harder."""
    return {name: exact(fields, f"cut_shifts.{name}", points) for name, points in fields_of(fields, "cut_shifts")}


def exact(fields: Fields, name: str, value: Any) -> Decimal:
    """A finite number as it was written."""
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        raise fields.error(name, f"is {value!r}; it is a number") from None
    if isinstance(value, bool) or not number.is_finite():
        raise fields.error(name, f"is {value!r}; it is a finite number")
    return number


def texts(fields: Fields, name: str) -> tuple[str, ...]:
    """A list of names, each once."""
    given = fields.content.get(name, [])
    if not isinstance(given, list) or not all(isinstance(one, str) and one.strip() for one in given):
        raise fields.error(name, "is a list of measures")
    return tuple(dict.fromkeys(given))


def added_of(fields: Fields) -> dict[str, Added]:
    """Measures the contract would have, each with the star it is taken to earn."""
    found = {}
    for name, facts in fields_of(fields, "with"):
        one = Fields(facts, fields.file, f"with.{name}", {"star", "weight"})
        star = one.present("star")
        if star not in (1, 2, 3, 4, 5) or isinstance(star, bool):
            raise one.error("star", f"is {star!r}; it is one of 1 to 5")
        found[name] = Added(int(star), weight_of(fields, "with", f"{name}.weight", facts.get("weight", 1)))
    for name in found:
        if name in fields.content.get("without", []):
            raise fields.error(f"with.{name}", "is among those left out too")
    return found


def weight_of(fields: Fields, place: str, name: str, value: Any) -> int:
    """A whole number from 0 to 5, as CMS's weights are."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= HIGHEST_WEIGHT:
        raise fields.error(f"{place}.{name}", f"is {value!r}; a weight is a whole number of 0 to {HIGHEST_WEIGHT}")
    return value


def star_year_of(fields: Fields) -> int | None:
    """A Star year."""
    value = fields.content.get("weights_of")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not FIRST_STAR_YEAR <= value <= LAST_STAR_YEAR:
        raise fields.error("weights_of", f"is {value!r}; it is a Star year of {FIRST_STAR_YEAR} to {LAST_STAR_YEAR}")
    return value


def flag(fields: Fields, name: str, *, default: bool) -> bool:
    """True or false."""
    value = fields.content.get(name, default)
    if not isinstance(value, bool):
        raise fields.error(name, f"is {value!r}; it is true or false")
    return value


def median_share_of(fields: Fields) -> Decimal | None:
    """A share of 0 to 1; the reward factor is then not to be taken away as well."""
    if fields.content.get("hei_median_share") is None:
        return None
    share = exact(fields, "hei_median_share", fields.content["hei_median_share"])
    if not 0 < share <= 1:
        raise fields.error("hei_median_share", f"is {share}; it is a share above 0 and at most 1")
    return share
