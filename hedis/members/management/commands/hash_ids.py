"""`hash_ids FILE`: the crosswalk from the plan's ids to pseudonyms, for the plan's own side."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.members.identifying import CrosswalkRefused, write_crosswalk


class Command(BaseCommand):
    help = "Write a CSV file of the plan's member ids and their pseudonyms (mode 0600; keep it on the plan's side)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", metavar="FILE", type=Path, help="CSV file with a column of member ids")
        parser.add_argument("--column", default="person_id", help="the column's name (default: person_id)")
        parser.add_argument("--out", type=Path, help="where to write (default: FILE with .crosswalk.csv)")
        parser.add_argument("--by", default="system", help="who asks, for the ledger")

    def run(self, **options: Any) -> dict[str, Any]:
        source: Path = options["file"]
        target: Path = options["out"] or source.with_suffix(".crosswalk.csv")
        if not source.is_file():
            raise WrongUse(f"{source} is not a file.")
        if not target.parent.is_dir():
            raise WrongUse(f"{target.parent} is not a folder.")
        try:
            done = write_crosswalk(source, target, column=options["column"], by=options["by"])
        except CrosswalkRefused as refusal:
            raise Refused(str(refusal)) from refusal
        for row, reason in done.unusable:
            self.say(f"{source.name}, row {row}, {options['column']}: {reason}")
        self.say(f"{done.file} names every member in it. Keep it on the plan's side, and delete it after use.")
        return {"file": str(done.file), "ids": done.ids, "unusable": len(done.unusable)}
