"""`manage.py plan_interventions --candidates FILE --problem FILE [--output FILE] [--seed N] [--json]`: whom to help.

Chooses at most one action a member, within the budget and every capacity, so that the stars are worth most, and says
what no plan can pass. Writes the plan (`--output`, .parquet or .csv; without it DATA_DIR/plans), and beside it what
was nearly chosen and the certificate that `check_plan` recomputes the bound from. docs/optimiser.md describes the
files. Exit 1 where a file cannot be planned from, 2 for a wrong call.
"""

import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from interventions import certificate, reasons
from interventions.candidates import PARQUET, Candidates, read_candidates
from interventions.optimiser import Plan, optimise
from interventions.problem import ProblemError, read_problem

ENDINGS = (*PARQUET, ".csv")


class Command(BaseCommand):
    """Plan the interventions of a problem file."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--candidates", type=Path, metavar="FILE", help="what could be done for whom (.parquet, .csv)"
        )
        parser.add_argument("--problem", type=Path, metavar="FILE", help="measures, budget, capacities (.json)")
        parser.add_argument("--output", type=Path, metavar="FILE", help="the plan (.parquet or .csv)")
        parser.add_argument("--seed", type=int, default=0, help="of every random choice (default 0)")

    def run(self, **options: Any) -> dict[str, Any]:
        begun = time.monotonic()
        output = output_of(options)
        try:
            problem = read_problem(options["problem"])
            candidates = read_candidates(options["candidates"], problem)
            plan = optimise(problem, candidates, seed=options["seed"])
        except ProblemError as error:
            file = error.file or options["problem"].name
            raise Refused(str(error), file=file, row=error.row, field=error.field, reason=error.reason) from error
        try:
            written = write(plan, candidates, output)
        except OSError as error:
            raise Refused(f"{output}: cannot be written: {error.strerror}", file=str(output)) from error
        return {**answer_of(plan), **written, "seconds": round(time.monotonic() - begun, 2)}

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write("\n".join(words(answer)))


def output_of(options: dict[str, Any]) -> Path:
    """Where the plan goes; a wrong call is refused before any work."""
    for name in ("candidates", "problem"):
        if options[name] is None:
            raise WrongUse(f"--{name} FILE is missing.")
    if options["seed"] < 0:
        raise WrongUse(f"--seed is {options['seed']}; it is a whole number from 0.")
    output: Path | None = options["output"]
    if output is None:
        return Path(settings.DATA_DIR) / "plans" / f"{options['candidates'].stem}.plan.parquet"
    if output.suffix.lower() not in ENDINGS:
        raise WrongUse(f"--output {output}: the plan is written as {', '.join(ENDINGS)}.")
    return output


def write(plan: Plan, candidates: Candidates, output: Path) -> dict[str, str]:
    """Write the plan and what belongs to it; each file appears whole."""
    output.parent.mkdir(parents=True, exist_ok=True)
    near = output.with_name(f"{output.stem}.near{output.suffix}")
    proof = output.with_name(f"{output.stem}.certificate.json")
    for found, path in ((reasons.chosen(plan, candidates), output), (reasons.nearly_chosen(plan, candidates), near)):
        partial = path.with_name(f".{path.stem}.partial{path.suffix}")
        reasons.write_table(found, partial)
        partial.replace(path)
    certificate.write_certificate(plan, proof)
    return {"plan": str(output), "near": str(near), "certificate": str(proof)}


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
        "prices": certificate.prices_by_name(problem, plan.prices),
    }


def words(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    said = [
        f"{answer['objective']:,.2f} reached; no plan can pass {answer['upper_bound']:,.2f} (gap {answer['gap']:.2%})",
        f"{answer['chosen']:,} actions for ${answer['spend']:,.2f} of ${answer['budget']:,.2f}",
    ]
    said += [f"  {name}: {one['used']:,g} of {one['capacity']:,g}" for name, one in answer["resources"].items()]
    for name, one in answer["stars"].items():
        price = answer["prices"]["measures"][name]
        said.append(f"  {name}: {one['before']} to {one['after']} stars; a closure is worth ${price:,.2f}")
    said += [f"  floor {name}: {one['closures']:,.1f} of {one['floor']:,.1f}" for name, one in answer["floors"].items()]
    return [*said, f"Plan: {answer['plan']}", f"Certificate: {answer['certificate']}", f"{answer['seconds']} s"]
