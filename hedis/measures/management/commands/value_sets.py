"""`manage.py value_sets`: which evidence routes are active, and which list is missing where one is not."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from hedis.engine.codes import CodeError, Route
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.measures import coverage, loading
from hedis.measures.definitions import DEFINITIONS


class Command(BaseCommand):
    """Per measure its evidence routes (active, partly active, inactive) with codes by vocabulary; per value set where
    its codes come from; and the loaded sets nothing asks for."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--measure", default="", help="only this measure, such as COL")
        parser.add_argument("--year", type=int, help="measurement year (default: this year)")

    def run(self, **options: Any) -> dict[str, Any]:
        year = options["year"] or timezone.localdate().year
        only = options["measure"].upper()
        if only and only not in DEFINITIONS:
            raise WrongUse(f"{only} is no computed measure; these are: {', '.join(sorted(DEFINITIONS))}.")
        try:
            measures = coverage.measures(year, loading.own_lists(), [only] if only else [])
            sets = coverage.sets(year, loading.own_lists())
        except CodeError as error:
            raise Refused(str(error), file=error.file, row=error.row, field=error.field, reason=error.reason) from error
        return {
            "year": year,
            "measures": {each.code: measure_words(each) for each in measures},
            "value_sets": {
                each.name: {
                    "codes": dict(each.codes), "packaged": each.packaged, "own": each.own, "measures": each.measures,
                    "source": each.source,
                }
                for each in sets
                if not only or only in each.measures
            },
            "unused": [each.name for each in sets if each.own and not each.measures],
        }  # fmt: skip

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write(f"Measurement year {answer['year']}")
        for code, measure in answer["measures"].items():
            self.stdout.write(f"\n{code}: numerator {measure['numerator']}")
            for route in measure["routes"]:
                counts = ", ".join(f"{number} {name}" for name, number in route["loaded"].items()) or "no code"
                absent = f"; needs {', '.join(route['absent'])}" if route["absent"] else ""
                self.stdout.write(f"  {route['state']:14} {route['part']}: {route['name']} ({counts}{absent})")
            if measure["missing"]:
                self.stdout.write(f"  without any code: {', '.join(measure['missing'])}")
        self.stdout.write("\nWhere the codes come from")
        for name, each in answer["value_sets"].items():
            where = [*each["packaged"], *(f"own: {file}" for file in each["own"])]
            self.stdout.write(f"  {name}: {sum(each['codes'].values())} codes, {', '.join(where) or 'no list'}")
        if answer["unused"]:
            self.stdout.write(f"\nLoaded, and no definition asks for it: {', '.join(answer['unused'])}")


def measure_words(measure: coverage.MeasureCoverage) -> dict[str, Any]:
    """A measure's coverage as the answer holds it."""
    return {
        "numerator": measure.numerator.value,
        "routes": [route_words(route) for route in measure.routes],
        "missing": measure.missing,
    }


def route_words(route: Route) -> dict[str, Any]:
    """A route as the answer holds it."""
    return {
        "part": route.part, "name": route.name, "state": route.state.value, "value_sets": route.value_sets,
        "loaded": dict(route.loaded), "absent": route.absent, "empty": route.empty,
    }  # fmt: skip
