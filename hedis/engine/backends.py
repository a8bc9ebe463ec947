"""The engines a definition runs on: DuckDB in this process, PySpark where a plan outgrows one machine (docs/spark.md).

A backend opens the warehouse's files as tables, takes in small tables of this process, keeps steps that several
later ones read, and hands rows out as Arrow. What is computed is in the expressions and the same for both.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Protocol

import ibis
import pyarrow as pa

from hedis.engine.evaluate import Keep, KeptInMemory
from hedis.engine.facts import Tables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DUCKDB, SPARK = "duckdb", "spark"
NAMES = (DUCKDB, SPARK)
SESSION = {
    # What the rows depend on: the day of a date, and an error instead of a silent null where a number does not fit.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
}
QUIET = {
    # Of a session that starts here; a Spark Connect server has its own and lets nobody change them.
    "spark.app.name": "hedis",
    "spark.log.level": "ERROR",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
SPARK_TYPES = {
    "VARCHAR": "STRING", "DATE": "DATE", "BOOLEAN": "BOOLEAN", "DOUBLE": "DOUBLE", "INTEGER": "INT", "BIGINT": "BIGINT",
}  # fmt: skip


class NoEngine(Exception):
    """The engine asked for cannot run here, or cannot reach the warehouse. The message says what is missing."""


@dataclass(frozen=True)
class SparkOptions:
    """How to reach Spark.

    master     `local[4]`, `spark://host:7077`, `yarn`, `sc://host:15002` (Spark Connect), …; empty: what
               spark-submit, SPARK_REMOTE or spark-defaults.conf say, else every core of this machine
    session    settings of the session, by their Spark names (`spark.driver.memory`)
    warehouse  the folder of the generations as the cluster sees it (`s3a://…`); empty: where the import wrote it
    """

    master: str = ""
    session: Mapping[str, str] = field(default_factory=dict)
    warehouse: str = ""


class Backend(Protocol):
    """An engine that is open.

    `name`: one of `NAMES`. `members_at_once`: how many it should judge in one go to stay within this machine's
    memory (None: it sees to its memory itself).
    """

    name: str
    members_at_once: int | None
    keep: Keep

    def located(self, folder: str) -> str:
        """The folder of the generations as this engine reaches it, given where the import wrote it."""
        ...

    def stored(self, name: str, files: Sequence[str], columns: Mapping[str, str]) -> ibis.Table:
        """Parquet files as one table with exactly these columns (DuckDB types); null where a file lacks one.

        Raises NoEngine where a file is not where the engine looks."""
        ...

    def table(self, relation: ibis.Table) -> ibis.Table:
        """A relation over data of this process as a table of the engine."""
        ...

    def arrow(self, relation: ibis.Table) -> pa.Table:
        """The rows of a relation, in this process."""
        ...


@contextmanager
def opened(name: str = DUCKDB, options: SparkOptions = SparkOptions()) -> Iterator[Backend]:
    """An engine for the time of a run. A Spark session that was there before stays open afterwards.

    Raises NoEngine where PySpark is not installed, ValueError for an engine nobody knows.
    """
    if name == DUCKDB:
        backend = DuckDB()
        try:
            yield backend
        finally:
            backend.connection.disconnect()
    elif name == SPARK:
        with _session(options) as session:
            yield Spark(session, options)
    else:
        raise ValueError(f"no engine {name!r}: there are {' and '.join(NAMES)}")


@contextmanager
def _session(options: SparkOptions) -> Iterator[SparkSession]:
    if importlib.util.find_spec("pyspark") is None:
        raise NoEngine("PySpark is not installed: run `pip install -r requirements-spark.txt` (it needs Java 17).")
    from pyspark.sql import SparkSession

    there_before = SparkSession.getActiveSession() is not None
    session = _builder(SparkSession.builder, options).getOrCreate()
    try:
        yield session
    finally:
        if not there_before:
            session.stop()


def _builder(builder: SparkSession.Builder, options: SparkOptions) -> SparkSession.Builder:
    connect = options.master.startswith("sc://")
    if options.master:
        builder = builder.remote(options.master) if connect else builder.master(options.master)
    ours = {} if connect or "SPARK_REMOTE" in os.environ else QUIET
    # What is asked for by hand outweighs our taste, never what the rows depend on.
    for key, value in {**ours, **options.session, **SESSION}.items():
        builder = builder.config(key, value)
    return builder


class DuckDB:
    """DuckDB in this process."""

    name = DUCKDB
    members_at_once: int | None = 100_000  # eleven measures take about 2 GB

    def __init__(self) -> None:
        self.connection = ibis.duckdb.connect()
        self.keep: Keep = KeptInMemory(self.connection)

    def located(self, folder: str) -> str:
        return folder

    def stored(self, name: str, files: Sequence[str], columns: Mapping[str, str]) -> ibis.Table:
        self.connection.raw_sql(f"CREATE OR REPLACE VIEW {name} AS {parquet_sql(files, columns)}")
        return self.connection.table(name)

    def table(self, relation: ibis.Table) -> ibis.Table:
        return relation

    def arrow(self, relation: ibis.Table) -> pa.Table:
        return self.connection.to_pyarrow(relation)


def parquet_sql(files: Sequence[str], columns: Mapping[str, str]) -> str:
    """DuckDB's SQL that reads Parquet files with exactly these columns; no row where there is no file, and null where
    a file was written before the column was thought of."""
    empty = f"SELECT {', '.join(f'NULL::{kind} AS {name}' for name, kind in columns.items())} WHERE false"
    if not files:
        return empty
    names = ", ".join(f"'{file.replace(chr(39), chr(39) * 2)}'" for file in files)
    stored = f"FROM read_parquet([{names}], hive_partitioning = false, union_by_name = true)"
    return f"FROM ({empty} UNION ALL BY NAME {stored}) SELECT {', '.join(columns)}"


class Spark:
    """A Spark session: of this machine, of a cluster, or of a Spark Connect server."""

    name = SPARK
    members_at_once: int | None = None

    def __init__(self, session: SparkSession, options: SparkOptions) -> None:
        self.connection = ibis.pyspark.connect(session)
        self.keep: Keep = KeptBySpark(self)
        self.session, self._options, self._views = session, options, itertools.count()

    def located(self, folder: str) -> str:
        return self._options.warehouse.rstrip("/") or f"file:{folder}"

    def stored(self, name: str, files: Sequence[str], columns: Mapping[str, str]) -> ibis.Table:
        schema = ", ".join(f"{column} {SPARK_TYPES[kind]}" for column, kind in columns.items())
        if not files:
            return self.view(self.session.createDataFrame([], schema))
        from pyspark.errors import AnalysisException

        # A schema given beforehand reads what an older file lacks as null; files named one by one have no partitions.
        try:
            return self.view(self.session.read.schema(schema).parquet(*files))
        except AnalysisException as error:
            raise NoEngine(f"Spark cannot read table {name} of the warehouse: {error}") from error

    def table(self, relation: ibis.Table) -> ibis.Table:
        return self.view(self.session.createDataFrame(relation.to_pyarrow()))

    def frame(self, relation: ibis.Table) -> DataFrame:
        """The relation as Spark plans it, nothing computed yet."""
        return self.session.sql(self.connection.compile(relation))

    def view(self, frame: DataFrame) -> ibis.Table:
        """A data frame as a table that expressions can name."""
        name = f"hedis_{id(self):x}_{next(self._views)}"
        frame.createOrReplaceTempView(name)
        return self.connection.table(name)

    def arrow(self, relation: ibis.Table) -> pa.Table:
        # Not Ibis' way through pandas, which knows no missing whole number and no date after 2262.
        return self.frame(relation).toArrow().cast(relation.schema().to_pyarrow())


class KeptBySpark(Keep):
    """Keeps steps where Spark computed them, in the memory and on the disks of its executors.

    Each is a checkpoint: what was computed is read, not planned again. With Spark's cache the plan of a measure holds
    the plans of all its steps, and planning takes longer than computing. A folder in `spark.checkpoint.dir`, which
    outlives an executor, is used where there is one.
    """

    def __init__(self, spark: Spark) -> None:
        self._spark = spark

    def __call__(self, table: ibis.Table) -> ibis.Table:
        frame = self._spark.frame(table)
        lasting = self._spark.session.conf.get("spark.checkpoint.dir", None)
        return self._spark.view(frame.checkpoint() if lasting else frame.localCheckpoint())

    def release(self, tables: Iterable[ibis.Table]) -> None:
        # Spark's cleaner frees a checkpoint that no view names any more.
        for table in tables:
            self._spark.session.catalog.dropTempView(table.get_name())


def taken_in(tables: Tables, backend: Backend) -> Tables:
    """The tables of a run, made in this process, as tables of the engine."""
    names = [each.name for each in fields(tables) if isinstance(getattr(tables, each.name), ibis.Table)]
    return replace(tables, **{name: backend.table(getattr(tables, name)) for name in names})
