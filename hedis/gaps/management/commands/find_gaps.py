"""`manage.py find_gaps --year Y [--as-of DAY --counts-only]`: measure the plan and bring every gap in care up to date.

With --counts-only gaps stay as they are: a past day's counts are kept, for projections to learn from.
"""

from dataclasses import asdict
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone
from django.utils.module_loading import import_string

from hedis.engine.backends import DUCKDB, NAMES, NoEngine, SparkOptions, opened
from hedis.evidence.warehouse import NoWarehouse
from hedis.gaps import finding, reading
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.measures import loading


class Command(BaseCommand):
    """Find open, closed and excluded gaps of a measurement year from the claims warehouse."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--year", type=int, required=True, help="measurement year")
        parser.add_argument("--as-of", type=date.fromisoformat, help="what was known on this day (default: today)")
        parser.add_argument("--contract", default="", help="only members of this contract, such as H1234")
        parser.add_argument("--member", default="", help="only this member, by pseudonym")
        parser.add_argument("--counts-only", action="store_true", help="count as of that day, touch no gap")
        parser.add_argument("--engine", choices=NAMES, default=DUCKDB, help="what computes (default: %(default)s)")

    def run(self, **options: Any) -> dict[str, Any]:
        today = timezone.localdate()
        as_of = options["as_of"] or today
        if as_of > today:
            raise WrongUse(f"--as-of {as_of} lies in the future")
        scope = finding.Scope(options["contract"], options["member"])
        if options["counts_only"] and not scope.whole_plan:
            raise WrongUse("--counts-only counts the whole plan: leave out --contract and --member")
        loading.load(today=today, by="find_gaps")
        year, by = options["year"], "find_gaps"
        try:
            with opened(options["engine"], SparkOptions(**settings.SPARK)) as backend:
                if options["counts_only"]:
                    found = reading.read(year, as_of=as_of, watch=self.watch, backend=backend, by=by)
                else:
                    found = finding.find(year, as_of=as_of, scope=scope, watch=self.watch, backend=backend, by=by)
        except (NoWarehouse, NoEngine, finding.NotInWarehouse, ValueError) as error:
            raise Refused(str(error)) from error
        paths = () if options["counts_only"] else settings.AFTER_FINDING
        after = {path: import_string(path)(today=today, by="find_gaps") for path in paths}
        return {
            "year": options["year"],
            "as_of": as_of,
            "after": after,
            "measures": {code: {**asdict(counts), "open": counts.open} for code, counts in found.items()},
        }

    def watch(self, code: str, counts: finding.Counts, done: int, total: int) -> None:
        """One line a measure while the run goes on."""
        self.say(f"{done} of {total}: {code}, {counts.denominator:,} in the denominator, {counts.open:,} open")

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write(f"Measurement year {answer['year']}, as known on {answer['as_of']}")
        columns = ("eligible", "excluded", "denominator", "numerator", "open")
        self.stdout.write(f"{'':10}" + "".join(f"{name:>13}" for name in columns))
        for code, counts in answer["measures"].items():
            self.stdout.write(f"{code:10}" + "".join(f"{counts[name]:13,}" for name in columns))
