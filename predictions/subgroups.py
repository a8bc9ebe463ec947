"""The same figures for parts of the test set, small parts withheld."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictions import measuring
from predictions.measuring import Sample
from predictions.resampling import clusters_of, figures
from predictions.tables import Column, Flags, Integers, Kind

# CMS cell size suppression policy: no figure from 1 to 10 people. Also for events and for non-events.
SMALLEST = 11
MOST_PARTS = 12
WANTED = {"auc": measuring.auc, "brier": measuring.brier, "oe": measuring.oe}
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


def rows_of(parts: Sequence[Part], sample: Sample, groups: Integers, seed: int) -> list[dict[str, Any]]:
    """Parts of one column as table rows. Where just one part is withheld, the size of the smallest other one is too:
    it would give the withheld one away by subtraction."""
    small = [too_small(sample, part.rows) for part in parts]
    shown = [number for number, is_small in enumerate(small) if not is_small]
    unsized = -1
    if sum(small) == 1 and shown:
        unsized = min(shown, key=lambda number: int(parts[number].rows.sum()))
    return [
        row_of(part, sample, groups, seed, withheld=small[number], sized=number != unsized)
        for number, part in enumerate(parts)
    ]


def too_small(sample: Sample, rows: Flags) -> bool:
    """Whether a part must not be shown."""
    events = int(sample.labels[rows].sum())
    return min(events, int(rows.sum()) - events) < SMALLEST


def row_of(part: Part, sample: Sample, groups: Integers, seed: int, *, withheld: bool, sized: bool) -> dict[str, Any]:
    """One part: sizes and figures, or only that they are withheld."""
    row: dict[str, Any] = {"by": part.by, "level": part.level, "suppressed": withheld, "n": None, "events": None}
    if withheld:
        return {**row, "reason": WITHHELD, **dict.fromkeys(WANTED)}
    inside = Sample(sample.labels[part.rows], sample.margins[part.rows])
    if sized:
        row |= {"n": int(part.rows.sum()), "events": int(inside.labels.sum())}
    else:
        row["reason"] = "sizes withheld: they would give away those of the suppressed part"
    found = figures(inside, clusters_of(groups[part.rows])[0], WANTED, seed)
    return {**row, **{name: figure.as_json() for name, figure in found.items()}}


def table(
    columns: Mapping[str, tuple[Column, Sequence[float]]], sample: Sample, groups: Integers, seed: int
) -> list[dict[str, Any]]:
    """All parts of these columns (each with the quarters of its training values)."""
    found: list[dict[str, Any]] = []
    for column, quarters in columns.values():
        parts = list(parts_of(column, quarters))
        if len(parts) > 1:
            found += rows_of(parts, sample, groups, seed)
    return found
