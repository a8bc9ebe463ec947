"""The same figures for parts of the test set, small parts withheld."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictions import measuring
from predictions.measuring import Sample
from predictions.resampling import Figure, clusters_of, figures
from predictions.tables import Column, Flags, Floats, Integers, Kind

# CMS cell size suppression policy: no figure from 1 to 10 people. Also for events and for non-events.
SMALLEST = 11
MOST_PARTS = 12
# A part whose size is withheld still says that it has so many rows: the gates of fairness judge it then.
LARGE = 200
ROUGH = 3
NAMES = ("auc", "brier", "oe", "tpr", "selected")
WITHHELD = f"fewer than {SMALLEST} rows, events or non-events"


@dataclass(frozen=True)
class Part:
    """Rows of the test set that share a value."""

    by: str
    level: str
    rows: Flags


def parts_of(column: Column, quarters: Sequence[float] = ()) -> Iterator[Part]:
    """A column's values and, where there are any, its missing ones; a number is cut at `quarters`."""
    missing = column.missing()
    if column.kind is Kind.NUMBER:
        edges = [-np.inf, *sorted(set(quarters)), np.inf]
        for low, high in itertools.pairwise(edges):
            words = f"{low:g} to under {high:g}" if np.isfinite([low, high]).all() else bound(low, high)
            yield Part(column.name, words, (column.values >= low) & (column.values < high))
    else:
        for value in np.unique(column.values[~missing]):
            word = column.words[int(value)] if column.kind is Kind.CATEGORY else f"{value:g}"
            yield Part(column.name, word, column.values == value)
    if missing.any():
        yield Part(column.name, "missing", missing)


def bound(low: float, high: float) -> str:
    """An open end in words."""
    if np.isinf(low) and np.isinf(high):
        return "any"
    return f"under {high:g}" if np.isinf(low) else f"{low:g} and over"


@dataclass(frozen=True)
class Tested:
    """What all parts are taken from: the test rows, their groups, what of each is chosen at capacity, the seed."""

    sample: Sample
    groups: Integers
    chosen: Floats
    seed: int

    def figures(self, rows: Flags) -> dict[str, Figure]:
        """The figures of these rows. Who is chosen was decided among all test rows, by one edge for everybody."""
        chosen = self.chosen[rows]
        wanted = {
            "auc": measuring.auc, "brier": measuring.brier, "oe": measuring.oe,
            "tpr": measuring.true_positive_rate(chosen), "selected": measuring.selection_rate(chosen),
        }  # fmt: skip
        inside = Sample(self.sample.labels[rows], self.sample.margins[rows])
        return figures(inside, clusters_of(self.groups[rows])[0], wanted, self.seed)


def rows_of(parts: Sequence[Part], tested: Tested) -> list[dict[str, Any]]:
    """Parts of one column as table rows. Where just one part is withheld, the size of the smallest other one is too:
    it would give the withheld one away by subtraction."""
    small = [too_small(tested.sample, part.rows) for part in parts]
    shown = [number for number, is_small in enumerate(small) if not is_small]
    unsized = -1
    if sum(small) == 1 and shown:
        unsized = min(shown, key=lambda number: int(parts[number].rows.sum()))
    return [row_of(part, tested, withheld=small[number], sized=number != unsized) for number, part in enumerate(parts)]


def too_small(sample: Sample, rows: Flags) -> bool:
    """Whether a part must not be shown."""
    events = int(sample.labels[rows].sum())
    return min(events, int(rows.sum()) - events) < SMALLEST


def row_of(part: Part, tested: Tested, *, withheld: bool, sized: bool) -> dict[str, Any]:
    """One part: sizes and figures, or only that they are withheld."""
    row: dict[str, Any] = {"by": part.by, "level": part.level, "suppressed": withheld, "n": None, "events": None}
    if withheld:
        return {**row, "reason": WITHHELD, **dict.fromkeys(NAMES)}
    rows = int(part.rows.sum())
    found = {name: figure.as_json() for name, figure in tested.figures(part.rows).items()}
    if sized:
        return {**row, "n": rows, "events": int(tested.sample.labels[part.rows].sum()), **found}
    row["reason"] = "sizes withheld: they would give away those of the suppressed part"
    if rows >= LARGE + SMALLEST:  # at exactly LARGE the bound itself would tell how small the withheld part is
        row["n_at_least"] = LARGE
    # A share with all its digits is a fraction whose denominator is the size.
    return {**row, **{name: rough(figure) for name, figure in found.items()}}


def rough(figure: dict[str, Any]) -> dict[str, Any]:
    """A figure with three decimals."""
    return {key: round(value, ROUGH) if isinstance(value, float) else value for key, value in figure.items()}


def table(
    columns: Mapping[str, tuple[Column, Sequence[float]]],
    sample: Sample,
    groups: Integers,
    seed: int,
    *,
    capacity: float,
) -> list[dict[str, Any]]:
    """All parts of these columns (each with the quarters of its training values). `capacity`: the share of all rows a
    team can work on, for `tpr` and `selected`."""
    tested = Tested(sample, groups, measuring.selection(sample, capacity), seed)
    found: list[dict[str, Any]] = []
    for column, quarters in columns.values():
        parts = list(parts_of(column, quarters))
        if len(parts) > 1:
            found += rows_of(parts, tested)
    return found
