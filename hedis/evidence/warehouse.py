"""The claims warehouse as the measure engine reads it; what the columns mean: docs/warehouse.md."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import ibis
from django.conf import settings

from hedis.engine.backends import Backend, DuckDB, parquet_sql
from hedis.engine.facts import SUPPLEMENTAL_SOURCES, Tables
from hedis.evidence.models import ImportBatch
from hedis.evidence.schema import SCHEMA as SCHEMA


class NoWarehouse(Exception):
    """Nothing was imported yet, or the current generation's files are gone. The message says what to do."""


@dataclass(frozen=True)
class Warehouse:
    """The four tables of one generation, lazily read by one engine."""

    generation: str
    member: ibis.Table
    enrolment: ibis.Table
    event: ibis.Table
    dispensing: ibis.Table
    backend: Backend = field(default_factory=DuckDB)

    def tables(self, value_sets: ibis.Table) -> Tables:
        """What the engine reads, with the value sets of a measurement year."""
        supplemental = self.event.filter(self.event.source.isin(SUPPLEMENTAL_SOURCES)).limit(1)
        return Tables(
            self.member, self.enrolment, self.event, self.dispensing, self.backend.table(value_sets),
            supplemental=self.backend.arrow(supplemental).num_rows > 0,
        )  # fmt: skip

    def parts(self, rows: int = 1) -> int:
        """In how many parts the members are judged so that the engine stays within its memory; `rows`: how often each
        member is judged at once."""
        at_once = self.backend.members_at_once
        if at_once is None:
            return 1
        members = self.backend.arrow(self.member.aggregate(number=self.member.count()))["number"][0].as_py()
        return max(1, math.ceil(members * rows / at_once))


def folder() -> Path:
    """Where the generations lie."""
    return Path(settings.DATA_DIR) / "warehouse"


def connect(generation: str | None = None, backend: Backend | None = None) -> Warehouse:
    """Open a generation, by default the current one, on an engine, by default DuckDB. Raises NoWarehouse."""
    if generation is None:
        batch = ImportBatch.objects.current()
        if batch is None:
            raise NoWarehouse("Nothing was imported yet: run `manage.py import_claims DIR`.")
        generation = batch.generation
    root = folder() / generation
    if not root.is_dir():
        raise NoWarehouse(f"The files of warehouse generation {generation} are gone: restore them, or import again.")
    return read(root, backend or DuckDB())


def read(root: Path, engine: Backend) -> Warehouse:
    """The generation in the folder `root` as tables of an engine."""
    # An engine that reads a copy elsewhere is told every file by name: a copy that lacks one fails instead of lying.
    there = f"{engine.located(str(root.parent))}/{root.name}"
    tables = [
        engine.stored(name, [f"{there}/{file.relative_to(root).as_posix()}" for file in files_of(root, name)], columns)
        for name, columns in SCHEMA.items()
    ]
    member, enrolment, event, dispensing = tables
    return Warehouse(root.name, member, enrolment, event, dispensing, engine)


def files_of(root: Path, table: str) -> list[Path]:
    """The files of a table of a generation."""
    return sorted((root / table).rglob("*.parquet"))


def relation(root: Path | None, table: str, columns: dict[str, str]) -> str:
    """SQL that reads a table's files with exactly these columns; no row where it has no file yet, and null where a
    file was written before the column was thought of."""
    return parquet_sql([str(file) for file in files_of(root, table)] if root else [], columns)
