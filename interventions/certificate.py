"""The certificate of a plan: the prices and cuts that prove its bound, as JSON, for `checking` to recompute it."""

import json
from pathlib import Path
from typing import Any

from interventions.ladders import Ladder, Rung
from interventions.optimiser import Plan
from interventions.pool import Cut
from interventions.problem import Floats, Problem

VERSION = 2


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


def cut_by_name(problem: Problem, cut: Cut) -> dict[str, Any]:
    """A cut: its prices and its constant."""
    return {**prices_by_name(problem, cut.prices), "constant": cut.constant}


def ladder_by_name(problem: Problem, rungs: list[Rung], ladder: Ladder) -> dict[str, Any]:
    """A ladder: its straight cut, the weights of the measures, and by how much the price of each level differs."""
    names = [measure.name for measure in problem.measures]
    shifts: dict[str, dict[str, float]] = {name: {} for name in names}
    for rung, shift in zip(rungs, ladder.shifts, strict=True):
        shifts[names[rung.measure]][str(rung.stars)] = float(shift)
    weights = dict(zip(names, map(float, ladder.weights), strict=True))
    return {**cut_by_name(problem, ladder.cut), "weights": weights, "shifts": shifts}


def certificate_of(plan: Plan) -> dict[str, Any]:
    """Everything a checker needs beside the problem and the candidates."""
    return {
        "version": VERSION,
        "objective": plan.problem.objective,
        "lower_bound": plan.lower_bound,
        "upper_bound": plan.upper_bound,
        "proof": plan.proof,
        "prices": prices_by_name(plan.problem, plan.prices),
        "cuts": [cut_by_name(plan.problem, cut) for cut in plan.cuts],
        "ladders": [ladder_by_name(plan.problem, plan.rungs, ladder) for ladder in plan.ladders],
    }


def write_certificate(plan: Plan, path: Path) -> None:
    """Write the certificate."""
    path.write_text(json.dumps(certificate_of(plan), indent=1) + "\n", encoding="utf-8")
