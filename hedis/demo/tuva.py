"""The Tuva input layer: exact columns of each table (tuva_columns.csv), written as Parquet or CSV."""

import csv
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from hedis.demo.parameters import HERE

FileFormat = Literal["parquet", "csv"]
ROWS_AT_ONCE = 100_000


TYPES = {
    "text": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("s"),
    "integer": pa.int32(),
    "number": pa.float64(),
}


def _schemas() -> dict[str, pa.Schema]:
    tables: dict[str, list[tuple[str, pa.DataType]]] = {}
    with (HERE / "tuva_columns.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            tables.setdefault(row["table"], []).append((row["column"], TYPES[row["type"]]))
    return {table: pa.schema(columns) for table, columns in tables.items()}


SCHEMAS = _schemas()
"""Table -> its columns in order; the types are the generator's, the names Tuva's."""


def filled(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """A column of the file; "" and not-a-time become null."""
    if values.dtype.kind == "U":
        return pa.array(values, type=kind, mask=values == "")
    return pa.array(values, type=kind)


class TableWriter:
    """Writes one table piece by piece, so that no more than one cohort's year is in memory. A context manager."""

    def __init__(self, directory: Path, table: str, constants: dict[str, str], form: FileFormat) -> None:
        self.schema = SCHEMAS[table]
        self.path = directory / f"{table}.{form}"
        other = directory / f"{table}.{'csv' if form == 'parquet' else 'parquet'}"
        if other.exists():
            raise FileExistsError(f"{other.name} is there already: a reader could not tell which {table} counts.")
        self.constants = constants
        self.rows = 0
        if form == "parquet":
            self._file: pq.ParquetWriter | pa.csv.CSVWriter = pq.ParquetWriter(
                self.path, self.schema, compression="zstd"
            )
        else:
            self._file = pa.csv.CSVWriter(self.path, self.schema)

    def write(self, columns: dict[str, np.ndarray]) -> None:
        """Append rows. Columns not given are constants or null; an unknown column is a KeyError."""
        unknown = columns.keys() - set(self.schema.names)
        if unknown:
            raise KeyError(f"{self.path.name} has no column {', '.join(sorted(unknown))}")
        total = len(next(iter(columns.values())))
        for begin in range(0, total, ROWS_AT_ONCE):
            part = {name: values[begin : begin + ROWS_AT_ONCE] for name, values in columns.items()}
            self._file.write_table(self._table(part, min(ROWS_AT_ONCE, total - begin)))
        self.rows += total

    def _table(self, part: dict[str, np.ndarray], rows: int) -> pa.Table:
        arrays = []
        for field in self.schema:
            if field.name in part:
                arrays.append(filled(part[field.name], field.type))
            else:
                constant = pa.scalar(self.constants.get(field.name)).cast(field.type)
                arrays.append(pa.repeat(constant, rows))
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
