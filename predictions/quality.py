"""What people should know of a score's input before they trust it. Pure; words and limits are data."""

from __future__ import annotations

import datetime as dt
import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from predictions.tables import Column, Flags, Kind

FILE = Path(__file__).parent / "reference" / "scoring.toml"
ROUNDING = 1e-9
HISTORY = ("met_last_year", "others_met_last_year")


@functools.cache
def rules() -> dict[str, Any]:
    """The file of rules: expiry, recommendation, limits, flags."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


FLAGS: dict[str, str] = rules()["flags"]
"""Code: what it means, in words."""


def expiry(as_of: dt.date, year: int) -> dt.date:
    """The last day a score of this day should be acted on: not beyond the measurement year."""
    return min(as_of + dt.timedelta(days=rules()["expiry"]["days"]), dt.date(year, 12, 31))


def flags(
    columns: Mapping[str, Column], card: Mapping[str, Any], as_of: dt.date, *, intervals: bool, drifted: bool
) -> list[tuple[str, ...]]:
    """The codes of FLAGS that hold for each row, in the order of the file.

    `columns`: the features as they were scored; `card` the model's; `drifted`: its last check says act.
    """
    count = len(next(iter(columns.values())).values)
    everyone = {
        "far_from_score_day": is_far(as_of, card.get("training", {}).get("score_days", ())),
        "no_interval": not intervals,
        "model_drift": drifted,
    }
    found = {code: np.full(count, holds) for code, holds in everyone.items()}
    reference = card.get("reference", {}).get("features", {})
    found["unusually_missing"] = anywhere(
        [column.missing() for name, column in columns.items() if usually_known(reference.get(name))], count
    )
    found["outside_range"] = anywhere(
        [outside(column, reference[name]) for name, column in columns.items() if name in reference], count
    )
    history = [columns[name].missing() for name in HISTORY if name in columns]
    found["no_history"] = np.logical_and.reduce(history) if history else np.zeros(count, dtype=bool)
    if "months_enrolled" in columns:
        found["enrolled_briefly"] = columns["months_enrolled"].values < rules()["limits"]["months_enrolled"]
    return codes_of(found, count)


def codes_of(found: Mapping[str, Flags], count: int) -> list[tuple[str, ...]]:
    """Flags by code as codes by row."""
    codes = [code for code in FLAGS if code in found]
    patterns, which = np.unique(np.column_stack([found[code] for code in codes]), axis=0, return_inverse=True)
    told = [tuple(code for code, holds in zip(codes, pattern, strict=True) if holds) for pattern in patterns]
    return [told[number] for number in which.reshape(count)]


def anywhere(parts: list[Flags], count: int) -> Flags:
    """Rows for which any part holds."""
    return np.logical_or.reduce(parts) if parts else np.zeros(count, dtype=bool)


def is_far(as_of: dt.date, score_days: Any) -> bool:
    """Whether no (month, day) that was learnt from is near; a model that names none is not judged."""
    limit = rules()["limits"]["days_from_score_day"]
    days = [dt.date(as_of.year, *day) for day in score_days]
    return bool(days) and all(abs((as_of - day).days) > limit for day in days)


def usually_known(reference: Mapping[str, Any] | None) -> bool:
    """Whether few of the training rows lacked the feature."""
    return reference is not None and reference["missing"] < rules()["limits"]["missing_in_training"]


def outside(column: Column, reference: Mapping[str, Any]) -> Flags:
    """Which rows have a value the training rows did not have: beyond their range, or another word."""
    known = ~column.missing()
    if column.kind is Kind.CATEGORY:
        # Of many words only the frequent ones are kept: then a word that is not there may have been seen all the same.
        every = sum(reference["shares"]) + reference["missing"] > 1 - ROUNDING
        strange = [every and word not in reference["levels"] for word in column.words]
        return known & np.array([*strange, False])[column.values]
    if "range" not in reference:
        return np.zeros(len(known), dtype=bool)
    low, high = reference["range"]
    return known & ((column.values < low) | (column.values > high))
