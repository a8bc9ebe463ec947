"""From a file to a staged table of text with row numbers. Nothing is guessed: no type, no encoding, no dialect.

A row's number is its place among the file's records, the header of a CSV file being row 1; the first record of a
Parquet file is row 1.
"""

import codecs
import csv
from dataclasses import dataclass
from pathlib import Path

import duckdb

from hedis.evidence.sources.layout import Table

CHUNK = 1 << 20
FORMS = (".csv", ".parquet")


class Unreadable(Exception):
    """A file, or a folder, that cannot be taken at all. Names file, row, field and reason; quotes no value."""

    def __init__(self, reason: str, *, file: str, row: int | None = None, field: str | None = None) -> None:
        where = [file] + ([f"row {row}"] if row else []) + ([field] if field else [])
        super().__init__(f"{', '.join(where)}: {reason}")
        self.file, self.row, self.field, self.reason = file, row, field, reason


@dataclass(frozen=True)
class Source:
    """One table's file, its header and which of its columns are which."""

    table: Table
    path: Path
    header: tuple[str, ...]
    columns: dict[str, str]

    @property
    def is_csv(self) -> bool:
        """CSV, else Parquet."""
        return self.path.suffix == ".csv"

    def stage(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make `staged` and `malformed` of the file (see `stage`). Raises Unreadable."""
        stage(connection, self)

    def quarantine(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Add `refused` to `quarantine`, each row by its number in the file."""
        where = f"{literal(self.table.name)}, {literal(self.path.name)}"
        connection.execute(f"INSERT INTO quarantine FROM refused SELECT {where}, row, field, reason")

    @property
    def absent(self) -> list[str]:
        """Columns the layout would read and the file has not; of numbered ones only the first."""
        names = [column.name for column in self.table.columns if column.name not in self.columns]
        return [name for name in names if not name.rsplit("_", 1)[-1].isdigit() or name.endswith("_1")]


def find(directory: Path, table: Table) -> Path | None:
    """The table's file in the folder; None where an optional table has none. Raises Unreadable."""
    found = [directory / f"{table.name}{form}" for form in FORMS if (directory / f"{table.name}{form}").is_file()]
    if len(found) > 1:
        raise Unreadable("the folder has this table as CSV and as Parquet; keep one", file=found[0].name)
    if not found and table.required:
        raise Unreadable("the required table is missing from the folder", file=f"{table.name}.csv or .parquet")
    return found[0] if found else None


def open_source(connection: duckdb.DuckDBPyConnection, table: Table, path: Path) -> Source:
    """Look at the file's head: its names must cover what the table needs. Raises Unreadable."""
    if path.stat().st_size == 0:
        raise Unreadable("the file is empty", file=path.name)
    names = _csv_header(path) if path.suffix == ".csv" else _parquet_header(connection, path)
    plain = [name.strip().lower() for name in names]
    twice = sorted({name for name in plain if plain.count(name) > 1})
    if twice:
        raise Unreadable("the column is there twice", file=path.name, row=1, field=twice[0])
    columns = {}
    for column in table.columns:
        spelling = next((name for name in (column.name, *column.aliases) if name in plain), None)
        if spelling:
            columns[column.name] = spelling
        elif column.needed:
            older = f" (older: {', '.join(column.aliases)})" if column.aliases else ""
            raise Unreadable(f"the required column is missing{older}", file=path.name, row=1, field=column.name)
    for group in table.any_of:
        if not any(name in columns for name in group):
            raise Unreadable(f"one of {', '.join(group)} is required", file=path.name, row=1, field=group[0])
    return Source(table, path, tuple(names), columns)


def _csv_header(path: Path) -> list[str]:
    check_encoding(path)
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return next(csv.reader(handle), [])


def _parquet_header(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    try:
        rows = connection.execute(f"DESCRIBE FROM read_parquet({literal(str(path))})").fetchall()
    except duckdb.Error as error:
        raise Unreadable("is not a complete Parquet file (truncated or damaged)", file=path.name) from error
    return [row[0] for row in rows]


def check_encoding(path: Path) -> None:
    """Read the bytes once as strict UTF-8. Raises Unreadable with the row of the first that is not.

    A latin-1 file read as if it were UTF-8 loses rows or letters in silence.
    """
    decoder, rows = codecs.getincrementaldecoder("utf-8")("strict"), 1
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                row = rows + error.object[: error.start].count(b"\n")
                raise Unreadable("is not UTF-8 text (latin-1?)", file=path.name, row=row, field="bytes") from error
            rows += chunk.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise Unreadable("is not UTF-8 text (cut off?)", file=path.name, row=rows, field="bytes") from error


def stage(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Make the tables `staged` (row, every column of the layout as text, null where blank or absent) and
    `malformed` (row, field, reason) from the file. Raises Unreadable."""
    kept = ", ".join(
        f"nullif(trim({identifier(_spelling(source, column.name))}::VARCHAR), '') AS {column.name}"
        if column.name in source.columns
        else f"NULL::VARCHAR AS {column.name}"
        for column in source.table.columns
    )
    connection.execute("CREATE OR REPLACE TEMP TABLE malformed (row BIGINT, field VARCHAR, reason VARCHAR)")
    try:
        (_stage_csv if source.is_csv else _stage_parquet)(connection, source, kept)
    except duckdb.Error as error:
        why = "line ends of two kinds, or damaged" if source.is_csv else "truncated or damaged"
        raise Unreadable(f"cannot be read to its end ({why})", file=source.path.name) from error
    if source.table.required and not count(connection, "staged") + count(connection, "malformed"):
        raise Unreadable("the file has no rows", file=source.path.name)


def _spelling(source: Source, column: str) -> str:
    """The column's name exactly as the file writes it; header names are matched without case."""
    wanted = source.columns[column]
    return next(name for name in source.header if name.strip().lower() == wanted)


def _stage_parquet(connection: duckdb.DuckDBPyConnection, source: Source, kept: str) -> None:
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE staged AS "
        f"FROM read_parquet({literal(str(source.path))}, file_row_number = true) "
        f"SELECT file_row_number + 1 AS row, {kept}"
    )


def _stage_csv(connection: duckdb.DuckDBPyConnection, source: Source, kept: str) -> None:
    """Accepted records carry no number of their own, so it is rebuilt: their order, and the numbers of the records
    that were left out before them (refused ones and blank lines)."""
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in source.header)
    for name in ("rejects", "rejects_scan"):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE accepted AS FROM read_csv({literal(str(source.path))}, header = true, "
        f"auto_detect = false, columns = {{{types}}}, delim = ',', quote = '\"', escape = '\"', strict_mode = true, "
        "store_rejects = true, rejects_table = 'rejects', rejects_scan = 'rejects_scan', rejects_limit = 0) "
        f"SELECT row_number() OVER () AS place, {kept}"
    )
    connection.execute(
        "INSERT INTO malformed FROM rejects SELECT line, coalesce(arg_min(column_name, column_idx), 'row'), "
        "CASE min(error_type::VARCHAR) WHEN 'MISSING COLUMNS' THEN 'the row has too few fields' "
        "WHEN 'TOO MANY COLUMNS' THEN 'the row has too many fields' "
        "ELSE 'the row cannot be split into fields (quotes?)' END GROUP BY line"
    )
    _refuse_open_quote(connection, source)
    connection.execute("CREATE OR REPLACE TEMP TABLE left_out AS FROM malformed SELECT row")
    blank = _blank_records(source.path)
    if blank:
        connection.executemany("INSERT INTO left_out VALUES (?)", [[row] for row in blank])
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE staged AS FROM accepted ASOF LEFT JOIN ("
        "FROM (FROM left_out SELECT row - 1 - row_number() OVER (ORDER BY row) AS before, "
        "row_number() OVER (ORDER BY row) AS skipped) SELECT before, max(skipped) AS skipped GROUP BY before"
        ") AS gaps ON accepted.place > gaps.before "
        "SELECT place + 1 + coalesce(skipped, 0) AS row, accepted.* EXCLUDE (place)"
    )
    connection.execute("DROP TABLE accepted")


def _refuse_open_quote(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    """A quote that is never closed swallows the rows behind it, so nobody could say how many were lost."""
    found = connection.execute(
        "FROM rejects SELECT min(line) "
        "WHERE error_type = 'UNQUOTED VALUE' AND contains(rtrim(csv_line, chr(10)), chr(10))"
    ).fetchone()
    if found and found[0]:
        raise Unreadable("a quote is opened and never closed", file=source.path.name, row=found[0], field="row")


def _blank_records(path: Path) -> list[int]:
    """Numbers of the blank lines, which are no records but are counted as rows by every editor."""
    with path.open("rb") as handle:
        before, found = b"", False
        while chunk := handle.read(CHUNK):
            text = (before + chunk).replace(b"\r\n", b"\n")
            found = found or b"\n\n" in text
            before = chunk[-3:]
    if not found:
        return []
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return [number for number, record in enumerate(csv.reader(handle), start=1) if not record]


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows of a table."""
    found = connection.execute(f"FROM {table} SELECT count(*)").fetchone()
    return int(found[0]) if found else 0


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
