"""A scenario tried on a contract's data: what it makes of stars, rating and dollars, way by way. Reads only.

The plan of each strategy is made and judged under the scenario's own rules; what closes without it is never its own.
The answer is what commands, pages and the API show; docs/simulations.md describes it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from hedis.members.models import Contract
from interventions import altering, counties, deciding, frontier, hei_reading, offers, projection, strategies, underway
from interventions.altering import Altered
from interventions.candidates import Candidates
from interventions.deciding import Wish
from interventions.optimiser import optimise
from interventions.plan_outcomes import closures
from interventions.problem import Integers, Problem, ProblemError, problem_of
from interventions.rating_odds import Rater, RatingOdds
from interventions.scenario import Scenario
from interventions.simulating import MeasureOutcome, Outcome, Worth, outcome
from interventions.strategies import Strategy
from interventions.tally import tally
from interventions.weighing import Weighed, odds_facts, weighed

GIVEN = "given"
GIVEN_WORDS = "Closures as given"
NOBODY = "nobody is left whom an intervention could still help"


@dataclass(frozen=True)
class Way:
    """One way of the comparison: closures added by measure id, what they cost, and what else is to be told of it."""

    name: str
    words: str
    added: Mapping[str, float]
    cost: float = 0.0
    chosen: int | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ground:
    """What every way of a simulation stands on."""

    contract: Contract
    altered: Altered
    rater: Rater
    worth: Worth | None

    @property
    def ids(self) -> dict[str, str]:
        """Measure code to its id in the Star year."""
        return {one.measure: name for name, one in self.altered.outlook.measures.items()}

    def outcome(self, added: Mapping[str, float], cost: float = 0.0) -> Outcome:
        """What closures make of the contract under the scenario's rules."""
        worth = replace(self.worth, cost=Decimal(repr(cost))) if self.worth else None
        one = self.altered
        return outcome(one.contract, one.year, one.outlook.measures, one.rules, added, worth=worth, rater=self.rater)


def units_of(scenario: Scenario) -> int:
    """How many parts of the work there are to watch: the outlook, each way, the frontier."""
    return 1 + len(scenario.strategies) * scenario.spends + bool(scenario.budgets)


def simulated(
    contract: Contract,
    year: int,
    scenario: Scenario,
    *,
    today: date,
    seed: int = 0,
    advance: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """The whole answer. `advance` is told after each unit how many are done.

    Raises ProblemError for a scenario that does not fit the contract, projection.NothingToProject,
    years.UnknownStarYear.
    """
    outlook = projection.projected(contract, year)
    ground = ground_of(contract, outlook, scenario)
    nothing = ground.outcome({})
    advance(done := 1)
    ways = given_ways(ground, scenario)
    points: list[dict[str, Any]] = []
    if scenario.spends:
        problem, candidates = planned_for(ground, scenario, today)
        for strategy in scenario.strategies:
            ways.append(way_of(strategy, ground, problem, candidates, seed))
            advance(done := done + 1)
        if scenario.budgets:
            points = list(frontier_points(ground, problem, candidates, scenario.budgets, seed))
            advance(done + 1)
    return {
        "contract": contract.number, "year": year, "star_year": year + 2, "data_as_of": outlook.data_as_of.isoformat(),
        "method_year": outlook.method.year.year, "method": list(outlook.method.notes), "rating": outlook.part.value,
        "changes": list(ground.altered.changes), "as_it_stands": odds_facts(outlook.independent),
        "nothing_done": {**odds_facts(nothing.before), "measures": measures_facts(ground, nothing.measures)},
        "ways": [way_facts(ground, way, nothing) for way in ways], "frontier": points,
        "money": money_facts(ground), "left_out": dict(outlook.left_out),
    }  # fmt: skip


def ground_of(contract: Contract, outlook: projection.ContractProjection, scenario: Scenario) -> Ground:
    """The outlook under the scenario's rules, with what a rating is worth. Raises ProblemError."""
    one = altering.altered(outlook, scenario)
    if not one.outlook.measures:
        raise ProblemError("leaves no measure that is projected", field="without")
    if scenario.hei_median_share is not None:
        one = with_hei(contract, one, scenario.hei_median_share)
    if scenario.on_top:
        one = on_top(contract, one)
    rater = Rater(one.contract, one.outlook.measures, one.year)
    worth = None if rater.not_rated else counties.worth(contract, outlook.year, Decimal(0))
    if scenario.objective == "dollars" and scenario.spends and worth is None:
        raise ProblemError(
            f"dollars need the contract's county figures (manage.py import_counties --contract {contract.number})"
            if not rater.not_rated else "dollars need a rating, and the contract has none", field="objective",
        )  # fmt: skip
    return Ground(contract, one, rater, worth)


def with_hei(contract: Contract, one: Altered, median_share: Decimal) -> Altered:
    """The index's reward in the reward factor's place, and how it came about."""
    index = hei_reading.index_of(contract, one.outlook, median_share)
    points = ", ".join(f"{name} {point:+d}" for name, point in index.points.items())
    said = f"no index: {index.reason}" if index.value is None else f"index {float(index.value):+.3f} ({points})"
    return altering.with_reward(
        one, index.reward, f"Health Equity Index in the reward factor's place: {said}, reward {index.reward}"
    )


def on_top(contract: Contract, one: Altered) -> Altered:
    """The outlook with what the outreach under way is expected to close."""
    found = underway.underway(contract, one.outlook.year)
    ids = {each.measure: name for name, each in one.outlook.measures.items()}
    added = {ids[code]: more for code, more in found.added.items() if code in ids}
    said = f"on top of {found.interventions:,} interventions under way, {sum(added.values()):,.1f} closures expected"
    return altering.with_closures(one, added, said)


def given_ways(ground: Ground, scenario: Scenario) -> list[Way]:
    """The closures and closure rates a person gave, as one way; none where nothing was given. Raises ProblemError."""
    added: dict[str, float] = {}
    names = altering.names_of(ground.altered.outlook)
    for field_name, given in (("closures", scenario.closures), ("closure_rates", scenario.closure_rates)):
        for name, value in given.items():
            measure_id = altering.id_of(names, name, field_name)
            one = ground.altered.outlook.measures.get(measure_id)
            if one is None:
                raise ProblemError("is not projected for this contract", field=f"{field_name}.{name}")
            if field_name == "closures" and value > one.closable:
                raise ProblemError(
                    f"is {value:g}, and {one.closable:,} members can still close", field=f"{field_name}.{name}"
                )
            # What closes anyway is in the projection: only what a rate closes beyond it is added.
            anyway = max((one.rate - one.rate_today) * one.denominator, 0.0)
            added[measure_id] = value if field_name == "closures" else max(value * one.closable - anyway, 0.0)
    return [Way(GIVEN, GIVEN_WORDS, added)] if added else []


def planned_for(ground: Ground, scenario: Scenario, today: date) -> tuple[Problem, Candidates]:
    """The planning problem under the scenario's rules, and what could be done for whom."""
    outlook, budget = ground.altered.outlook, Decimal(repr(scenario.budget or 0.0))
    wish = Wish(
        budget, scenario.objective, scenario.confidence_z, scenario.capacities, ground.worth.counties if ground.worth
        else (),
    )  # fmt: skip
    problem = problem_of(deciding.content_of(outlook, wish), file="the scenario")
    baseline = {one.measure: deciding.stays_open(one.rate_today, one.rate) for one in outlook.measures.values()}
    found = offers.gathered(
        [ground.contract], outlook.year, problem, {ground.contract.number: baseline}, today, anew=not scenario.on_top
    )
    return problem, scaled(found, scenario.effect)


def scaled(candidates: Candidates, effect: float) -> Candidates:
    """Candidates whose actions add so many times what is expected, never more than certainty."""
    uplifts = candidates.uplifts.copy()
    uplifts.data = np.minimum(uplifts.data * effect, 1.0)
    return replace(candidates, uplifts=uplifts)


def way_of(strategy: Strategy, ground: Ground, problem: Problem, candidates: Candidates, seed: int) -> Way:
    """What a strategy does with the budget."""
    if not candidates.rows:
        return Way(strategy.value, strategy.label, {}, chosen=0, told={"note": NOBODY})
    told: dict[str, Any] = {}
    if strategy is Strategy.OPTIMAL:
        plan = optimise(problem, candidates, seed=seed)
        rows = plan.rows
        told = {"lower_bound": plan.lower_bound, "upper_bound": plan.upper_bound, "gap": plan.gap}
    else:
        rows = strategies.choose(strategy, problem, candidates, newest=newest(ground.altered), seed=seed)
    return spent(strategy.value, strategy.label, problem, candidates, rows, ground, told)


def spent(
    name: str, words: str, problem: Problem, candidates: Candidates, rows: Integers, ground: Ground,
    told: Mapping[str, Any],
) -> Way:  # fmt: skip
    """What the chosen rows cost, use and add."""
    found = tally(problem, candidates, rows)
    uses = {
        name: {"used": used, "capacity": cap}
        for (name, cap), used in zip(problem.resources.items(), found.uses, strict=True)
    }
    worth = {"worth": problem.worth(found.stars)}
    return Way(name, words, added_by(problem, candidates, rows, ground.ids), found.spend, len(rows),
               {**worth, **told, "resources": uses})  # fmt: skip


def added_by(problem: Problem, candidates: Candidates, rows: Integers, ids: Mapping[str, str]) -> dict[str, float]:
    """Incremental closures by measure id."""
    return {ids[code]: more for (_, code), more in closures(problem, candidates, rows).items()}


def newest(altered: Altered) -> list[str]:
    """Codes of the projected measures that are new or re-specified in the Star year."""
    return [one.measure for name, one in altered.outlook.measures.items() if altered.year.measure(name).new]


def frontier_points(
    ground: Ground, problem: Problem, candidates: Candidates, budgets: Sequence[float], seed: int
) -> Iterator[dict[str, Any]]:
    """Budget against expected stars, the best plan of each."""
    if not candidates.rows:
        return
    for point in frontier.frontier(problem, candidates, budgets, seed=seed):
        found = ground.outcome(added_by(problem, candidates, point.rows, ground.ids), point.spend)
        yield {
            "budget": point.budget, "spend": point.spend, "chosen": len(point.rows), "worth": point.worth,
            "upper_bound": point.upper_bound, "dominated": point.dominated, **odds_facts(found.after),
            "net": found.returned.net if found.returned else None,
        }  # fmt: skip


def way_facts(ground: Ground, way: Way, nothing: Outcome) -> dict[str, Any]:
    """One way as the answer has it."""
    found = ground.outcome(way.added, way.cost)
    total = sum(way.added.values())
    told: Weighed = weighed(ground.altered, ground.rater, way.added, way.cost, found, ground.worth)
    return {
        "name": way.name, "words": way.words, "cost": way.cost, "chosen": way.chosen, "closures": total,
        "cost_per_closure": way.cost / total if total and way.cost else None, **way.told,
        **odds_facts(found.after), "gained": gained(nothing.before, found.after),
        "measures": measures_facts(ground, found.measures), **told.facts(),
    }  # fmt: skip


def gained(before: RatingOdds, after: RatingOdds) -> float | None:
    """Expected stars more."""
    return None if before.expected is None or after.expected is None else after.expected - before.expected


def measures_facts(ground: Ground, measures: Mapping[str, MeasureOutcome]) -> dict[str, Any]:
    """The measures of an outcome, without and with the closures; rates in percent of good outcomes."""
    found = {}
    for name, one in measures.items():
        projected = ground.altered.outlook.measures[name]
        rates = [100 * (projected.numerator + more) / projected.denominator for more in (0.0, one.added)]
        found[name] = {
            "measure": projected.measure, "weight": ground.altered.year.measure(name).weight, "added": one.added,
            "rate": [min(rate, 100.0) for rate in rates], "expected_stars": list(one.expected_stars),
            "chances": [list(side) for side in one.odds],
        }  # fmt: skip
    return found


def money_facts(ground: Ground) -> dict[str, Any] | None:
    """What the dollars rest on; None where no county figures are stored or there is no rating."""
    if ground.worth is None:
        return None
    return {
        "counties": len(ground.worth.counties), "discount_rate": float(ground.worth.discount_rate),
        "years_to_payment": ground.worth.rules.years_to_payment,
    }  # fmt: skip
