"""The packaged value sets: free code systems only. `sources.toml` says where each comes from and what is left out."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hedis.engine.codes import ValueSetCode, read_value_sets

DIRECTORY = Path(__file__).parent


@cache
def packaged() -> tuple[ValueSetCode, ...]:
    """Every packaged code, normalised and sorted; all measurement years."""
    return read_value_sets(sorted(DIRECTORY.glob("*.csv")))
