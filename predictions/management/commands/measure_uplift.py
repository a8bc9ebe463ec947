"""`manage.py measure_uplift --year Y [--json]`: what the plan's own actions added, by its hold-outs."""

from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from predictions import effects


class Command(BaseCommand):
    """Compare who was offered an action with who was held out by lot."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--year", type=int, required=True, help="measurement year")

    def run(self, **options: Any) -> dict[str, Any]:
        found = effects.estimate(options["year"], by="measure_uplift")
        return {
            "year": options["year"],
            "effects": [
                {"action": action, "measure": code, "uplift": effect.uplift, "low": effect.interval[0],
                 "high": effect.interval[1], "treated": effect.treated, "held_out": effect.held_out}
                for (action, code), effect in sorted(found.stored.items())
            ],
            "skipped": [
                {"action": action, "measure": code, "reason": reason}
                for (action, code), reason in sorted(found.skipped.items())
            ],
        }  # fmt: skip
