"""Writing a generation of the warehouse beside the old one.

What did not change is a hard link; what did is written anew, sorted by member. Beside the four tables a generation
keeps `received`: the accepted rows, so that a later file can be told apart from what is known, a corrected line
replaces its claim's facts, and a reversal that comes in a later file finds what it cancels.

The connection holds the tables that `sources.loading` describes.
"""

import datetime as dt
import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from hedis.evidence.schema import SCHEMA
from hedis.evidence.sources import facts
from hedis.evidence.sources.layout import Table
from hedis.evidence.sources.loading import REPLACED_WHOLE
from hedis.evidence.sources.reading import literal
from hedis.evidence.warehouse import relation

UNFINISHED = ".unfinished"
DATED = {"event": "start_date", "dispensing": "dispensing_date"}
ORDER = {
    "event": "member, start_date, kind, code_system, code, record, line",
    "dispensing": "member, dispensing_date, ndc, rxnorm, record, line",
}


def write(connection: duckdb.DuckDBPyConnection, layout: Sequence[Table], root: Path, old: Path | None) -> str:
    """Write the generation that follows `old`, complete and on disk; its name. Nothing points at it yet."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    new = root / f"{name}{UNFINISHED}"
    for table in layout:
        _write_received(connection, table, old, new)
    _write_facts(connection, "event", _events(connection), old, new)
    _write_facts(connection, "dispensing", _fills(connection), old, new)
    for table_name, query in (("member", facts.MEMBERS), ("enrolment", facts.ENROLMENT)):
        columns = ", ".join(SCHEMA[table_name])
        _write_file(connection, f"FROM ({query}) SELECT {columns}", new / table_name / "part-0.parquet", "ALL")
    for directory in [new, *(path for path in new.rglob("*") if path.is_dir())]:
        _sync(directory)
    new.rename(root / name)
    _sync(root)
    return name


def remove_others(root: Path, keep: set[str]) -> None:
    """Remove generations nobody points at: what a killed run left, and what was replaced twice."""
    for path in root.iterdir():
        if path.is_dir() and path.name not in keep:
            shutil.rmtree(path)


def latest_service_date(connection: duckdb.DuckDBPyConnection, root: Path) -> dt.date | None:
    """The last day anything is known to have happened, over the whole generation."""
    days = [
        connection.execute(f"FROM ({relation(root, table, SCHEMA[table])}) SELECT max({date})").fetchone()
        for table, date in DATED.items()
    ]
    return max((day[0] for day in days if day and day[0]), default=None)


def _write_received(connection: duckdb.DuckDBPyConnection, table: Table, old: Path | None, new: Path) -> None:
    name, order = table.name, "member, record, line" if table.has_person else "record, line"
    by, gone = ("member", "touched") if name == REPLACED_WHOLE else ("record, line, reversal", "fresh")
    replaced = f"FROM stored_{name} SEMI JOIN {gone}_{name} USING ({by}) SELECT year"
    years = connection.execute(f"FROM fresh_{name} SELECT year UNION {replaced}").fetchall()
    _write_years(connection, f"received/{name}", f"next_{name}", (year for (year,) in years), order, old, new)


def _lines(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """All lines, old and new, of the records the file touches: a claim's facts are made from the whole claim."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE lines_{table} AS FROM next_{table} SEMI JOIN touched_{table} USING (record)"
    )


def _events(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Make `fresh_event`; the tables whose records it covers."""
    connection.execute(f"CREATE TEMP TABLE fresh_event AS {relation(None, 'event', SCHEMA['event'])}")
    for table, queries in facts.EVENTS.items():
        _lines(connection, table)
        for preparation in facts.PREPARATION.get(table, ()):
            connection.execute(preparation)
        for query in queries:
            connection.execute(f"INSERT INTO fresh_event BY NAME {query}")
        connection.execute(f"DROP TABLE lines_{table}")
    return tuple(facts.EVENTS)


def _fills(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Make `fresh_dispensing`; the tables whose records it covers."""
    connection.execute(f"CREATE TEMP TABLE fresh_dispensing AS {relation(None, 'dispensing', SCHEMA['dispensing'])}")
    for table, query in facts.FILLS.items():
        _lines(connection, table)
        connection.execute(f"INSERT INTO fresh_dispensing BY NAME {query}")
        connection.execute(f"DROP TABLE lines_{table}")
    return tuple(facts.FILLS)


def _write_facts(
    connection: duckdb.DuckDBPyConnection, table: str, inputs: tuple[str, ...], old: Path | None, new: Path
) -> None:
    """Old facts of untouched records and fresh ones, by year of their date."""
    columns, year = ", ".join(SCHEMA[table]), f"year({DATED[table]})"
    touched = " UNION ".join(f"FROM touched_{source} SELECT record" for source in inputs)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE gone AS {touched}")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW old_facts AS {relation(old, table, SCHEMA[table])}")
    replaced = f"FROM old_facts SEMI JOIN gone USING (record) SELECT {year}"
    years = connection.execute(f"FROM fresh_{table} SELECT {year} UNION {replaced}").fetchall()
    kept = f"FROM old_facts ANTI JOIN gone USING (record) SELECT {columns}, {year} AS year"
    fresh = f"FROM fresh_{table} SELECT {columns}, {year} AS year"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW next_facts AS {kept} UNION ALL {fresh}")
    _write_years(connection, table, "next_facts", (found for (found,) in years), ORDER[table], old, new)


def _write_years(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    rows: str,
    years: Iterable[int],
    order: str,
    old: Path | None,
    new: Path,
) -> None:
    """The partitions of `years` from the relation `rows` (which has a column `year`); the others are linked."""
    changed = {f"year={year}": year for year in years}
    _link_except(old / table if old else None, new / table, changed.keys())
    for name, year in sorted(changed.items()):
        query = f"FROM {rows} SELECT * EXCLUDE (year) WHERE year = {year}"
        if connection.execute(f"FROM ({query}) SELECT 1 LIMIT 1").fetchone():
            _write_file(connection, query, new / table / name / "part-0.parquet", order)


def _write_file(connection: duckdb.DuckDBPyConnection, query: str, target: Path, order: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(
        f"COPY (FROM ({query}) ORDER BY {order}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
    )
    _sync(target)


def _link_except(old: Path | None, new: Path, changed: Iterable[str]) -> None:
    """Hard-link the partitions of a table that stay as they are; copy where the file system knows no links."""
    left_out = set(changed)
    for file in sorted(old.rglob("*.parquet")) if old else ():
        if file.parent.name in left_out:
            continue
        target = new / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)
        except OSError:
            shutil.copy2(file, target)
            _sync(target)


def _sync(path: Path) -> None:
    """Force a file or directory to disk: the database row that points here may survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
