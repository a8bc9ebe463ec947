"""`import_claims DIR`: a folder of claims files into the warehouse (docs/import.md)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console
from rich.progress import Progress

from hedis.evidence.importing import ImportRefused, ImportRunning, import_tuva
from hedis.evidence.sources.loading import Progress as Watch
from hedis.evidence.warehouse import NoWarehouse
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse


class Command(BaseCommand):
    help = "Import a folder of claims files in the Tuva input layer (CSV or Parquet)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("directory", metavar="DIR", type=Path, help="folder with eligibility, medical_claim, …")
        parser.add_argument("--by", default="system", help="who imports, for the ledger")

    def run(self, **options: Any) -> dict[str, Any]:
        directory: Path = options["directory"]
        if not directory.is_dir():
            raise WrongUse(f"{directory} is not a folder.")
        with watched(self.on_terminal) as watch:
            try:
                done = import_tuva(directory, progress=watch, by=options["by"])
            except ImportRefused as refusal:
                raise Refused(
                    str(refusal), file=refusal.file, row=refusal.row, field=refusal.field, reason=refusal.reason,
                    quarantine=refusal.quarantine,
                ) from refusal  # fmt: skip
            except (ImportRunning, NoWarehouse) as refusal:
                raise Refused(str(refusal)) from refusal
        for message in done.messages:
            self.say(message)
        if not done.changed:
            self.say("Nothing new: the warehouse stays as it is.")
        return {
            "tables": {name: asdict(counts) for name, counts in done.tables.items()},
            "quarantine": str(done.quarantine) if done.quarantine else None,
            "batch": done.batch,
            "generation": done.generation,
            "changed": done.changed,
            "seconds": done.seconds,
        }

    def show(self, answer: dict[str, Any]) -> None:
        for name, counts in answer["tables"].items():
            words = ", ".join(f"{value:,} {what}" for what, value in counts.items())
            self.stdout.write(f"{name}: {words}")
        if answer["quarantine"]:
            self.stdout.write(f"Refused rows: {answer['quarantine']}")
        self.stdout.write(f"Batch {answer['batch']} in {answer['seconds']} s")


@contextmanager
def watched(on_terminal: bool) -> Iterator[Watch]:
    """A progress bar on a terminal; silence elsewhere."""
    with Progress(console=Console(stderr=True), disable=not on_terminal, transient=True) as bar:
        task = bar.add_task("opening")

        def watch(label: str, done: int, total: int) -> None:
            bar.update(task, description=label, completed=done, total=total)

        yield watch
