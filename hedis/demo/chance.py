"""Draws that several parts of the simulation share: working days, calibrated yes/no, and tables of columns."""

from collections.abc import Callable, Iterable

import numpy as np

Columns = dict[str, np.ndarray]
"""Columns of equal length by name: one table of simulated facts."""

HOLIDAYS = np.array(
    [f"{year}-{day}" for year in range(2000, 2100) for day in ("01-01", "07-04", "12-25")], dtype="datetime64[D]"
)


def first_of(year: int) -> np.datetime64:
    """1 January of a year."""
    return np.datetime64(f"{year}-01-01", "D")


def last_of(year: int) -> np.datetime64:
    """31 December of a year."""
    return np.datetime64(f"{year}-12-31", "D")


def working_day(days: np.ndarray) -> np.ndarray:
    """The same or the next working day of the month (else the last before): offices close at weekends."""
    return np.busday_offset(days, 0, roll="modifiedfollowing", holidays=HOLIDAYS)


def day_in(year: int | np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """A working day of `year` at `fraction` (0-1) of it."""
    opens = (np.asarray(year) - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    return working_day(opens + np.floor(np.clip(fraction, 0, 0.9999) * 365).astype("timedelta64[D]"))


def sigmoid(score: np.ndarray) -> np.ndarray:
    """Log-odds to probability."""
    return 1 / (1 + np.exp(-score))


def shift_for(share: Callable[[float], float], target: float) -> float:
    """The log-odds to add so that `share`, which rises with them, comes to `target`."""
    low, high = -12.0, 12.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) < target else (low, middle)
    return (low + high) / 2


def intercept_for(score: np.ndarray, already: np.ndarray, target: float) -> float:
    """The number to add to `score` (log-odds) so that `already`, or else chance, reaches `target` on average.

    Where `already` alone is at the target or above, chance is all but switched off.
    """
    return shift_for(lambda shift: float(np.where(already, 1.0, sigmoid(score + shift)).mean()), target)


def closing(
    score: np.ndarray,
    already: np.ndarray,
    counted: np.ndarray,
    group: np.ndarray,
    targets: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Who does the thing this year, so that each group's rate among `counted` comes to its target.

    The intercept is solved on the counted people and applied to all: the others behave like them.
    """
    chance = np.empty(len(score))
    for index, target in enumerate(targets):
        members, basis = group == index, (group == index) & counted
        shift = intercept_for(score[basis], already[basis], float(target)) if basis.any() else 0.0
        chance[members] = sigmoid(score[members] + shift)
    return ~already & (rng.random(len(score)) < chance)


def stacked(tables: Iterable[Columns]) -> Columns:
    """The tables one below the other; all must have the same columns."""
    parts = list(tables)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def chosen(table: Columns, rows: np.ndarray) -> Columns:
    """The rows of a table, by mask or by position."""
    return {name: column[rows] for name, column in table.items()}


def written(pattern: str, values: np.ndarray) -> np.ndarray:
    """Numbers as text, e.g. `written("DEMO-%07d", serial)`; numpy itself refuses an empty column."""
    return np.char.mod(pattern, values) if len(values) else np.empty(0, dtype="<U1")


def last_per_person(person: np.ndarray, order: np.ndarray, people: int) -> np.ndarray:
    """Position of each person's last fact by `order`; -1 where a person has none."""
    last = np.full(people, -1)
    ranked = np.argsort(order, kind="stable")
    last[person[ranked]] = ranked
    return last
