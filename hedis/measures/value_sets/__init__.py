"""The packaged value sets: free code systems only. `sources.toml` says where each comes from and what is left out."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hedis.engine.codes import ValueSetCode, read_value_sets

DIRECTORY = Path(__file__).parent


@cache
def known(own_lists: Path | None = None) -> tuple[ValueSetCode, ...]:
    """Every code, normalised and sorted, of all measurement years: the packaged lists and the plan's own.

    `own_lists`: the folder of lists the plan holds a licence for; one that does not exist holds none. Raises
    engine.codes.CodeError naming file, row and column.
    """
    own = sorted(own_lists.glob("*.csv")) if own_lists else []
    return read_value_sets([*sorted(DIRECTORY.glob("*.csv")), *own])


def packaged() -> tuple[ValueSetCode, ...]:
    """The packaged codes alone."""
    return known()
