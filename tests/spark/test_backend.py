"""What the two engines promise besides the rows."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hedis.engine.backends import Backend, NoEngine, Spark, SparkOptions, opened
from tests.spark.conftest import OPTIONS

COLUMNS = {"member": "VARCHAR", "start_date": "DATE", "line": "INTEGER", "value_number": "DOUBLE", "status": "VARCHAR"}
FAR = dt.date(9999, 12, 31)


@pytest.fixture(params=["duckdb", "spark"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.getfixturevalue(request.param)


def test_files_older_than_a_column_read_it_as_null(backend: Backend, tmp_path: Path) -> None:
    old = {"member": ["a"], "start_date": [FAR], "line": pa.array([None], "int32"), "value_number": [7.25]}
    new = {"status": ["final"], **old, "member": ["b"]}
    files = []
    for year, rows in (("year=2025", old), ("year=2026", new)):
        (tmp_path / "event" / year).mkdir(parents=True)
        files.append(tmp_path / "event" / year / "part-0.parquet")
        pq.write_table(pa.table(rows), files[-1])
    stored = backend.stored("event", [str(file) for file in files], COLUMNS)
    rows = sorted(backend.arrow(stored).to_pylist(), key=lambda row: row["member"])
    same = {"start_date": FAR, "line": None, "value_number": 7.25}
    assert rows == [{"member": "a", **same, "status": None}, {"member": "b", **same, "status": "final"}]


def test_a_table_without_files_has_its_columns_and_no_rows(backend: Backend) -> None:
    table = backend.stored("dispensing", [], COLUMNS)
    assert (list(table.columns), backend.arrow(table).num_rows) == (list(COLUMNS), 0)


def test_a_file_missing_where_the_cluster_looks_is_an_error(spark: Backend, tmp_path: Path) -> None:
    with pytest.raises(NoEngine, match=r"table event of the warehouse: .PATH_NOT_FOUND"):
        spark.stored("event", [str(tmp_path / "event" / "part-0.parquet")], COLUMNS)


def test_the_cluster_reads_the_copy_it_is_told_of(spark: Backend) -> None:
    assert spark.located("/data/warehouse") == "file:/data/warehouse"
    assert isinstance(spark, Spark)
    elsewhere = Spark(spark.session, SparkOptions(warehouse="s3a://plan/warehouse/"))
    assert elsewhere.located("/data/warehouse") == "s3a://plan/warehouse"


def test_a_step_let_go_of_leaves_no_view(spark: Backend) -> None:
    assert isinstance(spark, Spark)
    kept = spark.keep(spark.table(ibis.memtable(pa.table({"member": ["a"]}))))
    assert spark.arrow(kept).num_rows == 1
    spark.keep.release([kept])
    assert not spark.session.catalog.tableExists(kept.get_name())


def test_a_session_that_was_there_before_stays_open(spark: Backend) -> None:
    with opened("spark", OPTIONS) as again:
        assert isinstance(again, Spark)
    assert isinstance(spark, Spark)
    assert spark.session.range(3).count() == 3
