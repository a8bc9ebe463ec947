"""The packaged value sets: free code systems only. `sources.toml` says where each comes from and what is left out,
`names.toml` what other people's files call things."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from hedis.engine.codes import ValueSetCode, read_value_sets, sort_key

DIRECTORY = Path(__file__).parent


def known(own_lists: Path | None = None) -> tuple[ValueSetCode, ...]:
    """Every code, normalised and sorted, of all measurement years: the packaged lists and the plan's own.

    `own_lists`: the folder of lists the plan holds a licence for; one that does not exist holds none. Files are read
    again only when one was added, changed or taken away, so a running server notices a new list. Raises
    engine.codes.CodeError naming file, row and column.
    """
    return _merged(tuple((file, *_state(file)) for file in files(own_lists)))


def files(own_lists: Path | None = None) -> list[Path]:
    """The files of code lists: the packaged, then the plan's own."""
    return [*sorted(DIRECTORY.glob("*.csv")), *(sorted(own_lists.glob("*.csv")) if own_lists else [])]


def of_file(file: Path) -> tuple[ValueSetCode, ...]:
    """The rows of one file of code lists, sorted; read again only when it was changed."""
    return _read(file, *_state(file))


def packaged() -> tuple[ValueSetCode, ...]:
    """The packaged codes alone."""
    return known()


def _state(file: Path) -> tuple[int, int, int]:
    """What differs once a file was written anew: inode, time of change, length."""
    stat = file.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=64)
def _read(file: Path, *state: int) -> tuple[ValueSetCode, ...]:
    return read_value_sets([file])


@lru_cache(maxsize=4)
def _merged(states: tuple[tuple[Path, int, int, int], ...]) -> tuple[ValueSetCode, ...]:
    return tuple(sorted({row for file, *state in states for row in _read(file, *state)}, key=sort_key))
