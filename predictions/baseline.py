"""What the training rows looked like, bin by bin: what a model in use is compared with later (population stability)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from predictions.tables import Column, Floats, Kind

BINS = 10
# Levels that stand for themselves; rarer ones are together what the shares leave over.
MOST_LEVELS = 20


def reference(scores: Floats, columns: Mapping[str, Column], names: Sequence[str]) -> dict[str, Any]:
    """`score`: the distribution of the cross-validated probabilities; `features`: of each column.

    A distribution is `edges` (inner edges of a number's bins, the lower one belongs to the bin) or `levels`, their
    `shares` of all rows, and `missing`, the share without a value; of numbers `range`, the least and the greatest.
    """
    return {
        "score": of_numbers(scores),
        "features": {name: of_column(columns[name]) for name in names},
    }


def by_value(scores: Floats, columns: Mapping[str, Column], names: Sequence[str], by: Column) -> dict[str, Any]:
    """The same for the rows of each value of a column that has words, with their number: people of one score date are
    compared with those of the same date, not with the whole year's."""
    found = {}
    for value in np.unique(by.values[~by.missing()]):
        rows = np.flatnonzero(by.values == value)
        inside = {name: columns[name].take(rows) for name in names}
        found[by.words[int(value)]] = {"rows": len(rows), **reference(scores[rows], inside, names)}
    return found


def of_column(column: Column) -> dict[str, Any]:
    """The distribution of a column by its kind."""
    if column.kind is Kind.NUMBER:
        return of_numbers(column.values)
    missing = column.missing()
    values, counts = np.unique(column.values[~missing], return_counts=True)
    most = np.sort(np.argsort(-counts, kind="stable")[:MOST_LEVELS])
    named = [column.words[int(values[i])] if column.kind is Kind.CATEGORY else float(values[i]) for i in most]
    rows = max(len(missing), 1)
    found = {"levels": named, "shares": (counts[most] / rows).tolist(), "missing": float(missing.mean())}
    return found if column.kind is Kind.CATEGORY else found | extent(values)


def of_numbers(values: Floats) -> dict[str, Any]:
    """Tenths of the known values; fewer bins where many rows share a value."""
    missing = np.isnan(values)
    known = values[~missing]
    quantiles = np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]) if len(known) else np.empty(0)
    edges = np.unique(quantiles)
    counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    rows = max(len(values), 1)
    found = {"edges": edges.tolist(), "shares": (counts / rows).tolist(), "missing": float(missing.mean())}
    return found | extent(known)


def extent(known: Floats) -> dict[str, Any]:
    """The least and the greatest value, where there is one."""
    return {"range": [float(known.min()), float(known.max())]} if len(known) else {}
