"""`manage.py take_snapshot [--as-of DATE] [--json]`: freeze the portfolio's totals, and compare with a year before."""

from datetime import date
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.stars import rating, snapshots


class Command(BaseCommand):
    """Keep today's members, gaps and stars; the same totals again keep nothing new."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--as-of", type=date.fromisoformat, help="the day it speaks of (default: today)")

    def run(self, **options: Any) -> dict[str, Any]:
        today = timezone.localdate()
        as_of = options["as_of"] or today
        if as_of > today:
            raise WrongUse(f"--as-of {as_of} lies in the future")
        try:
            taken = snapshots.take(as_of=as_of, by="take_snapshot")
        except (snapshots.NothingToFreeze, rating.DataIsNewer) as reason:
            raise Refused(str(reason)) from reason
        before = snapshots.year_before(taken)
        return {
            "id": taken.pk,
            "measurement_year": taken.measurement_year,
            "star_year": taken.star_year,
            "as_of": taken.as_of,
            "totals": taken.totals,
            "compared_with_year_before": snapshots.compare(before, taken) if before else None,
        }

    def show(self, answer: dict[str, Any]) -> None:
        totals = answer["totals"]
        self.stdout.write(f"Snapshot {answer['id']}: measurement year {answer['measurement_year']}, {answer['as_of']}")
        self.stdout.write(f"{totals['members']['active']:,} active members")
        self.stdout.write(f"{sum(row['gaps'] for row in totals['gaps']):,} gaps in all states")
        for row in totals["ratings"]:
            self.stdout.write(f"{row['contract']}: overall {row['overall'] or 'not rated'}")
