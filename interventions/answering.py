"""The figures of a plan, as commands, pages and the API tell them. Pure."""

from typing import Any

from interventions.certificate import prices_by_name
from interventions.optimiser import Plan


def answer_of(plan: Plan) -> dict[str, Any]:
    """The figures of a plan; `objective` is the worth it reaches."""
    problem, found = plan.problem, plan.tally
    return {
        "objective": plan.lower_bound,
        "lower_bound": plan.lower_bound,
        "upper_bound": plan.upper_bound,
        "gap": plan.gap,
        "proof": plan.proof,
        "budget": problem.budget,
        "spend": found.spend,
        "resources": {
            name: {"used": used, "capacity": cap}
            for (name, cap), used in zip(problem.resources.items(), found.uses, strict=True)
        },
        "stars": {
            measure.name: {"before": measure.held, "after": after}
            for measure, after in zip(problem.measures, found.stars, strict=True)
        },
        "floors": {
            problem.floor_name(floor): {"closures": had, "floor": floor.closures}
            for floor, had in zip(problem.floors, found.floors, strict=True)
        },
        "chosen": len(plan.rows),
        "prices": prices_by_name(problem, plan.prices),
    }
