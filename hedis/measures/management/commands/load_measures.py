"""`manage.py load_measures [--check]`: the reviewed measure files into rows."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from hedis.engine.codes import CodeError
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused
from hedis.measures import loading, portfolio, value_sets


class Command(BaseCommand):
    """Load the portfolio's measures, their years and evidence routes from the reviewed files."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--check", action="store_true", help="read and check the files, write nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            if options["check"]:
                return {"measures": len(portfolio.read()), "codes": len(value_sets.known(loading.own_lists()))}
            loaded = loading.load(today=timezone.localdate(), by="load_measures")
        except (portfolio.PortfolioError, CodeError) as error:
            raise Refused(str(error)) from error
        return {"measures": loaded.measures, "years": loaded.years, "changed": loaded.changed}
