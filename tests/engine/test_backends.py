"""Choosing the engine a definition runs on. What Spark answers: tests/spark."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from hedis.engine.backends import NoEngine, opened


def test_without_pyspark_the_message_names_the_file_to_install_from(monkeypatch: pytest.MonkeyPatch) -> None:
    find: Any = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pyspark" else find(name))
    with pytest.raises(NoEngine, match=r"requirements-spark\.txt"), opened("spark"):
        pass


def test_an_engine_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="'polars': there are duckdb and spark"), opened("polars"):
        pass
