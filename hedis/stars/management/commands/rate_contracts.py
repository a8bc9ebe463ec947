"""`manage.py rate_contracts --year Y [--contract H1234] [--as-of DATE] [--json]`: rate our own contracts and keep it.

Gaps give the scores of the measures we compute, entered scores the others. The same inputs give the stored rating.
"""

from datetime import date
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.members.models import Contract
from hedis.stars import rating, years
from hedis.stars.models import Rating

REASONS = {"too_few_measures": "not enough measures", "no_measures": "no measures", "summaries_missing": "no summaries"}


class Command(BaseCommand):
    """Rate the plan's contracts in a Star year as their data stand."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--year", type=int, required=True, help="Star year: measurement year + 2")
        parser.add_argument("--contract", default="", help="only this contract, such as H1234")
        parser.add_argument("--as-of", type=date.fromisoformat, help="not on later data than this (default: today)")

    def run(self, **options: Any) -> dict[str, Any]:
        year, number = options["year"], options["contract"]
        today = timezone.localdate()
        as_of = options["as_of"] or today
        if as_of > today:
            raise WrongUse(f"--as-of {as_of} lies in the future")
        contracts = Contract.objects.filter(number=number) if number else Contract.objects.all()
        if number and not contracts:
            raise WrongUse(f"{number} is no contract of this plan")
        ratings, not_rated = [], {}
        for contract in contracts:
            try:
                ratings.append(as_answer(rating.rate(contract, year, as_of=as_of, by="rate_contracts")))
            except years.UnknownStarYear as error:
                raise WrongUse(str(error)) from error
            except rating.NotRatable as reason:
                not_rated[contract.number] = str(reason)
        answer = {"year": year, "ratings": ratings, "not_rated": not_rated}
        if not ratings:
            raise Refused("; ".join(not_rated.values()) or "there are no contracts", **answer)
        return answer

    def show(self, answer: dict[str, Any]) -> None:
        for one in answer["ratings"]:
            said = ", ".join(f"{name} {words}" for name, words in one["said"].items())
            self.stdout.write(f"{one['contract']} Star year {one['star_year']}: {said}")
            for measure_id, star in one["measures"].items():
                self.stdout.write(f"  {measure_id}: {star['score']}, {star['star']} of 5 stars")
            self.stdout.write(f"  {one['method']}")
        for reason in answer["not_rated"].values():
            self.stdout.write(f"not rated: {reason}")


def as_answer(one: Rating) -> dict[str, Any]:
    """One rating of the answer; `said` is for people."""
    parts = one.explanation["ratings"]
    return {
        "id": one.pk,
        "contract": one.contract.number,
        "star_year": one.star_year,
        "method_year": one.method_year,
        "method": one.method,
        "data_as_of": one.data_as_of,
        **{name: part["star"] for name, part in parts.items()},
        "said": {part["name"]: said(part) for part in parts.values()},
        "measures": {each["id"]: {"score": each["shown_score"], "star": each["star"]} for each in one.measures},
    }


def said(part: dict[str, Any]) -> str:
    """A rating in words: its star, or why there is none."""
    if part["star"]:
        return f"{part['star']} stars"
    minimum = f" ({part['rated_measures']} of {part['minimum']})" if part["minimum"] else ""
    return f"not rated, {REASONS[part['reason']]}{minimum}"
