"""`manage.py score_gaps --year Y [--contract H] [--json]`: score every open gap of a year that a model is deployed for.

Goes on with a run that was stopped. Exit 1 where no model is deployed or there is nothing to score (the error says what
to do), 2 for a wrong call.
"""

from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.members.models import Contract
from predictions import portfolio_run
from predictions.judging import ScoringError
from predictions.models import ModelVersion, ScoringRun

BY = "score_gaps"


class Command(BaseCommand):
    """Score the whole portfolio of a year, here and now."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--year", type=int, required=True, help="measurement year")
        parser.add_argument("--contract", default="", metavar="H", help="only the gaps of this contract, such as H1234")

    def run(self, **options: Any) -> dict[str, Any]:
        contract = contract_of(options["contract"])
        try:
            run = portfolio_run.take_up(year=options["year"], contract=contract, by=BY)
            return answer_of(portfolio_run.carry_on(run, by=BY))
        except ScoringError as error:
            raise Refused(str(error), reason=str(error)) from error

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write(f"{answer['scored']:,} gaps scored in {answer['seconds']} s")
        for reason, count in answer["skipped"].items():
            self.stdout.write(f"  {count:,} not scored: {reason}")
        for measure, model in answer["model"].items():
            self.stdout.write(f"  {measure}: {model}")


def contract_of(number: str) -> Contract | None:
    """The contract named, none where none is."""
    if not number:
        return None
    found = Contract.objects.filter(number=number).first()
    if found is None:
        raise WrongUse(f"--contract: there is no contract {number!r}.")
    return found


def answer_of(run: ScoringRun) -> dict[str, Any]:
    """What the run did, all its parts together."""
    names = {model.pk: str(model) for model in ModelVersion.objects.filter(pk__in=run.model_ids.values())}
    return {
        "run": run.pk,
        "year": run.year,
        "as_of": run.as_of,
        "scored": run.scored,
        "skipped": run.skipped,
        "model": {code: names[pk] for code, pk in run.model_ids.items()},
        "seconds": round(run.seconds, 1),
        "rows_per_second": round(run.scored / run.seconds) if run.seconds else None,
    }
