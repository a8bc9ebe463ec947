"""Problem and candidate files for the tests of the commands."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from interventions.problem import Problem
from tests.interventions.small_problems import Case, measure, problem

COLUMNS: dict[str, list[Any]] = {
    "member": ["p-1", "p-2", "p-1", "p-3"],
    "action": ["call", "call", "kit", "kit"],
    "cost": [9.0, 9.0, 25.0, 25.0],
    "uplift_GSD": [0.25, 0.25, 0.5, 0.5],
    "uplift_COL": [0.0, 0.25, 0.0, 0.0],
    "use_call": [1, 1, 0, 0],
    "group_lis": [True, False, True, False],
}


def content(**given: Any) -> dict[str, Any]:
    """A problem of two measures and one resource."""
    measures = [measure("GSD", [0, 13, 13.5], weight=3), measure("COL", [0, 20])]
    plain = {"objective": "weighted_stars", "budget": 60, "resources": {"call": 1}, "measures": measures}
    return {**problem([]), **plain, **given}


def write(folder: Path, columns: dict[str, Any] | None = None, **given: Any) -> dict[str, Path]:
    """The two files, with columns replaced (None: left out) and fields of the problem replaced."""
    table = {name: values for name, values in {**COLUMNS, **(columns or {})}.items() if values is not None}
    pq.write_table(pa.table(table), folder / "candidates.parquet")
    (folder / "problem.json").write_text(json.dumps(content(**given)), encoding="utf-8")
    return {"candidates": folder / "candidates.parquet", "problem": folder / "problem.json"}


def write_case(folder: Path, case: Case) -> dict[str, Path]:
    """The files of a problem held in memory."""
    problem, candidates = case
    columns: dict[str, Any] = {
        "member": candidates.member_names.take(pa.array(candidates.member)),
        "action": candidates.action_names.take(pa.array(candidates.action)),
        "cost": candidates.cost,
    }
    for place, one in enumerate(problem.measures):
        columns[f"uplift_{one.code}"] = candidates.uplifts.toarray()[:, place]
    for place, name in enumerate(problem.resources):
        columns[f"use_{name}"] = candidates.uses.toarray()[:, place]
    pq.write_table(pa.table(columns), folder / "candidates.parquet")
    (folder / "problem.json").write_text(json.dumps(as_content(problem)), encoding="utf-8")
    return {"candidates": folder / "candidates.parquet", "problem": folder / "problem.json"}


def as_content(problem: Problem) -> dict[str, Any]:
    """The problem as its file says it; for weighted stars."""
    return {
        "objective": problem.objective,
        "confidence_z": problem.confidence_z,
        "budget": problem.budget,
        "resources": problem.resources,
        "measures": [
            {
                "code": one.code,
                "weight": one.weight,
                "denominator": one.denominator,
                "firm": one.firm,
                "baseline_mean": one.baseline_mean,
                "baseline_variance": one.baseline_variance,
                "cut_counts": list(one.cut_counts),
            }
            for one in problem.measures
        ],
    }
