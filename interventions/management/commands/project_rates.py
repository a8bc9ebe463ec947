"""`manage.py project_rates --contract H1234 --year Y [--json]`: where the measures and the rating will end the year."""

from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.members.models import Contract
from hedis.stars import years
from interventions import projection
from interventions.projecting import Projection
from interventions.projection import ContractProjection
from interventions.rating_odds import RatingOdds


class Command(BaseCommand):
    """Project a contract's year-end rates, stars and rating from its gaps, predictions and past years."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--contract", required=True, help="such as H1234")
        parser.add_argument("--year", type=int, required=True, help="measurement year")

    def run(self, **options: Any) -> dict[str, Any]:
        contract = Contract.objects.filter(number=options["contract"]).first()
        if contract is None:
            raise WrongUse(f"{options['contract']} is no contract of this plan")
        try:
            return as_answer(projection.projected(contract, options["year"]))
        except years.UnknownStarYear as error:
            raise WrongUse(str(error)) from error
        except projection.NothingToProject as reason:
            raise Refused(str(reason)) from reason

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write(
            f"{answer['contract']} measurement year {answer['year']}, as of {answer['data_as_of']}; {answer['method']}"
        )
        heads = ("", "now %", "end %", "80 % interval", "stars now", "expected", "to next star", "can close")
        self.stdout.write("".join(f"{head:>15}" for head in heads))
        for name, one in answer["measures"].items():
            to_next = "" if one["next_star"] is None else f"{one['closures']:,} for {one['next_star']}"
            low, high = one["interval"]
            cells = (
                f"{name} {one['measure']}", f"{one['rate_today']:.1f}", f"{one['rate']:.1f}",
                f"{low:.1f} to {high:.1f}", one["star_today"], f"{one['expected_stars']:.2f}", to_next,
                f"{one['closable']:,}",
            )  # fmt: skip
            self.stdout.write("".join(f"{cell:>15}" for cell in cells))
        chances = answer["rating"]["chances"]
        said = ", ".join(f"{star} stars {chance:.0%}" for star, chance in chances.items())
        self.stdout.write(f"{answer['rating']['part']}: {said or 'not rated, ' + str(answer['rating']['not_rated'])}")
        for code, reason in answer["left_out"].items():
            self.stdout.write(f"left out: {code}, {reason}")


def as_answer(found: ContractProjection) -> dict[str, Any]:
    """The projection as JSON has it; rates in percent."""
    return {
        "contract": found.contract,
        "year": found.year,
        "star_year": found.year + 2,
        "data_as_of": found.data_as_of,
        "method_year": found.method.year.year,
        "method": "; ".join(found.method.notes),
        "measures": {name: measure_answer(one) for name, one in found.measures.items()},
        "fixed_stars": dict(found.fixed),
        "left_out": dict(found.left_out),
        "rating": {"part": found.part.value, **odds_answer(found.independent)},
        "rating_if_errors_are_shared": odds_answer(found.shared),
    }


def measure_answer(one: Projection) -> dict[str, Any]:
    """One measure. `chances` are of 1 to 5 stars, `needed` the numerators at year's end that earn them."""
    return {
        "measure": one.measure,
        "rate_today": 100 * one.rate_today,
        "rate": 100 * one.rate,
        "interval": [100 * one.low, 100 * one.high],
        "numerator": one.numerator,
        "denominator": one.denominator,
        "star_today": one.star_today,
        "expected_stars": one.expected_stars,
        "chances": list(one.odds),
        "needed": list(one.needed),
        "next_star": one.next_star,
        "closures": one.closures,
        "closable": one.closable,
        "methods": dict(one.blend.weights),
        "error": None if one.blend.error is None else 100 * one.blend.error,
        "notes": list(one.notes),
    }


def odds_answer(odds: RatingOdds) -> dict[str, Any]:
    """The chance of each rating, or why there is none."""
    return {
        "chances": {f"{star:.1f}": chance for star, chance in odds.chances.items()},
        "expected": odds.expected,
        "not_rated": odds.not_rated and odds.not_rated.value,
    }
