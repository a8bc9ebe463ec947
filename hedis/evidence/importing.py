"""Import: a folder of claims files becomes the next generation of the warehouse, and the members' rows.

Nothing counts before the batch's row is committed, and that is the last thing that happens: whatever stops a run, the
old state stands, and the next run clears what was left.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import duckdb
from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.evidence import generation, warehouse
from hedis.evidence.models import ImportBatch
from hedis.evidence.sources import facts, tuva
from hedis.evidence.sources.checking import Counts
from hedis.evidence.sources.layout import Table
from hedis.evidence.sources.loading import Loaded, Progress, load
from hedis.evidence.sources.reading import Unreadable, count, literal
from hedis.members import enrolling


class ImportRefused(Exception):
    """The folder cannot be taken; nothing was stored. Names file, row, field and reason.

    `quarantine` is the file of refused rows where the rows could be read.
    """

    def __init__(self, cause: Unreadable, quarantine: Path | None = None) -> None:
        super().__init__(str(cause))
        self.file, self.row, self.field, self.reason = cause.file, cause.row, cause.field, cause.reason
        self.quarantine = quarantine


class ImportRunning(Exception):
    """Another import holds the lock: the second would build on a state that is about to change."""


@dataclass(frozen=True)
class Imported:
    """What an import did. `changed` is false where every row was known; then `batch` is the one in force."""

    batch: int
    generation: str
    changed: bool
    tables: dict[str, Counts]
    quarantine: Path | None
    messages: tuple[str, ...] = field(default=())
    seconds: float = 0.0


def silent(label: str, done: int, total: int) -> None:
    """The progress nobody watches."""


def import_tuva(directory: Path, *, progress: Progress = silent, by: object) -> Imported:
    """Import a folder in the Tuva input layer (docs/import.md). One transaction, one ledger line.

    Raises ImportRefused where the folder cannot be taken, ImportRunning where another import is at work.
    """
    started, today = time.monotonic(), timezone.localdate()
    with transaction.atomic():
        _lock()
        current = ImportBatch.objects.current()
        root = warehouse.folder()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        generation.remove_others(root, _kept())
        old = root / current.generation if current else None
        if old is not None and not old.is_dir():
            raise warehouse.NoWarehouse(f"The files of warehouse generation {old.name} are gone: restore them first.")
        with _memory(root) as connection:
            content = content_hash(directory, tuva.TABLES)
            try:
                loaded = load(connection, directory, tuva.TABLES, old, today, progress)
            except Unreadable as cause:
                raise ImportRefused(cause, write_quarantine(connection, content)) from cause
            quarantine = write_quarantine(connection, content)
            if current is not None and not _anything_new(connection):
                _record("claims.import_unchanged", current, loaded, by=by)
                return _imported(current, False, loaded, quarantine, started)
            progress("warehouse", len(tuva.TABLES), len(tuva.TABLES) + 1)
            name = generation.write(connection, tuva.TABLES, root, old)
            _enrol(connection, by)
            batch = ImportBatch.objects.create(
                source=ImportBatch.Source.TUVA,
                folder=directory.resolve().name[:200],
                content_hash=content,
                generation=name,
                counts={table: asdict(counts) for table, counts in loaded.tables.items()},
                quarantine=str(quarantine.relative_to(settings.DATA_DIR)) if quarantine else "",
                latest_service_date=generation.latest_service_date(connection, root / name),
                imported_by=ledger.describe(by)[0],
            )
            _record("claims.imported", batch, loaded, by=by)
            progress("done", len(tuva.TABLES) + 1, len(tuva.TABLES) + 1)
            return _imported(batch, True, loaded, quarantine, started)


def _imported(batch: ImportBatch, changed: bool, loaded: Loaded, quarantine: Path | None, started: float) -> Imported:
    return Imported(
        batch=batch.pk,
        generation=batch.generation,
        changed=changed,
        tables=loaded.tables,
        quarantine=quarantine,
        messages=loaded.messages,
        seconds=round(time.monotonic() - started, 2),
    )


def _lock() -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('hedis.evidence.importing'))")
        if not cursor.fetchone()[0]:
            raise ImportRunning("Another import is running; try again when it is done.")


def _kept() -> set[str]:
    """The generation in force and the one before it, which a long computation may still be reading."""
    return set(ImportBatch.objects.values_list("generation", flat=True).order_by("-id")[:2])


@contextmanager
def _memory(root: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB in memory. What does not fit spills into the warehouse's own folder and goes with the connection."""
    connection = duckdb.connect(config={"temp_directory": str(root / f"spill{generation.UNFINISHED}")})
    try:
        yield connection
    finally:
        connection.close()


def content_hash(directory: Path, layout: Sequence[Table]) -> str:
    """SHA-256 over the names and bytes of the files that are read. A missing file is the loader's to report."""
    digest = hashlib.sha256()
    for table in layout:
        for path in sorted(directory.glob(f"{table.name}.*")):
            digest.update(path.name.encode() + b"\x00")
            with path.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()


def write_quarantine(connection: duckdb.DuckDBPyConnection, content: str) -> Path | None:
    """The refused rows as CSV: table, file, row, field, reason; None where there are none. Holds no value."""
    if not count(connection, "quarantine"):
        return None
    target = Path(settings.DATA_DIR) / "quarantine" / content[:12] / "refused.csv"
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection.execute(
        f'COPY (FROM quarantine ORDER BY "table", row, field) TO {literal(str(target))} (FORMAT csv, HEADER true)'
    )
    target.chmod(0o600)
    return target


def _anything_new(connection: duckdb.DuckDBPyConnection) -> bool:
    return any(count(connection, f"touched_{table.name}") for table in tuva.TABLES)


def _enrol(connection: duckdb.DuckDBPyConnection, by: object) -> None:
    """Hand the members the file tells something new of to the members' room."""

    def rows(query: str) -> Iterator[tuple[object, ...]]:
        result = connection.execute(query)
        while batch := result.fetchmany(10_000):
            yield from batch

    enrolling.enrol(
        members=rows(facts.ROSTER_MEMBERS),
        spans=rows(facts.ROSTER_SPANS),
        providers=rows(facts.ROSTER_PROVIDERS),
        attributions=rows(facts.ROSTER_ATTRIBUTIONS),
        by=by,
    )


def _record(action: str, batch: ImportBatch, loaded: Loaded, *, by: object) -> None:
    ledger.record(
        Event.Kind.JOB,
        action,
        object_type="evidence.importbatch",
        object_id=batch.pk,
        after={
            "generation": batch.generation,
            "tables": {name: asdict(counts) for name, counts in loaded.tables.items()},
        },
        row_count=sum(counts.loaded for counts in loaded.tables.values()),
        by=by,
    )
