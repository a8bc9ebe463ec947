"""One Spark session and one DuckDB for all of these tests: starting Spark takes longer than most of what it computes.

Not part of `make test`: `make test-spark` sets up an environment that has PySpark.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hedis.engine.backends import DUCKDB, SPARK, Backend, SparkOptions, opened

OPTIONS = SparkOptions(
    master="local[2]",
    session={
        "spark.driver.memory": "3g",
        "spark.sql.shuffle.partitions": "4",
        # A plan of some hundred members: compiling each step to Java takes longer than running it.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    },
)


def pytest_configure(config: pytest.Config) -> None:
    """PySpark leaves its sockets to the garbage collector."""
    config.addinivalue_line(
        "filterwarnings", "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
    )


@pytest.fixture(scope="session")
def spark() -> Iterator[Backend]:
    with opened(SPARK, OPTIONS) as backend:
        yield backend


@pytest.fixture(scope="session")
def duckdb() -> Iterator[Backend]:
    with opened(DUCKDB) as backend:
        yield backend
