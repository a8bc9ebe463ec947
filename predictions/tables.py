"""A labelled table: one row an observation, read with its types, or refused with the column and the row.

Rows are counted from 1 at the first row of data, in the order of the file.
"""

import csv
import difflib
import gzip
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# How missing values are written in CSV files of survey houses and statistics packages.
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", ".")
PARQUET = (".parquet", ".pq")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
DELIMITERS = (",", ";", "\t", "|")
EVENT = {"1": 1, "1.0": 1, "true": 1, "t": 1, "yes": 1, "y": 1, "0": 0, "0.0": 0, "false": 0, "f": 0, "no": 0, "n": 0}
# Whole numbers with so few values are often codes (region 1 to 4, 7 = don't know): order and each value may count.
MOST_CODES = 12
# More different texts than this share of the rows is a name or an id: it can only be learnt by heart.
IDENTIFIER_SHARE = 0.5
# Single precision, in which the model file computes, ends at 3.4e38.
LARGEST = 1e37
# Texts of which so many are numbers are a number column with something in it that is none.
MOSTLY_NUMBERS = 0.9


class TableError(Exception):
    """The table cannot be learnt from. Names file, row (0: no single row), field and reason."""

    def __init__(self, reason: str, *, file: str = "", field: str = "", row: int = 0) -> None:
        place = ", ".join(part for part in (file, f"row {row}" if row else "", field) if part)
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason, self.file, self.field, self.row = reason, file, field, row


class UnknownColumn(TableError):
    """A column was named that the table does not have."""


class Kind(StrEnum):
    """What a column is to the model."""

    NUMBER = "number"
    YES_NO = "yes/no"
    CODED = "coded number"
    CATEGORY = "category"


@dataclass(frozen=True)
class Column:
    """Values of one column. Numbers as floats, NaN where missing; a category as indices into `words`, -1 missing."""

    name: str
    kind: Kind
    values: npt.NDArray[Any]
    words: tuple[str, ...] = ()

    def missing(self) -> Flags:
        """Which rows have no value."""
        return self.values < 0 if self.kind is Kind.CATEGORY else np.isnan(self.values)

    def take(self, rows: Integers) -> "Column":
        """The same column, these rows."""
        return Column(self.name, self.kind, self.values[rows], self.words)


@dataclass(frozen=True)
class Table:
    """Labels (1 the event), the group of each row as index into `group_names`, time if any, columns by name."""

    file: str
    labels: Integers
    groups: Integers
    group_names: tuple[str, ...]
    times: Floats | None
    columns: dict[str, Column]

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.labels)

    def take(self, rows: Integers, names: Sequence[str]) -> dict[str, Column]:
        """These columns of these rows."""
        return {name: self.columns[name].take(rows) for name in names}


def read(
    path: Path, *, label: str, group: str, features: Sequence[str], time: str = "", audit: Sequence[str] = ()
) -> Table:
    """Read a CSV (also .gz) or Parquet table.

    `audit` columns are not learnt from: they only divide the test set into subgroups. Raises UnknownColumn, and
    TableError for a file that cannot be read, an empty one, a label that is not 0/1, a row without group or time.
    """
    wanted = list(dict.fromkeys([label, group, *([time] if time else []), *features, *audit]))
    arrow = columns_of(path, wanted, verbatim=(label, group))
    if not arrow.num_rows:
        raise TableError("the table has no row", file=path.name)
    place = path.name
    codes, names = categories(whole_numbers_as_words(arrow[group]))
    refuse_first(codes < 0, "has no group", place, group)
    return Table(
        file=place,
        labels=labels_of(arrow[label], place, label),
        groups=codes,
        group_names=names,
        times=times_of(arrow[time], place, time) if time else None,
        columns={name: typed(name, arrow[name], place) for name in dict.fromkeys([*features, *audit])},
    )


def columns_of(path: Path, wanted: Sequence[str], verbatim: Sequence[str]) -> pa.Table:
    """The wanted columns as Arrow; `verbatim` ones stay as written: group 01 is not group 1."""
    if not path.is_file():
        raise TableError("no such file", file=str(path))
    try:
        with duckdb.connect() as connection:
            connection.execute("SET threads = 2")
            if path.suffix.lower() in PARQUET:
                found = connection.read_parquet(str(path))
            else:
                found = read_csv(connection, path, verbatim)
            for name in wanted:
                if name not in found.columns:
                    near = difflib.get_close_matches(name, found.columns, n=3)
                    hint = f"; did you mean {', '.join(near)}?" if near else f"; it has {', '.join(found.columns[:40])}"
                    raise UnknownColumn(f"the table has no column {name!r}{hint}", file=path.name, field=name)
            quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in wanted)
            return found.project(quoted).to_arrow_table()
    except duckdb.Error as error:
        if path.suffix.lower() not in PARQUET:
            refuse_broken_lines(path)
        raise TableError(f"cannot be read: {str(error).splitlines()[0]}", file=path.name) from error


def read_csv(connection: duckdb.DuckDBPyConnection, path: Path, verbatim: Sequence[str]) -> duckdb.DuckDBPyRelation:
    """A CSV table, types found from all its rows. Nothing else is guessed: a guess passes over broken rows."""
    options: dict[str, Any] = {
        "header": True, "skiprows": 0, "delimiter": delimiter_of(path), "quotechar": '"', "escapechar": '"',
        "na_values": list(MISSING),
    }  # fmt: skip
    header = connection.read_csv(str(path), **options).columns
    kept = {name: "VARCHAR" for name in verbatim if name in header}
    return connection.read_csv(str(path), sample_size=-1, dtype=kept, **options)


def delimiter_of(path: Path) -> str:
    """The sign most frequent in the header, of those that divide columns."""
    try:
        with opened(path) as file:
            header = file.readline()
    except OSError as error:
        raise TableError(f"cannot be read: {error}", file=path.name) from error
    if not header.strip() or b"\0" in header:
        raise TableError("the first line names no columns", file=path.name)
    return max(DELIMITERS, key=lambda sign: header.count(sign.encode()))


def opened(path: Path) -> io.BufferedReader | gzip.GzipFile:
    """A CSV file, packed or not."""
    return gzip.GzipFile(path) if path.suffix.lower() == ".gz" else path.open("rb")


def refuse_broken_lines(path: Path) -> None:
    """Name the first row that has another number of columns than the header, or is no UTF-8, where there is one."""
    with opened(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        rows = csv.reader(text, delimiter=delimiter_of(path), strict=True)
        number = 0
        try:
            width = len(next(rows))
            for number, row in enumerate(rows, start=1):
                if row and len(row) != width:
                    raise TableError(f"{len(row)} columns, the header has {width}", file=path.name, row=number)
        except UnicodeDecodeError as error:
            raise TableError("is not UTF-8 text", file=path.name, row=number + 1) from error
        except csv.Error as error:
            raise TableError(f"is no valid CSV: {error}", file=path.name, row=number + 1) from error


def refuse_first(wrong: Flags, reason: str, file: str, field: str) -> None:
    """Refuse the table at its first wrong row."""
    if wrong.any():
        more = f" ({int(wrong.sum()):,} such rows)" if wrong.sum() > 1 else ""
        raise TableError(f"{reason}{more}", file=file, field=field, row=int(np.argmax(wrong)) + 1)


def labels_of(column: pa.ChunkedArray, file: str, field: str) -> Integers:
    """The label as 0 and 1. Accepts true/false, yes/no; anything else, a missing one too, is refused with its row."""
    codes, words = categories(whole_numbers_as_words(column))
    refuse_first(codes < 0, "the label is missing; leave out rows nobody knows the outcome of", file, field)
    values = np.array([EVENT.get(word.lower(), -1) for word in words], dtype=np.int64)[codes]
    if (values < 0).any():
        row = int(np.argmax(values < 0))
        raise TableError(f"the label is {words[codes[row]]!r}, not 0 or 1", file=file, field=field, row=row + 1)
    return values


def times_of(column: pa.ChunkedArray, file: str, field: str) -> Floats:
    """What the rows are ordered by, as rising numbers: numbers as they are, dates and ISO texts by rank."""
    if is_text(column.type) or pa.types.is_temporal(column.type):
        codes, words = categories(column)
        ranks = np.argsort(np.argsort(np.array(words)))
        values = np.where(codes < 0, np.nan, ranks[np.maximum(codes, 0)].astype(np.float64))
    else:
        values = numbers(column, file, field)
    refuse_first(np.isnan(values), "has no time", file, field)
    return values


def typed(name: str, column: pa.ChunkedArray, file: str) -> Column:
    """A column by its own type: texts are categories, whole numbers with few values are codes."""
    kind = column.type
    if pa.types.is_temporal(kind):
        raise TableError("a date cannot be learnt from; give an age or a number of days", file=file, field=name)
    if is_text(kind):
        codes, words = categories(column)
        refuse_stray_words(codes, words, file, name)
        return Column(name, Kind.CATEGORY, codes, words)
    values = numbers(column, file, name)
    known = values[~np.isnan(values)]
    different = np.unique(known)
    if pa.types.is_boolean(kind) or set(different) <= {0.0, 1.0}:
        return Column(name, Kind.YES_NO, values)
    few_codes = len(different) <= MOST_CODES and bool((different == np.round(different)).all())
    return Column(name, Kind.CODED if few_codes else Kind.NUMBER, values)


def refuse_stray_words(codes: Integers, words: tuple[str, ...], file: str, field: str) -> None:
    """Refuse a column of numbers that a few words ("refused") made into text: it would be learnt word by word."""
    numeric = np.array([NUMBER.fullmatch(word) is not None for word in words], dtype=bool)
    if len(words) <= MOST_CODES or numeric.all():
        return
    known = codes >= 0
    stray = known & ~numeric[codes]
    if stray.sum() <= (1 - MOSTLY_NUMBERS) * known.sum():
        word = words[codes[np.argmax(stray)]]
        refuse_first(stray, f"{word!r} in a column of numbers; leave it empty or give it a number", file, field)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds words."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_dictionary(kind)
    )


def numbers(column: pa.ChunkedArray, file: str, field: str) -> Floats:
    """A column as floats, NaN where missing; infinity is refused with its row."""
    try:
        values = column.cast(pa.float64()).to_numpy().astype(np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TableError(f"is {column.type}, neither number nor text", file=file, field=field) from error
    refuse_first(np.abs(values) > LARGEST, f"is infinite or beyond {LARGEST:g}", file, field)
    return values


def categories(column: pa.ChunkedArray) -> tuple[Integers, tuple[str, ...]]:
    """Indices into the sorted words of a column (-1 missing), and the words without blanks around them."""
    trimmed = pc.utf8_trim_whitespace(column.cast(pa.string()))
    cleaned = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    encoded = pa.chunked_array(cleaned).combine_chunks().dictionary_encode()
    words = np.array(encoded.dictionary.to_pylist(), dtype=object)
    order = np.argsort(words.astype(str), kind="stable")
    place = np.empty(len(words) + 1, dtype=np.int64)
    place[order], place[-1] = np.arange(len(words)), -1
    codes = pc.fill_null(encoded.indices, len(words)).to_numpy(zero_copy_only=False)
    return place[codes], tuple(words[order])


def whole_numbers_as_words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Parquet writers store whole numbers beside missing ones as floats: group 1.0 is group 1."""
    if not pa.types.is_floating(column.type):
        return column
    values = column.to_pylist()
    return pa.chunked_array(
        [pa.array([None if v is None or v != v else str(int(v)) if v == int(v) else str(v) for v in values])]
    )
