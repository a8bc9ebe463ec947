"""`import_claims DIR`: a folder of claims, FHIR or supplemental files into the warehouse (docs/import.md)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console
from rich.progress import Progress

from hedis.evidence.importing import (
    Imported,
    ImportRefused,
    ImportRunning,
    import_fhir,
    import_supplemental,
    import_tuva,
)
from hedis.evidence.sources.loading import Progress as Watch
from hedis.evidence.warehouse import NoWarehouse
from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse

FORMATS = ("auto", "tuva", "fhir", "supplemental")


class Command(BaseCommand):
    help = "Import a folder: claims in the Tuva input layer, FHIR R4 resources, or supplemental data files."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("directory", metavar="DIR", type=Path, help="folder with the files")
        parser.add_argument("--format", choices=FORMATS, default="auto", help="auto: by the names of the files")
        parser.add_argument("--data-source", default="fhir", help="FHIR: names the server whose ids these are")
        parser.add_argument("--member-system", default="", help="FHIR: identifier system of the plan's member id")
        parser.add_argument("--by", default="system", help="who imports, for the ledger")

    def run(self, **options: Any) -> dict[str, Any]:
        directory: Path = options["directory"]
        if not directory.is_dir():
            raise WrongUse(f"{directory} is not a folder.")
        with watched(self.on_terminal) as watch:
            try:
                done = self.bring(directory, watch, options)
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

    def bring(self, directory: Path, watch: Watch, options: dict[str, Any]) -> Imported:
        """Import the folder in the format asked for, or the one its file names tell."""
        wanted, by = options["format"], options["by"]
        if wanted == "auto":
            wanted = format_of(directory)
        if wanted == "fhir":
            source, system = options["data_source"], options["member_system"]
            return import_fhir(directory, data_source=source, member_system=system, progress=watch, by=by)
        return (import_supplemental if wanted == "supplemental" else import_tuva)(directory, progress=watch, by=by)

    def show(self, answer: dict[str, Any]) -> None:
        for name, counts in answer["tables"].items():
            words = ", ".join(f"{value:,} {what}" for what, value in counts.items())
            self.stdout.write(f"{name}: {words}")
        if answer["quarantine"]:
            self.stdout.write(f"Refused rows: {answer['quarantine']}")
        self.stdout.write(f"Batch {answer['batch']} in {answer['seconds']} s")


def format_of(directory: Path) -> str:
    """The one format the folder's file names speak for; claims where none does. Raises WrongUse for several."""
    names = [path.name for path in directory.iterdir() if path.is_file()]
    told = {
        "tuva": any(name.startswith(("eligibility.", "medical_claim.")) for name in names),
        "supplemental": any(name.startswith("supplemental_") for name in names),
        "fhir": any(name.endswith((".ndjson", ".ndjson.gz")) for name in names),
    }
    spoken = [name for name, there in told.items() if there]
    if len(spoken) > 1:
        raise WrongUse(f"The folder holds files of several formats ({', '.join(spoken)}): name one with --format.")
    return spoken[0] if spoken else "fhir" if any(name.endswith((".json", ".json.gz")) for name in names) else "tuva"


@contextmanager
def watched(on_terminal: bool) -> Iterator[Watch]:
    """A progress bar on a terminal; silence elsewhere."""
    with Progress(console=Console(stderr=True), disable=not on_terminal, transient=True) as bar:
        task = bar.add_task("opening")

        def watch(label: str, done: int, total: int) -> None:
            bar.update(task, description=label, completed=done, total=total)

        yield watch
