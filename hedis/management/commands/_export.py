"""What the export commands share: which year, measure and contract, and the refusal of those nobody knows."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from hedis.gaps import extracting
from hedis.gaps.models import FindingRun, Gap
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.measures.models import Measure
from hedis.members.models import Contract


class ExportCommand(BaseCommand):
    """Base of the export commands."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--year", type=int, required=True, help="measurement year")
        parser.add_argument("--measure", default="", help="only this measure, such as COL")
        parser.add_argument("--contract", default="", help="only this contract, such as H1234")

    def checked(self, options: dict[str, Any]) -> tuple[dict[str, str], list[Measure]]:
        """Measure and contract as named, and the measures meant. Raises WrongUse or Refused."""
        year, narrowed = options["year"], {name: options[name] for name in ("measure", "contract")}
        if not 1900 <= year <= 2200:
            raise WrongUse(f"--year {year} is no measurement year")
        measures = list(Measure.objects.computed())
        if narrowed["measure"]:
            known = ", ".join(one.code for one in measures)
            measures = [one for one in measures if one.code == narrowed["measure"]]
            if not measures:
                raise Refused(f"no measure {narrowed['measure']} is computed here; there are: {known or 'none'}")
        if narrowed["contract"] and not Contract.objects.filter(number=narrowed["contract"]).exists():
            raise Refused(f"no contract {narrowed['contract']}")
        if not (FindingRun.objects.filter(year=year).exists() or Gap.objects.for_year(year).exists()):
            raise Refused(f"no gaps have been found for {year}: run find_gaps --year {year} first")
        return narrowed, measures

    def facts(self, options: dict[str, Any]) -> dict[str, Any]:
        """What was exported, for the ledger and the manifest."""
        run = FindingRun.objects.filter(year=options["year"]).first()
        return {
            "year": options["year"],
            "measure": options["measure"],
            "contract": options["contract"],
            "data_as_of": run.data_as_of.isoformat() if run else None,
        }


class FileCommand(ExportCommand):
    """Base of the commands that write one table to one file."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, metavar="FILE", help="file to make, ending in .csv or .parquet")

    def extract(self, options: dict[str, Any]) -> extracting.Extract:
        """The table to write. Raises WrongUse or Refused."""
        raise AssertionError("a file command says what it writes")

    def run(self, **options: Any) -> dict[str, Any]:
        extract = self.extract(options)
        by = f"export_{extract.name}"
        try:
            rows = extracting.write(options["file"], extract, facts=self.facts(options), by=by)
        except extracting.UnknownSuffix as error:
            raise WrongUse(str(error)) from error
        except extracting.AlreadyThere as error:
            raise Refused(str(error)) from error
        except OSError as error:
            raise Refused(f"{options['file']} cannot be written: {error.strerror}") from error
        return {"file": str(options["file"]), "rows": rows}
