"""Why a score is what it is, in words a care manager reads: the features that moved it most, each with its value.

Pure. The wording is data (`reference/reasons.toml`). A reason is a fact the model looked at, never a cause: what moves
a score is not what would change the outcome.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hedis.measures.definitions import DEFINITIONS
from predictions import features
from predictions.lookback import ENROLMENT_MONTHS
from predictions.tables import Flags, Floats, Integers

FILE = Path(__file__).parent / "reference" / "reasons.toml"
MOST = 3
LEAST = 0.005
"""Log-odds: what moves a probability by less than an eighth of a percent is no reason."""
DECIMALS = 6
"""Of a contribution. More would show in which batch a row was computed, not more about the row."""
OTHER_MEASURE = "met_last_year_"
LONG_AGO_DAYS = 730
Value = float | str | None


@dataclass(frozen=True)
class About:
    """What the wording needs beside the value: the measure, what each feature is in words, and the whole row."""

    measure: str
    words: Mapping[str, str]


@functools.cache
def wording() -> dict[str, Any]:
    """The file of wordings."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def strongest(contributions: Floats, closing: Flags) -> Integers:
    """Rows × MOST: which features moved each score most, the strongest first, -1 where there is none.

    `contributions`: rows × features, log-odds. Toward staying open; in rows of `closing` toward closing.
    """
    pushed = np.where(closing[:, None], -contributions, contributions)
    order = np.argsort(-pushed, axis=1, kind="stable")[:, :MOST]
    found = np.where(np.take_along_axis(pushed, order, axis=1) >= LEAST, order, -1)
    return np.pad(found, ((0, 0), (0, MOST - found.shape[1])), constant_values=-1)


def told(
    names: Sequence[str], row: Mapping[str, Value], contributions: Floats, chosen: Integers, about: About
) -> list[dict[str, Any]]:
    """The reasons of one row as they are stored. `contributions` and `chosen` are the row's own."""
    return [
        {
            "feature": names[at], "value": row[names[at]], "words": phrase(names[at], row, about),
            "contribution": float(contributions[at]),
        }
        for at in chosen
        if at >= 0
    ]  # fmt: skip


def phrase(feature: str, row: Mapping[str, Value], about: About) -> str:
    """One feature of a row in words, such as "last outpatient visit 310 days ago"."""
    value = row[feature]
    if isinstance(value, str) or feature in wording()["level"]:
        return level(feature, value, about)
    given = wording()["feature"].get(feature) or other_measure(feature) or {}
    if "counted" in given and value is not None and (others := counts(row)):
        return str(given["counted"]).format(met=others[0], asked=others[1])
    key = next((key for key in keys(value) if key in given), "")
    if not key:
        return plainly(feature, value, about)
    return str(given[key]).format(**facts(value, about))


def keys(value: float | None) -> tuple[str, ...]:
    """Under which entries a value's wording may stand, the closest first."""
    if value is None:
        return ("missing",)
    if value == 0:
        return ("zero", "no", "words")
    return ("one", "yes", "words") if value == 1 else ("words",)


def facts(value: float | None, about: About) -> dict[str, Any]:
    """What a wording may name."""
    evidence = wording()["evidence"].get(about.measure, "evidence")
    fixed = {"evidence": evidence, "enrolment_months": ENROLMENT_MONTHS}
    return fixed if value is None else {**fixed, "n": number(value), "ago": ago(value), "share": f"{value:.0%}"}


def level(feature: str, value: Value, about: About) -> str:
    """A category in words."""
    given = wording()["level"].get(feature, {})
    name = "missing" if value is None else str(value)
    return str(given[name]) if name in given else plainly(feature, value, about)


def other_measure(feature: str) -> dict[str, str] | None:
    """The wording of "met another measure last year"; None for any other feature."""
    if not feature.startswith(OTHER_MEASURE):
        return None
    name = next((each.name for each in DEFINITIONS.values() if features.met_last_year(each) == feature), "")
    return {
        "yes": f"met {name} last year", "no": f"did not meet {name} last year",
        "missing": f"not counted in {name} last year",
    } if name else None  # fmt: skip


def counts(row: Mapping[str, Value]) -> tuple[int, int] | None:
    """Of how many other measures how many were met last year, as far as the row has them."""
    known = [value for name, value in row.items() if name.startswith(OTHER_MEASURE) and value is not None]
    met = sum(value == 1 for value in known)
    return (met, len(known)) if known else None


def plainly(feature: str, value: Value, about: About) -> str:
    """A feature nobody worded."""
    words = about.words.get(feature, feature.replace("_", " "))
    return f"{words}: {'not known' if value is None else value if isinstance(value, str) else number(value)}"


def number(value: float) -> str:
    """Whole numbers without decimals, others with one."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def ago(days: float) -> str:
    """Days in words."""
    if days <= 0:
        return "on the score date"
    if days > LONG_AGO_DAYS:
        return f"about {round(days / 365.25)} years ago"
    return f"{number(days)} {'day' if days == 1 else 'days'} ago"
