"""The certificate of a plan: the prices and cuts that prove its bound, as JSON, for `checking` to recompute it."""

import json
from pathlib import Path
from typing import Any

from interventions.optimiser import Plan
from interventions.problem import Floats, Problem

VERSION = 1


def prices_by_name(problem: Problem, prices: Floats) -> dict[str, Any]:
    """Prices under the names of what they are prices of: dollars per closure or unit, and of the dollar itself."""
    measures, floors = len(problem.measures), len(problem.floors)
    values = [float(price) for price in prices]
    return {
        "measures": dict(zip((measure.name for measure in problem.measures), values[:measures], strict=True)),
        "floors": dict(zip(map(problem.floor_name, problem.floors), values[measures : measures + floors], strict=True)),
        "resources": dict(zip(problem.resources, values[measures + floors : -1], strict=True)),
        "budget": values[-1],
    }


def certificate_of(plan: Plan) -> dict[str, Any]:
    """Everything a checker needs beside the problem and the candidates."""
    return {
        "version": VERSION,
        "objective": plan.problem.objective,
        "lower_bound": plan.lower_bound,
        "upper_bound": plan.upper_bound,
        "proof": plan.proof,
        "prices": prices_by_name(plan.problem, plan.prices),
        "cuts": [{**prices_by_name(plan.problem, cut.prices), "constant": cut.constant} for cut in plan.cuts],
    }


def write_certificate(plan: Plan, path: Path) -> None:
    """Write the certificate."""
    path.write_text(json.dumps(certificate_of(plan), indent=1) + "\n", encoding="utf-8")
