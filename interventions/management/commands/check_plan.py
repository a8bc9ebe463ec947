"""`manage.py check_plan --candidates FILE --problem FILE --plan FILE [--certificate FILE] [--json]`: is it as it says?

Adds the plan up anew, recomputes the bound from the prices of its certificate (without `--certificate` the one beside
the plan) with one exact pass over the candidates for each cut, and compares. Exit 1 where anything is not as it says.
"""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused
from interventions.candidates import read_candidates
from interventions.checking import check, read_certificate, read_plan
from interventions.problem import ProblemError, read_problem


class Command(BaseCommand):
    """Check a plan and its certificate against the files it was made from."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--candidates", type=Path, required=True, metavar="FILE", help="what the plan was made from"
        )
        parser.add_argument("--problem", type=Path, required=True, metavar="FILE", help="what the plan was made for")
        parser.add_argument("--plan", type=Path, required=True, metavar="FILE", help="the plan to check")
        parser.add_argument(
            "--certificate", type=Path, metavar="FILE", help="its certificate (default: the one beside it)"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        plan: Path = options["plan"]
        beside = options["certificate"] or plan.with_name(f"{plan.stem}.certificate.json")
        try:
            problem = read_problem(options["problem"])
            candidates = read_candidates(options["candidates"], problem)
            certificate = read_certificate(beside, problem)
            checked = check(problem, candidates, read_plan(plan, candidates), certificate)
        except ProblemError as error:
            raise Refused(str(error), file=error.file, row=error.row, field=error.field, reason=error.reason) from error
        answer = {
            "valid": not checked.findings,
            "objective": checked.worth,
            "upper_bound": checked.upper_bound,
            "cuts": len(certificate["cuts"]),
            "findings": checked.findings,
        }
        if checked.findings:
            raise Refused("; ".join(checked.findings), **answer)
        return answer
