"""A folder's tables, one after the other: staged, checked, told apart from what is stored.

Afterwards the connection holds, for every table of the layout, `stored_T` (accepted before), `fresh_T` (new or changed
rows), `touched_T` (the records, for eligibility the members, they belong to) and `next_T` (what is accepted now), and
`quarantine` (table, file, row, field, reason) over all tables.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb

from hedis.evidence.sources.checking import Counts, check, name_people, name_records
from hedis.evidence.sources.layout import Table
from hedis.evidence.sources.reading import Source, Unreadable, count, find, literal, open_source

Progress = Callable[[str, int, int], None]
REPLACED_WHOLE = "eligibility"  # a member's rows in a file are that member's whole history


class Input(Protocol):
    """One table's rows on their way in, whatever they are read from."""

    @property
    def table(self) -> Table:
        """The table they are for."""

    def stage(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make `staged` (row, every column of the layout) and `malformed` (row, field, reason). Raises Unreadable."""

    def quarantine(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Add the rows of `refused` to `quarantine`, named as a person finds them."""


@dataclass(frozen=True)
class Brought:
    """What a folder brings, opened and found fit to load, with messages about the rest of it."""

    inputs: Sequence[Input]
    messages: tuple[str, ...]


@dataclass(frozen=True)
class Loaded:
    """Counts by table, and messages for people: what was absent, ignored or taken another way."""

    tables: dict[str, Counts]
    messages: tuple[str, ...]


def open_all(connection: duckdb.DuckDBPyConnection, directory: Path, layout: Sequence[Table]) -> Brought:
    """Every table's file with a header that will do; messages about the rest of the folder. Raises Unreadable."""
    sources, messages, known = [], [], set()
    for table in layout:
        path = find(directory, table)
        if path is None:
            messages.append(f"{table.name}: not in the folder, nothing loaded")
            continue
        source = open_source(connection, table, path)
        known.add(path.name)
        sources.append(source)
        if source.absent:
            messages.append(f"{path.name}: no column {', '.join(source.absent)}; taken as empty")
    others = sorted(path.name for path in directory.iterdir() if path.is_file() and path.name not in known)
    if others:
        messages.append(f"ignored, no table of this layout: {', '.join(others)}")
    return Brought(tuple(sources), tuple(messages))


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `person` and `quarantine`, empty: opening a folder may already put something aside."""
    connection.execute("CREATE TEMP TABLE person (plan_id VARCHAR, member VARCHAR, unusable VARCHAR)")
    connection.execute(
        'CREATE TEMP TABLE quarantine ("table" VARCHAR, file VARCHAR, row BIGINT, field VARCHAR, reason VARCHAR)'
    )


def load(
    connection: duckdb.DuckDBPyConnection,
    brought: Brought,
    layout: Sequence[Table],
    old: Path | None,
    today: dt.date,
    progress: Progress,
) -> Loaded:
    """Fill the connection's tables from what a folder brings (see above). Raises Unreadable; nothing is written.

    `layout`: every table that may be stored, also those the folder brings nothing for.
    """
    by_table = {source.table.name: source for source in brought.inputs}
    tables = {}
    for number, table in enumerate(layout):
        progress(table.name, number, len(layout))
        source = by_table.get(table.name)
        tables[table.name] = _load_table(connection, table, source, old, today)
    for source in brought.inputs:
        counts = tables[source.table.name]
        if isinstance(source, Source) and source.table.required and counts.quarantined == counts.read:
            raise _all_refused(connection, source)
    return Loaded(tables, (*brought.messages, *_strangers(connection, layout)))


def _load_table(
    connection: duckdb.DuckDBPyConnection, table: Table, source: Input | None, old: Path | None, today: dt.date
) -> Counts:
    if source is None:
        _stage_nothing(connection, table)
    else:
        source.stage(connection)
    read = count(connection, "staged") + count(connection, "malformed")
    name_people(connection, table)
    name_records(connection, table)
    check(connection, table, today)
    _compare(connection, table, old)
    if source is not None:
        source.quarantine(connection)
    refused, loaded = count(connection, "refused"), count(connection, f"fresh_{table.name}")
    for name in ("staged", "typed", "judged", "valid", "ranked"):
        connection.execute(f"DROP TABLE {name}")
    return Counts(read, loaded, read - refused - loaded, refused)


def _stage_nothing(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    columns = ", ".join(f"NULL::{column.type} AS {column.name}" for column in table.columns)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE staged AS SELECT 0::BIGINT AS row, {columns} WHERE false")
    connection.execute("CREATE OR REPLACE TEMP TABLE malformed (row BIGINT, field VARCHAR, reason VARCHAR)")


def _compare(connection: duckdb.DuckDBPyConnection, table: Table, old: Path | None) -> None:
    """Tell apart what is stored already; a row with a known key and other content replaces the stored one."""
    name, run = table.name, connection.execute
    run(
        "CREATE OR REPLACE TEMP VIEW first_rows AS FROM ranked "
        "SELECT * EXCLUDE (row, first_row, first_content) WHERE row = first_row"
    )
    files = sorted((old / "received" / name).rglob("*.parquet")) if old else []
    if files:
        paths = ", ".join(literal(str(file)) for file in files)
        run(
            f"CREATE TEMP VIEW stored_{name} AS FROM read_parquet([{paths}], hive_partitioning = true, "
            "hive_types = {'year': 'INTEGER'})"
        )
    else:
        run(f"CREATE TEMP TABLE stored_{name} AS FROM first_rows WHERE false")
    run(
        f"CREATE TEMP TABLE fresh_{name} AS FROM first_rows ANTI JOIN stored_{name} AS stored "
        "USING (record, line, reversal, content)"
    )
    if name == REPLACED_WHOLE:
        run("CREATE TEMP TABLE given AS FROM first_rows")
        # Also whoever has a stored span that the file no longer has.
        gone = (
            f"FROM stored_{name} SEMI JOIN given USING (member) ANTI JOIN given USING (record, content) SELECT member"
        )
        run(f"CREATE TEMP TABLE touched_{name} AS FROM fresh_{name} SELECT member UNION {gone}")
        run(
            f"CREATE TEMP VIEW next_{name} AS FROM stored_{name} ANTI JOIN touched_{name} USING (member) "
            f"UNION ALL BY NAME FROM given SEMI JOIN touched_{name} USING (member)"
        )
    else:
        run(f"CREATE TEMP TABLE touched_{name} AS FROM fresh_{name} SELECT DISTINCT member, record")
        run(
            f"CREATE TEMP VIEW next_{name} AS FROM stored_{name} ANTI JOIN fresh_{name} USING (record, line, reversal) "
            f"UNION ALL BY NAME FROM fresh_{name}"
        )


def _strangers(connection: duckdb.DuckDBPyConnection, layout: Sequence[Table]) -> list[str]:
    """People the new rows speak of whom no eligibility row knows: their facts wait, no measure counts them."""
    about_people = " UNION ".join(
        f"FROM fresh_{table.name} SELECT member WHERE member IS NOT NULL"
        for table in layout
        if table.has_person and table.name != REPLACED_WHOLE
    )
    connection.execute(f"CREATE TEMP TABLE stranger AS FROM ({about_people}) ANTI JOIN next_eligibility USING (member)")
    number = count(connection, "stranger")
    return [f"{number:,} people of the files are in no eligibility row; no measure counts them"] if number else []


def _all_refused(connection: duckdb.DuckDBPyConnection, source: Source) -> Unreadable:
    first = connection.execute(
        'FROM quarantine SELECT row, field, reason WHERE "table" = ? ORDER BY row LIMIT 1', [source.table.name]
    ).fetchone()
    row, field, reason = first if first else (None, None, "refused")
    return Unreadable(f"every row is refused; the first: {reason}", file=source.path.name, row=row, field=field)
