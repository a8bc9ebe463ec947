"""`manage.py project_rates --contract H1234 --year Y [--back-test] [--json]`: where a contract will end the year.

With --back-test also how projections of past years did, made at this time of theirs.
"""

from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.members.models import Contract
from hedis.stars import years
from interventions import back_testing, projection
from interventions.back_testing import Together
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
        parser.add_argument("--back-test", action="store_true", help="also how projections of past years did")

    def run(self, **options: Any) -> dict[str, Any]:
        contract = Contract.objects.filter(number=options["contract"]).first()
        if contract is None:
            raise WrongUse(f"{options['contract']} is no contract of this plan")
        try:
            found = projection.projected(contract, options["year"])
        except years.UnknownStarYear as error:
            raise WrongUse(str(error)) from error
        except projection.NothingToProject as reason:
            raise Refused(str(reason)) from reason
        return as_answer(found) | ({"back_test": back_test(found)} if options["back_test"] else {})

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
        if "back_test" in answer:
            self.show_back_test(answer["back_test"])

    def show_back_test(self, told: dict[str, Any]) -> None:
        """How projections of past years did, a line a measure; errors and losses in points."""
        heads = ("", "years", "error", "pinball", "within 80 %", "by method")
        self.stdout.write("".join(f"{head:>15}" for head in heads))
        for name, one in told["measures"].items():
            held = "" if one["covered"] is None else f"{one['covered'] * len(one['years']):.0f} of {len(one['years'])}"
            methods = ", ".join(f"{method} {error:.1f}" for method, error in one["errors"].items())
            figures = ("-" if one[key] is None else f"{one[key]:.2f}" for key in ("error", "loss"))
            cells = (f"{name} {one['measure']}", len(one["years"]), *figures, held or "-", f"  {methods}")
            self.stdout.write("".join(f"{cell:>15}" for cell in cells))
        self.stdout.write(told["words"])


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


def back_test(found: ContractProjection) -> dict[str, Any]:
    """How projections of past years did; errors and losses in points."""
    measures = {
        name: {
            "measure": found.measures[name].measure, "years": list(one.years), "enough": one.enough,
            "errors": {method: 100 * error for method, error in one.errors.items()},
            "error": None if one.error is None else 100 * one.error,
            "loss": None if one.loss is None else 100 * one.loss, "covered": one.covered,
            "past": [
                {"year": past.year, "rate": 100 * past.rate, "interval": [100 * past.low, 100 * past.high],
                 "actual": 100 * past.actual}
                for past in one.past
            ],
        }
        for name, one in found.verdicts.items()
    }  # fmt: skip
    return {"measures": measures, "words": in_words(back_testing.together(found.verdicts.values()))}


def in_words(every: Together | None) -> str:
    """All measures' past projections in a sentence."""
    if every is None:
        return "No projection of a past year could be judged: that takes two past years read now and to their end."
    years = ", ".join(map(str, every.years))
    few = "" if every.enough else f" {len(every.years)} is too few to judge an interval by, which takes three."
    return f"{every.held} of {every.projections} intervals held, four of five should; past years: {years}.{few}"


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
