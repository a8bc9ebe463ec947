"""A model applied to feature rows: one way for one member, a batch and the whole plan. Pure.

Features are encoded as the model file says, not as the rows at hand look: a row has the same score whatever rows
stand beside it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from predictions import quality, reasons, tables
from predictions.calibrating import probability
from predictions.encoding import Encoding
from predictions.model_file import Model
from predictions.reasons import About, Value
from predictions.tables import Column, Floats, Kind

MISSING_WORD = "\0"
HIGH, MEDIUM, LOW = "high", "medium", "low"


@dataclass(frozen=True)
class Scored:
    """One row's score, before anything of the gap is known. `quality`: codes of quality.FLAGS."""

    member: str
    probability: float
    low: float | None
    high: float | None
    tier: str
    reasons: list[dict[str, Any]]
    quality: tuple[str, ...]
    sha256: str


def apply(
    model: Model, rows: pa.Table, *, thresholds: Mapping[str, float], about: About, as_of: dt.date, drifted: bool
) -> list[Scored]:
    """Score these rows (member and the features, as `features.rows` gives them), in their order.

    `thresholds`: lowest probability of the tiers high and medium. Raises tables.TableError for a number that is none.
    """
    if not rows.num_rows:
        return []
    columns = columns_of(rows, model.encoding, about.measure)
    margins = model.margins(columns)
    chances = probability(margins)
    low, high = interval(model, margins, chances)
    parts, _ = model.contributions(columns)
    parts = np.round(parts, reasons.DECIMALS)
    tiers = [tier(chance, thresholds) for chance in chances.tolist()]
    chosen = reasons.strongest(parts, np.array([each == LOW for each in tiers]))
    known = quality.flags(columns, model.card, as_of, intervals=low[0] is not None, drifted=drifted)
    held = rows_of(rows, [name for name in rows.column_names if name in about.words])
    hashes = row_hashes(model.features, columns)
    each_row = zip(
        rows["member"].to_pylist(), chances.tolist(), low, high, tiers, held, parts, chosen, known, hashes, strict=True
    )
    return [
        Scored(
            member,
            chance,
            at_least,
            at_most,
            of_tier,
            reasons.told(model.features, row, part, at, about),
            flags,
            sha256,
        )
        for member, chance, at_least, at_most, of_tier, row, part, at, flags, sha256 in each_row
    ]


def columns_of(rows: pa.Table, encoding: Encoding, place: str) -> dict[str, Column]:
    """The model's columns, each of the kind the model knows it as."""
    found = {}
    for each in encoding.features:
        if each.kind is Kind.CATEGORY:
            codes, words = tables.categories(rows[each.name])
            found[each.name] = Column(each.name, each.kind, codes, words)
        else:
            found[each.name] = Column(each.name, each.kind, tables.numbers(rows[each.name], place, each.name))
    return found


def interval(model: Model, margins: Floats, chances: Floats) -> tuple[Sequence[float | None], Sequence[float | None]]:
    """Ends of the interval of each row, never inside out: rounding may not push the score out of its own interval."""
    found = model.intervals(margins)
    if found is None:
        nothing: list[float | None] = [None] * len(margins)
        return nothing, nothing
    low, high = found
    return np.minimum(low, chances).tolist(), np.maximum(high, chances).tolist()


def tier(chance: float, thresholds: Mapping[str, float]) -> str:
    """The tier of a probability."""
    return next((name for name in (HIGH, MEDIUM) if chance >= thresholds[name]), LOW)


def recommendation(of_tier: str, *, reachable: bool, closes_alone: bool) -> str:
    """What to do. `reachable`: a contact today can still close the gap; `closes_alone`: what is on hand will."""
    case = "closes_alone" if closes_alone else of_tier if reachable else "unreachable"
    return str(quality.rules()["recommendation"][case])


def rows_of(rows: pa.Table, names: Sequence[str]) -> list[dict[str, Value]]:
    """The features of each row by name; None where missing."""
    lists = [rows[name].to_pylist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]


def row_hashes(names: Sequence[str], columns: Mapping[str, Column]) -> list[str]:
    """SHA-256 of each row as the model was given it: names, numbers, words."""
    count = len(next(iter(columns.values())).values)
    numbers = [column.values for column in columns.values() if column.kind is not Kind.CATEGORY]
    matrix = np.ascontiguousarray(np.column_stack(numbers) if numbers else np.empty((count, 0)), dtype="<f8")
    # A missing number has many bit patterns; one is enough.
    matrix[np.isnan(matrix)] = np.nan
    words = [[*column.words, MISSING_WORD] for column in columns.values() if column.kind is Kind.CATEGORY]
    codes = [column.values.tolist() for column in columns.values() if column.kind is Kind.CATEGORY]
    head = "\n".join(names).encode()
    texts = zip(*([each[code] for code in row] for each, row in zip(words, codes, strict=True)), strict=True)
    written = ["\n".join(row).encode() for row in texts] if codes else [b""] * count
    return [
        hashlib.sha256(head + b"\0" + row.tobytes() + b"\0" + text).hexdigest()
        for row, text in zip(matrix, written, strict=True)
    ]
