"""`manage.py derive_cut_points --year Y DIR [--prior DIR] [--seed N] [--forecast] [--csv FILE] [--json]`.

Derives the non-CAHPS cut points from the scores in a folder of CMS's published tables (Tukey outer fences, ten-fold
leave-one-out Ward clustering, guardrails) and reports how far they are from the ones CMS published. CMS's random split
and the contracts that ended are not public, so the distance is part of the answer. With `--forecast` the scores stand
for next year's and the guardrails hold against this year's cut points.
"""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from hedis.engine.rating_year import CutPoints
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.lib.csvfile import lines
from hedis.stars import clustering, verification, years
from hedis.stars.published import PublishedError

HEADER = ("measure_id", "contract_type", "contracts", "outliers", "lower_fence", "upper_fence", "cap", "stars",
          "resampled", "guarded", "published", "problem")  # fmt: skip


class Command(BaseCommand):
    """Derive cut points from published scores and say how close they come."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path, metavar="DIR", help="folder of CMS's published CSV tables")
        parser.add_argument("--year", type=int, required=True, help="Star year of the tables")
        parser.add_argument("--prior", type=Path, metavar="DIR", help="tables of the year before: disaster reversions")
        parser.add_argument("--seed", type=int, default=8675309, help="of the random ten groups")
        parser.add_argument("--forecast", action="store_true", help="guardrails against this year's cut points")
        parser.add_argument("--csv", type=Path, metavar="FILE", help="also write every cut point as CSV")

    def run(self, **options: Any) -> dict[str, Any]:
        folder, prior, year = options["folder"], options["prior"], options["year"]
        for given in (folder, prior):
            if given and not given.is_dir():
                raise WrongUse(f"{given} is not a folder")
        try:
            release = verification.read_release(folder, year)
            before = verification.read_prior(prior, year) if prior else None
        except years.UnknownStarYear as error:
            raise WrongUse(str(error)) from error
        except PublishedError as error:
            raise Refused(str(error)) from error
        found = list(clustering.derive(release, before, seed=options["seed"], forecast=options["forecast"]))
        if options["csv"]:
            rows = [row for one in found for row in csv_rows(one)]
            options["csv"].write_text("".join(lines(HEADER, rows)), encoding="utf-8", newline="")
        steps = [] if options["forecast"] else [step for one in found for step in one.steps_off()]
        return {
            "year": year,
            "seed": options["seed"],
            "forecast": options["forecast"],
            "tolerance": {
                "cut_points": len(steps),
                "equal": sum(step == 0 for step in steps),
                "within_one_step": sum(step <= 1 for step in steps),
                "furthest_steps": max(steps, default=0),
            },
            "measures": [as_answer(one) for one in found],
        }

    def show(self, answer: dict[str, Any]) -> None:
        for one in answer["measures"]:
            said = one["problem"] or f"{one['guarded']}, published {one['published']}"
            self.stdout.write(f"{one['measure_id']} {one['contract_type']}: {said}")
        tolerance = answer["tolerance"]
        self.stdout.write(
            f"{tolerance['equal']} of {tolerance['cut_points']} cut points equal, "
            f"{tolerance['within_one_step']} within one step, furthest {tolerance['furthest_steps']} steps"
        )


def texts(cuts: CutPoints | None) -> list[str] | None:
    """Cut points from 2 to 5 stars as exact text."""
    return None if cuts is None else [f"{cut:f}" for cut in cuts]


def as_answer(one: clustering.Derived) -> dict[str, Any]:
    """One measure of the answer."""
    return {
        "measure_id": one.measure.id,
        "contract_type": one.contract_type,
        "contracts": one.contracts,
        "outliers": one.outliers,
        "fences": [f"{one.fences.lower:f}", f"{one.fences.upper:f}"] if one.fences else None,
        "resampled": texts(one.resampled),
        "cap": None if one.cap is None else f"{one.cap:f}",
        "guarded": texts(one.guarded),
        "published": texts(one.published),
        "problem": one.problem,
    }


def csv_rows(one: clustering.Derived) -> list[list[Any]]:
    """One row a star level."""
    fences = (one.fences.lower, one.fences.upper) if one.fences else ("", "")
    head = [one.measure.id, one.contract_type, one.contracts, one.outliers, *fences, one.cap]
    columns = [texts(cuts) or [""] * 4 for cuts in (one.resampled, one.guarded, one.published)]
    return [[*head, star, *levels, one.problem] for star, *levels in zip((2, 3, 4, 5), *columns, strict=True)]
