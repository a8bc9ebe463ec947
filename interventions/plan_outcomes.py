"""What a plan makes of each contract's year-end: expected stars and chances, cost and return, without it and with it.

Reads nothing: projections, worths and the plan come in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from interventions import altering
from interventions.candidates import Candidates
from interventions.optimiser import Plan
from interventions.problem import Integers, Problem
from interventions.projection import ContractProjection
from interventions.rating_odds import RatingOdds
from interventions.simulating import Worth, outcome
from interventions.weighing import return_facts


def closures(problem: Problem, candidates: Candidates, rows: Integers) -> dict[tuple[str, str], float]:
    """Closures that rows add, by contract (empty where the measures name none) and measure code."""
    added = candidates.uplifts[rows].sum(axis=0)
    return {
        (measure.contract, measure.code): float(total) for measure, total in zip(problem.measures, added, strict=True)
    }


def costs(problem: Problem, candidates: Candidates, rows: Integers) -> dict[str, float]:
    """Dollars of rows by contract. A row raises measures of one contract alone."""
    spent = {}
    for name in problem.contracts:
        places = [place for place, measure in enumerate(problem.measures) if measure.contract == name]
        mine = candidates.uplifts[rows][:, places].sum(axis=1) > 0
        spent[name] = float(candidates.cost[rows][mine].sum())
    return spent


def outcomes(
    outlooks: Sequence[ContractProjection], found: Plan, candidates: Candidates, worths: Mapping[str, Worth]
) -> dict[str, Any]:
    """By contract number: its rating and what it returns, and of each measure closures added, expected stars and
    chances. `worths`: of the contracts whose county figures are stored."""
    added = closures(found.problem, candidates, found.rows)
    spent = costs(found.problem, candidates, found.rows)
    named = found.problem.contracts != ("",)
    return {
        one.contract: outcome_of(one, added, spent, one.contract if named else "", worths.get(one.contract))
        for one in outlooks
    }


def outcome_of(
    outlook: ContractProjection, added: Mapping[tuple[str, str], float], spent: Mapping[str, float], name: str,
    worth: Worth | None,
) -> dict[str, Any]:  # fmt: skip
    """One contract; pairs are without and with the plan. Dollars are today's."""
    plain, cost = altering.unaltered(outlook), spent[name]
    paid = None if worth is None or outlook.independent.not_rated else replace(worth, cost=Decimal(repr(cost)))
    more = {measure_id: added.get((name, one.measure), 0.0) for measure_id, one in outlook.measures.items()}
    made = outcome(plain.contract, plain.year, outlook.measures, plain.rules, more, worth=paid)
    return {
        "rating": outlook.part.value,
        "expected": [made.before.expected, made.after.expected],
        "chances": [chances_of(made.before), chances_of(made.after)],
        "cost": cost,
        "return": return_facts(made.returned) if made.returned else None,
        "measures": {
            outlook.measures[measure_id].measure: {
                "id": measure_id,
                "added": one.added,
                "expected_stars": list(one.expected_stars),
                "chances": [list(side) for side in one.odds],
            }
            for measure_id, one in made.measures.items()
        },
    }


def chances_of(odds: RatingOdds) -> dict[str, float]:
    """The chance of each half star, by its name."""
    return {str(star): chance for star, chance in sorted(odds.chances.items())}
