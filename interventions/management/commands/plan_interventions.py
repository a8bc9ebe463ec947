"""`manage.py plan_interventions`: whom to help, within a budget, so that the stars are worth most.

From files: `--candidates FILE --problem FILE [--output FILE] [--seed N] [--seconds N] [--json]`. Chooses at most one
action a member, within the budget and every capacity, and says what no plan can pass. Writes the plan (`--output`,
.parquet or .csv; without it DATA_DIR/plans), and beside it what was nearly chosen and the certificate that `check_plan`
recomputes the bound from. docs/optimiser.md describes the files.

From the plan's own data: `--contract H1001 [H1002 …] --year Y --budget N [--objective stars|weighted_stars|dollars]
[--confidence Z] [--capacity phone=500 …] [--floor lis:COL=25 …] [--counties FILE] [--json]`. Stores the plan; the same
answer with its id. Several contracts share budget and capacities; their measures are named H1001/COL. For dollars the
stored counties are taken (`import_counties`), or for one contract those of a file.

Exit 1 where a file or the data cannot be planned from, 2 for a wrong call.
"""

import math
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.members.models import Contract
from hedis.stars import years
from interventions import certificate, counties, county_file, deciding, projection, reasons
from interventions.answering import answer_of
from interventions.candidates import PARQUET, Candidates, read_candidates
from interventions.deciding import Wish
from interventions.money import County
from interventions.optimiser import Plan, optimise
from interventions.plan_floors import FloorWanted
from interventions.problem import OBJECTIVES, ProblemError, read_problem

ENDINGS = (*PARQUET, ".csv")
FROM_FILES, FROM_DATA = ("candidates", "problem"), ("contract", "year", "budget")
ONLY_FILES, ONLY_DATA = ("output", "seconds"), ("objective", "confidence", "capacity", "floor", "counties")


class Command(BaseCommand):
    """Plan the interventions of a problem file, or of contracts of this plan."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        files = parser.add_argument_group("from files")
        files.add_argument("--candidates", type=Path, metavar="FILE", help="what could be done for whom")
        files.add_argument("--problem", type=Path, metavar="FILE", help="measures, budget, capacities (.json)")
        files.add_argument("--output", type=Path, metavar="FILE", help="the plan (.parquet or .csv)")
        files.add_argument("--seed", type=int, default=0, help="of every random choice (default 0)")
        files.add_argument("--seconds", type=float, help="end the search after so long (default: by the work done)")
        data = parser.add_argument_group("from the plan's own data")
        data.add_argument("--contract", nargs="+", metavar="NUMBER", help="such as H1234; several share the budget")
        data.add_argument("--year", type=int, help="measurement year")
        data.add_argument("--budget", help="dollars")
        data.add_argument("--objective", choices=OBJECTIVES, help="default: weighted_stars")
        data.add_argument("--confidence", type=float, metavar="Z", help="deviations kept above each cut (default 0)")
        data.add_argument("--capacity", nargs="+", metavar="CHANNEL=N", help="contacts there are, as in phone=500")
        data.add_argument("--floor", nargs="+", metavar="GROUP:MEASURE=N", help="least closures, as in lis:COL=25")
        data.add_argument("--counties", type=Path, metavar="FILE", help="what ratings are worth, .csv; else as stored")

    def run(self, **options: Any) -> dict[str, Any]:
        begun = time.monotonic()
        answer = from_data(options) if way_of(options) == FROM_DATA else from_files(options)
        return {**answer, "seconds": round(time.monotonic() - begun, 2)}

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write("\n".join(words(answer)))


def way_of(options: dict[str, Any]) -> tuple[str, ...]:
    """From files or from data; a call that mixes them, or lacks something, is refused before any work."""
    given = {name for name, value in options.items() if value is not None}
    ways = {FROM_FILES: ONLY_FILES, FROM_DATA: ONLY_DATA}
    begun = [way for way, more in ways.items() if given & {*way, *more}]
    if len(begun) == 2:
        raise WrongUse("Give --candidates and --problem, or --contract, --year and --budget; not both.")
    way = begun[0] if begun else FROM_FILES
    for name in way:
        if name not in given:
            raise WrongUse(f"--{name} is missing.")
    if options["seed"] < 0:
        raise WrongUse(f"--seed is {options['seed']}; it is a whole number from 0.")
    if options["seconds"] is not None and not options["seconds"] >= 0:
        raise WrongUse(f"--seconds is {options['seconds']:g}; it is a number from 0.")
    return way


def from_files(options: dict[str, Any]) -> dict[str, Any]:
    """Plan a problem file."""
    output = output_of(options)
    try:
        problem = read_problem(options["problem"])
        candidates = read_candidates(options["candidates"], problem)
        seconds = math.inf if options["seconds"] is None else options["seconds"]
        plan = optimise(problem, candidates, seed=options["seed"], seconds=seconds)
    except ProblemError as error:
        file = error.file or options["problem"].name
        raise Refused(str(error), file=file, row=error.row, field=error.field, reason=error.reason) from error
    try:
        written = write(plan, candidates, output)
    except OSError as error:
        raise Refused(f"{output}: cannot be written: {error.strerror}", file=str(output)) from error
    return {**answer_of(plan), **written}


def from_data(options: dict[str, Any]) -> dict[str, Any]:
    """Plan for the members of contracts and store it."""
    contracts = contracts_of(options["contract"])
    objective = options["objective"] or "weighted_stars"
    try:
        wish = Wish(
            dollars(options["budget"]), objective, options["confidence"] or 0.0, capacities(options["capacity"] or []),
            paid_counties(contracts, options["year"], objective, options["counties"]),
            [FloorWanted.from_text(text) for text in options["floor"] or []],
        )  # fmt: skip
        plan = deciding.decide(
            contracts, options["year"], wish, seed=options["seed"], today=timezone.localdate(), by="plan_interventions"
        )
    except years.UnknownStarYear as error:
        raise WrongUse(str(error)) from error
    except ProblemError as error:
        raise Refused(str(error), field=error.field, reason=error.reason) from error
    except (projection.NothingToProject, deciding.NothingToPlan) as reason:
        raise Refused(str(reason)) from reason
    return deciding.as_facts(plan)


def contracts_of(numbers: list[str]) -> list[Contract]:
    """The contracts of these numbers, in their order."""
    known = {one.number: one for one in Contract.objects.filter(number__in=numbers)}
    for number in numbers:
        if number not in known:
            raise WrongUse(f"{number} is no contract of this plan")
    return [known[number] for number in dict.fromkeys(numbers)]


def dollars(text: str) -> Decimal:
    """The budget; whether it can be is the problem's to say."""
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise WrongUse(f"--budget is {text!r}; it is an amount of dollars.") from error


def capacities(given: list[str]) -> dict[str, float]:
    """Channel to number of contacts."""
    found = {}
    for one in given:
        channel, _, number = one.partition("=")
        if channel not in deciding.CHANNELS:
            raise WrongUse(f"--capacity {one}: the channels are {', '.join(deciding.CHANNELS)}.")
        try:
            found[channel] = float(number)
        except ValueError as error:
            raise WrongUse(f"--capacity {one}: {number!r} is no number.") from error
    return found


def paid_counties(
    contracts: list[Contract], year: int, objective: str, file: Path | None
) -> dict[str, tuple[County, ...]]:
    """What turns ratings into dollars, by contract: those stored, or of one contract the file's."""
    if file and (objective != "dollars" or len(contracts) > 1):
        raise WrongUse("--counties FILE goes with --objective dollars and one contract.")
    if objective != "dollars":
        return {}
    found = {one.number: of_file(file) if file else counties.stored(one, year) for one in contracts}
    if missing := [number for number, of_it in found.items() if not of_it]:
        raise WrongUse(
            f"--objective dollars: no counties of {', '.join(missing)} are stored for {year}. Give --counties FILE, or "
            "store them first (manage.py import_counties)."
        )
    return found


def of_file(file: Path) -> tuple[County, ...]:
    """The counties of a CSV file, each row checked."""
    try:
        return tuple(county_file.read(file.read_bytes(), file.name))
    except OSError as error:
        raise Refused(f"{file}: cannot be read: {error.strerror}", file=str(file)) from error
    except county_file.UnusableFile as error:
        raise Refused(str(error), file=file.name, errors=error.errors) from error


def output_of(options: dict[str, Any]) -> Path:
    """Where the plan of a problem file goes."""
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


def words(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    said = [f"Plan {answer['id']}, on data of {answer['data_as_of']}"] if "id" in answer else []
    said += [
        f"{answer['objective']:,.2f} reached; no plan can pass {answer['upper_bound']:,.2f} (gap {answer['gap']:.2%})",
        f"{answer['chosen']:,} actions for ${answer['spend']:,.2f} of ${answer['budget']:,.2f}",
    ]
    said += [f"  {name}: {one['used']:,g} of {one['capacity']:,g}" for name, one in answer["resources"].items()]
    for name, one in answer["stars"].items():
        price = answer["prices"]["measures"][name]
        said.append(f"  {name}: {one['before']} to {one['after']} stars; a closure is worth ${price:,.2f}")
    said += [f"  floor {name}: {one['closures']:,.1f} of {one['floor']:,.1f}" for name, one in answer["floors"].items()]
    if equity := answer.get("price_of_equity"):
        said.append(f"  without the floors {equity['objective_without']:,.2f} would be reached")
    said += [f"  left out: {name}, {reason}" for name, reason in answer.get("left_out", {}).items()]
    return [*said, f"Plan: {answer['plan']}", f"Certificate: {answer['certificate']}", f"{answer['seconds']} s"]
