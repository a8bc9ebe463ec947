"""`manage.py bench [NAME …]`: what our work costs, side by side with the same work bare, in one run."""

import inspect
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils.module_loading import import_string

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse


class Command(BaseCommand):
    """Measure and print ratios; the benches are named in settings.BENCHES. They leave nothing behind."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("names", nargs="*", help=f"any of: {', '.join(settings.BENCHES)} (default: all)")
        parser.add_argument(
            "--members", type=int, nargs="+", help="sizes of the plan, where a bench makes its own (measures)"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        names = options["names"] or list(settings.BENCHES)
        if unknown := [name for name in names if name not in settings.BENCHES]:
            raise WrongUse(f"no bench called {', '.join(unknown)}; there are: {', '.join(settings.BENCHES)}")
        answers = {}
        for name in names:
            bench: Callable[..., dict[str, Any]] = import_string(settings.BENCHES[name])
            sized = options["members"] and "members" in inspect.signature(bench).parameters
            try:
                answers[name] = bench(members=tuple(options["members"])) if sized else bench()
            except Refused as reason:
                # One that lacks its data must not keep the others from being measured, unless it was asked for.
                if options["names"]:
                    raise
                answers[name] = {"not measured": str(reason)}
        return answers

    def show(self, answer: dict[str, Any]) -> None:
        for name, figures in answer.items():
            self.stdout.write(name)
            for what, value in figures.items():
                self.stdout.write(f"  {what:44} {value}")
