"""`manage.py import_value_sets FILE`: a plan's own code lists (docs/value-sets.md)."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from hedis.engine.codes import CodeError
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.measures import importing
from hedis.measures.models import ValueSetList


class Command(BaseCommand):
    """Load code lists from a file (our CSV, Tuva's, FHIR ValueSet JSON, medication workbook, drug file), or take one
    away again."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", metavar="FILE", type=Path, nargs="?", help="file, or folder of FHIR JSON files")
        parser.add_argument("--format", choices=["auto", *ValueSetList.Format.values], default="auto")
        parser.add_argument("--measurement-year", type=int, help="the year the list is for, where it does not say")
        parser.add_argument("--name", default="", help="what to call the list (default: the file's name and the year)")
        parser.add_argument("--withdraw", metavar="NAME", default="", help="take this list away instead")
        parser.add_argument("--by", default="system", help="who imports, for the ledger")

    def run(self, **options: Any) -> dict[str, Any]:
        if bool(options["file"]) == bool(options["withdraw"]):
            raise WrongUse("Name a file to load, or a list to take away with --withdraw.")
        year = options["measurement_year"]
        if year is not None and not 2000 <= year <= 2100:
            raise WrongUse(f"--measurement-year {year} is no measurement year")
        try:
            if options["withdraw"]:
                importing.withdraw(options["withdraw"], by=options["by"])
                return {"withdrawn": options["withdraw"]}
            done = importing.import_value_sets(
                options["file"], format=options["format"], measurement_year=year, name=options["name"],
                by=options["by"],
            )  # fmt: skip
        except CodeError as error:
            raise Refused(str(error), file=error.file, row=error.row, field=error.field, reason=error.reason) from error
        except importing.NoSuchList as error:
            raise Refused(str(error)) from error
        for warning in done.warnings:
            self.say(f"Note: {warning}")
        return asdict(done)

    def show(self, answer: dict[str, Any]) -> None:
        if "withdrawn" in answer:
            self.stdout.write(f"List {answer['withdrawn']} is taken away.")
            return
        counts = ", ".join(f"{number:,} {name}" for name, number in answer["codes"].items())
        done = "replaced" if answer["replaced"] else "loaded" if answer["changed"] else "was already loaded"
        self.stdout.write(f"List {answer['name']} {done}: {len(answer['value_sets'])} value sets, {counts}")
        if answer["unused"]:
            self.stdout.write(f"No definition asks for: {', '.join(answer['unused'])}")
