"""`manage.py load_star_tables --year Y DIR [--release NAME] [--json]`: CMS's published tables as rating history."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.stars import loading, years
from hedis.stars.published import PublishedError


class Command(BaseCommand):
    """Load a folder of CMS's published Star Ratings tables; bad tables store nothing."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path, metavar="DIR", help="folder of CMS's published CSV tables")
        parser.add_argument("--year", type=int, required=True, help="Star year of the tables")
        parser.add_argument("--release", default="", help="name of the release, such as 'October 2025'")

    def run(self, **options: Any) -> dict[str, Any]:
        folder, year = options["folder"], options["year"]
        if not folder.is_dir():
            raise WrongUse(f"{folder} is not a folder")
        name = options["release"] or "Published tables"
        try:
            loaded = loading.load_release(folder, year, name=name, by="load_star_tables")
        except years.UnknownStarYear as error:
            raise WrongUse(str(error)) from error
        except PublishedError as error:
            raise Refused(str(error)) from error
        release = loaded.release
        return {
            "year": year,
            "release": release.name,
            "created": loaded.created,
            "contracts": release.contract_count,
            "measure_stars": release.star_count,
        }
