"""What a plan makes of each contract's year-end: expected stars and chances, without it and with it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from interventions import simulating
from interventions.candidates import Candidates
from interventions.optimiser import Plan
from interventions.projecting import StarRule
from interventions.projection import ContractProjection
from interventions.rating_odds import RatingOdds


def closures(found: Plan, candidates: Candidates) -> dict[tuple[str, str], float]:
    """Closures that the plan adds, by contract (empty where the measures name none) and measure code."""
    added = candidates.uplifts[found.rows].sum(axis=0)
    return {
        (measure.contract, measure.code): float(total)
        for measure, total in zip(found.problem.measures, added, strict=True)
    }


def outcomes(outlooks: Sequence[ContractProjection], found: Plan, candidates: Candidates) -> dict[str, Any]:
    """By contract number: its rating, and of each measure closures added, expected stars and chances."""
    added = closures(found, candidates)
    named = found.problem.contracts != ("",)
    return {one.contract: outcome_of(one, added, one.contract if named else "") for one in outlooks}


def outcome_of(outlook: ContractProjection, added: Mapping[tuple[str, str], float], name: str) -> dict[str, Any]:
    """One contract; pairs are without and with the plan."""
    method = outlook.method
    rules = {
        measure_id: StarRule(
            method.year.cuts(measure_id, method.rated_as), method.year.measure(measure_id).precision,
            method.year.measure(measure_id).lower_is_better,
        )
        for measure_id in outlook.measures
    }  # fmt: skip
    made = simulating.outcome(
        method.contract(outlook.contract, outlook.fixed), method.year, outlook.measures, rules,
        {measure_id: added.get((name, one.measure), 0.0) for measure_id, one in outlook.measures.items()},
    )  # fmt: skip
    return {
        "rating": outlook.part.value,
        "expected": [made.before.expected, made.after.expected],
        "chances": [chances_of(made.before), chances_of(made.after)],
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
