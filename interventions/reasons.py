"""Why an action is in the plan, or nearly was: what its closures are worth at the plan's prices, and what it takes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from interventions.candidates import PARQUET, Candidates
from interventions.optimiser import Plan
from interventions.pool import usable
from interventions.problem import Floats, Integers, Problem

# An action is nearly chosen when a discount of this share on what it takes would make it as good as what was chosen.
NEARLY = 0.10


def priced(problem: Problem, candidates: Candidates, prices: Floats, rows: Integers) -> dict[str, Floats]:
    """By name, for each row: dollars its closures are worth by measure and floor, dollars of its resources, the sums.

    `reduced_value` is worth less cost less the resources' price: what doing it is worth beyond what it takes.
    """
    measures, floors = len(problem.measures), len(problem.floors)
    uplifts, uses = candidates.uplifts[rows], candidates.uses[rows]
    worth, charge = {}, {}
    for place, measure in enumerate(problem.measures):
        worth[f"worth_{measure.name}"] = uplifts[:, [place]].toarray().ravel() * prices[place]
    for place, floor in enumerate(problem.floors):
        inside = candidates.groups[floor.group][rows] * prices[measures + place]
        worth[f"floor_{problem.floor_name(floor)}"] = uplifts[:, [floor.measure]].toarray().ravel() * inside
    for place, name in enumerate(problem.resources):
        charge[f"charge_{name}"] = uses[:, [place]].toarray().ravel() * prices[measures + floors + place]
    nothing = np.zeros(len(rows))
    total, charged = sum(worth.values(), nothing), sum(charge.values(), nothing)
    return {
        "reduced_value": total - charged - candidates.cost[rows],
        "worth": total,
        "charge": charged,
        **worth,
        **charge,
    }


def table(plan: Plan, candidates: Candidates, rows: Integers) -> pa.Table:
    """Member, action, cost and the reason of some rows of the file."""
    names = {
        "member": candidates.member_names.take(pa.array(candidates.member[rows])),
        "action": candidates.action_names.take(pa.array(candidates.action[rows])),
        "cost": candidates.cost[rows],
    }
    return pa.table({**names, **priced(plan.problem, candidates, plan.prices, rows)})


def chosen(plan: Plan, candidates: Candidates) -> pa.Table:
    """The plan, an action a line, in the order of the candidates."""
    return table(plan, candidates, plan.rows)


def nearly_chosen(plan: Plan, candidates: Candidates) -> pa.Table:
    """Actions that were not chosen by little, most valuable first."""
    return table(plan, candidates, near_rows(plan, candidates))


def near_rows(plan: Plan, candidates: Candidates) -> Integers:
    """Their rows in the file."""
    problem, everything = plan.problem, np.arange(candidates.rows)
    worth = candidates.uplifts @ plan.prices[: len(problem.measures)]
    for place, floor in enumerate(problem.floors, len(problem.measures)):
        worth += (
            candidates.uplifts[:, [floor.measure]].toarray().ravel()
            * candidates.groups[floor.group]
            * plan.prices[place]
        )
    first = len(problem.measures) + len(problem.floors)
    takes = candidates.cost + candidates.uses @ plan.prices[first:-1]
    best = np.zeros(len(candidates.member_names))
    best[candidates.member[plan.rows]] = np.maximum((worth - takes)[plan.rows], 0.0)
    near = usable(problem, candidates) & (worth > 0) & (worth - takes >= best[candidates.member] - NEARLY * takes)
    near[plan.rows] = False
    rows = everything[near]
    return rows[np.argsort((takes - worth)[rows], kind="stable")]


def write_table(found: pa.Table, path: Path) -> None:
    """Write Parquet or CSV, by the ending."""
    if path.suffix.lower() in PARQUET:
        pq.write_table(found, path)
    else:
        pa_csv.write_csv(found, path)
