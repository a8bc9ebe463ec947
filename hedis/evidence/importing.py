"""Import: a folder of claims files becomes the next generation of the warehouse, and the members' rows.

Nothing counts before the batch's row is committed, and that is the last thing that happens: whatever stops a run, the
old state stands, and the next run clears what was left.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.evidence import deliveries, generation, warehouse
from hedis.evidence.models import ImportBatch
from hedis.evidence.sources import facts, layouts, supplemental, tuva
from hedis.evidence.sources.checking import Counts
from hedis.evidence.sources.fhir import reading as fhir_reading
from hedis.evidence.sources.fhir import staging as fhir_staging
from hedis.evidence.sources.layout import Table
from hedis.evidence.sources.loading import Brought, Loaded, Progress, load, open_all, prepare
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


@dataclass(frozen=True)
class Way:
    """How one kind of folder is read.

    files     the files that make its content
    open      reads what must be read to know that the folder will do, beside the generation in force; raises Unreadable
    counts    what became of its rows, after the load
    """

    source: str
    files: Callable[[Path], Iterable[Path]]
    open: Callable[[duckdb.DuckDBPyConnection, Path, Path | None, Progress], Brought]
    counts: Callable[[duckdb.DuckDBPyConnection, Loaded], dict[str, Counts]]


def _by_layout(source: str, tables: tuple[Table, ...]) -> Way:
    """A folder with one file a table."""

    def files(directory: Path) -> list[Path]:
        return [path for table in tables for path in sorted(directory.glob(f"{table.name}.*"))]

    def counts(connection: duckdb.DuckDBPyConnection, loaded: Loaded) -> dict[str, Counts]:
        return {table.name: loaded.tables[table.name] for table in tables}

    def opened(connection: duckdb.DuckDBPyConnection, directory: Path, old: Path | None, progress: Progress) -> Brought:
        brought = open_all(connection, directory, tables)
        if not brought.inputs:
            names = " or ".join(f"{table.name}.csv" for table in tables)
            raise Unreadable("the folder has none of the tables", file=names)
        return brought

    return Way(source, files, opened, counts)


TUVA = _by_layout("tuva", tuva.TABLES)
SUPPLEMENTAL = _by_layout("supplemental", supplemental.TABLES)


def import_tuva(directory: Path, *, progress: Progress = silent, by: object) -> Imported:
    """Import a folder in the Tuva input layer (docs/import.md). Raises as `import_folder` does."""
    return import_folder(directory, TUVA, progress=progress, by=by)


def import_supplemental(directory: Path, *, progress: Progress = silent, by: object) -> Imported:
    """Import supplemental data files (docs/import.md). Raises as `import_folder` does."""
    return import_folder(directory, SUPPLEMENTAL, progress=progress, by=by)


def import_fhir(
    directory: Path, *, data_source: str = "fhir", member_system: str = "", progress: Progress = silent, by: object
) -> Imported:
    """Import a folder of FHIR R4 resources (docs/fhir.md). Raises as `import_folder` does.

    `data_source` tells servers apart whose resources may have equal ids; `member_system` is the identifier system of
    the plan's member id, empty where identifiers of type `MB` hold it.
    """
    opened = partial(
        fhir_staging.open_folder, zone=ZoneInfo(settings.TIME_ZONE), data_source=data_source,
        member_system=member_system,
    )  # fmt: skip
    way = Way(
        "fhir", lambda folder: fhir_reading.find(folder)[0], opened,
        lambda connection, loaded: fhir_staging.counts_by_type(connection),
    )  # fmt: skip
    return import_folder(directory, way, progress=progress, by=by)


def import_folder(directory: Path, way: Way, *, progress: Progress = silent, by: object) -> Imported:
    """Import a folder. One transaction, one ledger line.

    Raises ImportRefused where the folder cannot be taken, ImportRunning where another import is at work, NoWarehouse
    where the files of the generation in force are gone.
    """
    started, today, steps = time.monotonic(), timezone.localdate(), len(layouts.TABLES) + 1
    with transaction.atomic():
        _lock()
        current = ImportBatch.objects.current()
        root = warehouse.folder()
        old = _old_generation(root, current)
        with _memory(root) as connection:
            content, loaded = _load(connection, directory, way, old, today, progress)
            loaded = Loaded(way.counts(connection, loaded), loaded.messages)
            quarantine = write_quarantine(connection, content)
            if current is not None and not _anything_new(connection):
                _record("claims.import_unchanged", current, loaded, by=by)
                return _imported(current, False, loaded, quarantine, started)
            progress("warehouse", steps - 1, steps)
            name = generation.write(connection, layouts.TABLES, root, old)
            _enrol(connection, today, by)
            batch = ImportBatch.objects.create(
                source=way.source,
                folder=directory.resolve().name[:200],
                content_hash=content,
                generation=name,
                counts={table: asdict(counts) for table, counts in loaded.tables.items()},
                quarantine=str(quarantine.relative_to(settings.DATA_DIR)) if quarantine else "",
                latest_service_date=generation.latest_service_date(connection, root / name),
                deliveries=deliveries.newest_month(connection, root / name),
                imported_by=ledger.describe(by)[0],
            )
            _record("claims.imported", batch, loaded, by=by)
            progress("done", steps, steps)
            return _imported(batch, True, loaded, quarantine, started)


def _old_generation(root: Path, current: ImportBatch | None) -> Path | None:
    """The directory of the generation in force, after what killed runs left was removed. Raises NoWarehouse."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    generation.remove_others(root, _kept())
    old = root / current.generation if current else None
    if old is not None and not old.is_dir():
        raise warehouse.NoWarehouse(f"The files of warehouse generation {old.name} are gone: restore them first.")
    return old


def _load(
    connection: duckdb.DuckDBPyConnection, directory: Path, way: Way, old: Path | None, today: date, progress: Progress
) -> tuple[str, Loaded]:
    """Content hash and counts of the folder, its rows in the connection. Raises ImportRefused."""
    prepare(connection)
    content = content_hash(())
    try:
        content = content_hash(way.files(directory))
        brought = way.open(connection, directory, old, progress)
        return content, load(connection, brought, layouts.TABLES, old, today, progress)
    except Unreadable as cause:
        raise ImportRefused(cause, write_quarantine(connection, content)) from cause


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


def content_hash(files: Iterable[Path]) -> str:
    """SHA-256 over the names and bytes of the files that are read. A missing file is the loader's to report."""
    digest = hashlib.sha256()
    for path in files:
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
    return any(count(connection, f"touched_{table.name}") for table in layouts.TABLES)


def _enrol(connection: duckdb.DuckDBPyConnection, today: date, by: object) -> None:
    """Hand the members the file tells something new of to the members' room."""

    def rows(query: str, **parameters: object) -> Iterator[tuple[object, ...]]:
        result = connection.execute(query, parameters)
        while batch := result.fetchmany(10_000):
            yield from batch

    enrolling.enrol(
        members=rows(facts.ROSTER_MEMBERS, today=today),
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
