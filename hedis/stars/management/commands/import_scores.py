"""`manage.py import_scores FILE --year Y [--json]`: scores our product does not compute, from a CSV file.

Columns: contract, measure (CMS's id), score, source. A score that stood is superseded, not overwritten. Anything
wrong in the file stores nothing.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.stars import scores


class Command(BaseCommand):
    """Import CAHPS, HOS, call centre and other scores of a Star year."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, metavar="FILE", help="CSV: contract, measure, score, source")
        parser.add_argument("--year", type=int, required=True, help="Star year the scores count for")

    def run(self, **options: Any) -> dict[str, Any]:
        if not options["file"].is_file():
            raise WrongUse(f"{options['file']} is not a file")
        try:
            imported = scores.import_file(options["file"], options["year"], by="import_scores")
        except scores.UnusableFile as error:
            raise Refused(str(error), errors=error.errors) from error
        return {"year": options["year"], **asdict(imported)}
