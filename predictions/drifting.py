"""Has a model in use moved? Have the people changed (PSI), does it still tell the rate (calibration)? Pure.

The limits are in reference/alarms.toml, each with its source.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from predictions import measuring
from predictions.calibrating import log_odds
from predictions.measuring import Sample
from predictions.resampling import clusters_of, figures
from predictions.tables import Column, Floats, Integers, Kind

FILE = Path(__file__).parent / "reference" / "alarms.toml"
LOOK, ACT = "look", "act"
WANTED = {name: measuring.FIGURES[name] for name in ("auc", "brier", "slope", "intercept", "oe")}
# Half a row in every bin: an empty one would make the index infinite.
HALF = 0.5
SURE = 1.6449  # standard deviations: one in twenty lies above


@dataclass(frozen=True)
class Bounds:
    """What a value may be: not below, not above; None where that side is open."""

    below: float | None = None
    above: float | None = None

    def __contains__(self, value: float) -> bool:
        """Whether a value is within, with a hair of tolerance for what floats cannot hold."""
        low_enough = self.above is None or value <= self.above + 1e-9
        return low_enough and (self.below is None or value >= self.below - 1e-9)

    def words(self) -> str:
        """Where a value is that is not within."""
        if self.below is None or self.above is None:
            return f"over {self.above:g}" if self.below is None else f"under {self.below:g}"
        return f"outside {self.below:g} to {self.above:g}"


@dataclass(frozen=True)
class Limits:
    """One alarm: which figure, what is right (None: it has no interval), from where on to look and to act."""

    figure: str
    name: str
    right: float | None
    look: Bounds
    act: Bounds | None
    source: str

    def level(self, value: float, low: float | None = None, high: float | None = None) -> str:
        """`act`, `look` or nothing. What chance may explain (its interval holds the right value) is looked at only."""
        sure = self.right is None or low is None or high is None or not low <= self.right <= high
        if self.act and sure and value not in self.act:
            return ACT
        return "" if value in self.look else LOOK


@dataclass(frozen=True)
class Rules:
    """All alarms in their order, and how many rows they need."""

    least_rows: int
    least_settled: int
    least_events: int
    of_the_calendar: frozenset[str]
    alarms: Mapping[str, Limits]


@dataclass(frozen=True)
class Alarm:
    """One alarm that was raised. `about` is the feature, of a feature's index."""

    figure: str
    about: str
    level: str
    value: float
    low: float | None
    high: float | None
    limits: Bounds
    words: str

    def as_json(self) -> dict[str, Any]:
        """Every field by name."""
        return asdict(self)


@dataclass(frozen=True)
class Shift:
    """Population stability index of a column, and how large chance alone makes it once in twenty times."""

    psi: float
    chance: float


def read(file: Path = FILE) -> Rules:
    """The rules of a file."""
    found = tomllib.loads(file.read_text(encoding="utf-8"))
    alarms = {
        each["figure"]: Limits(
            each["figure"], each["name"], each.get("right"), Bounds(**each["look"]),
            Bounds(**each["act"]) if "act" in each else None, each["source"],
        )
        for each in found["alarm"]
    }  # fmt: skip
    return Rules(
        found["least_rows"], found["least_settled"], found["least_events"], frozenset(found["of_the_calendar"]), alarms
    )


RULES = read()


def day_of_year(day: str) -> int:
    """The number of a day given as MM-DD, in a year that has a 29 February."""
    return date.fromisoformat(f"2024-{day}").timetuple().tm_yday


def psi(before: Floats, rows_before: int, now: Integers) -> tuple[float, float]:
    """Population stability index of counts now against shares before (same bins), and its 95 % point under chance.

    Under no change PSI / (1/n + 1/N) is about chi-squared with one degree less than bins (Yurdakul and Naranjo 2020).
    """
    bins = len(now)
    expected = (before * rows_before + HALF) / (rows_before + HALF * bins)
    observed = (now + HALF) / (now.sum() + HALF * bins)
    value = float(((observed - expected) * np.log(observed / expected)).sum())
    noise = 1 / max(int(now.sum()), 1) + 1 / max(rows_before, 1)
    return value, chi_squared(max(bins - 1, 1)) * noise


def chi_squared(degrees: int) -> float:
    """95 % point of the chi-squared distribution, by Wilson and Hilferty (1931)."""
    part = 2 / (9 * degrees)
    return float(degrees * (1 - part + SURE * np.sqrt(part)) ** 3)


def shift(column: Column, reference: Mapping[str, Any], rows_before: int) -> Shift:
    """How far a column has moved from its reference (edges or levels with shares, and the share missing)."""
    _, counts = binned(column, reference)
    known = np.asarray(reference["shares"], dtype=float)
    missing = float(reference.get("missing", 0.0))
    rest = [max(0.0, 1 - missing - float(known.sum()))] if "levels" in reference else []
    before = np.array([*known, *rest, missing])
    here = (before > 0) | (counts > 0)  # a bin that was empty and is empty tells nothing
    return Shift(*psi(before[here], rows_before, counts[here]))


def binned(column: Column, reference: Mapping[str, Any]) -> tuple[list[str], Integers]:
    """Words and rows of each bin of the reference, in its order; then other values (of levels), then missing."""
    missing = column.missing()
    if "levels" in reference:
        levels = list(reference["levels"])
        value_words = column.words if column.kind is Kind.CATEGORY else ()
        place = {word: number for number, word in enumerate(value_words)}
        found = [column.values == (place.get(level, -2) if value_words else level) for level in levels]
        counts = [int(rows.sum()) for rows in found]
        counts.append(int((~missing).sum()) - sum(counts))
        words = [*map(level_words, levels), "other"]
    else:
        edges = np.asarray(reference["edges"], dtype=float)
        place_of = np.searchsorted(edges, column.values[~missing], side="right")
        counts = np.bincount(place_of, minlength=len(edges) + 1).tolist()
        words = edge_words(edges)
    return [*words, "missing"], np.array([*counts, int(missing.sum())], dtype=np.int64)


def level_words(level: Any) -> str:
    """A level as people read it."""
    return f"{level:g}" if isinstance(level, (int, float)) else str(level)


def edge_words(edges: Floats) -> list[str]:
    """Bins between edges as people read them; the lower edge belongs to the bin."""
    if not len(edges):
        return ["any"]
    inner = [f"{low:g} to under {high:g}" for low, high in pairwise(edges)]
    return [f"under {edges[0]:g}", *inner, f"{edges[-1]:g} and over"]


def calibration(labels: Integers, probabilities: Floats, groups: Integers, *, seed: int = 0) -> dict[str, Any]:
    """AUC, Brier, slope, intercept, O/E with 95 % intervals of settled gaps (label 1: it stayed open), rows, events.

    `groups`: whose rows belong together, such as one member's.
    """
    sample = Sample(labels, log_odds(probabilities))
    found = figures(sample, clusters_of(groups)[0], WANTED, seed)
    return {
        "rows": len(labels), "events": int(labels.sum()),
        **{name: figure.as_json() for name, figure in found.items()},
    }  # fmt: skip


def enough(labels: Integers, rules: Rules = RULES) -> bool:
    """Whether settled gaps are many enough to tell calibration."""
    events = int(labels.sum())
    return len(labels) >= rules.least_settled and min(events, len(labels) - events) >= rules.least_events


def alarms(
    score: Shift | None,
    features: Mapping[str, Shift],
    found: Mapping[str, Any],
    approved_auc: float | None,
    rules: Rules = RULES,
    *,
    mixed: bool = False,
) -> list[Alarm]:
    """What is wrong, calibration first. `found` as `calibration` gives it, empty where nothing is settled.

    `mixed`: the reference is of several score dates. Features and scores move with the season by themselves, so an
    index is looked at only.
    """
    raised = list(of_shifts(score, features, rules))
    if mixed:
        raised = [replace(each, level=LOOK) for each in raised]
    return [*of_calibration(found, approved_auc, rules), *raised]


def of_calibration(found: Mapping[str, Any], approved_auc: float | None, rules: Rules) -> Iterator[Alarm]:
    """Alarms of settled gaps."""
    figures_now = dict(found)
    auc = (found.get("auc") or {}).get("value")
    if auc is not None and approved_auc is not None:
        figures_now["auc_change"] = {"value": auc - approved_auc, "low": None, "high": None}
    for name, limits in rules.alarms.items():
        figure = figures_now.get(name)
        if isinstance(figure, Mapping) and figure["value"] is not None:
            raised = alarm(limits, "", figure["value"], figure["low"], figure["high"])
            if raised:
                yield raised


def of_shifts(score: Shift | None, features: Mapping[str, Shift], rules: Rules) -> Iterator[Alarm]:
    """Alarms of the score and the features, the largest index first; what chance can do raises none."""
    ordered = sorted(features.items(), key=lambda pair: (-pair[1].psi, pair[0]))
    for name, moved in [("", score), *ordered]:
        if moved is not None and moved.psi > moved.chance:
            raised = alarm(rules.alarms["feature_psi" if name else "score_psi"], name, moved.psi, None, None)
            if raised:
                yield raised


def alarm(limits: Limits, about: str, value: float, low: float | None, high: float | None) -> Alarm | None:
    """The alarm of one figure, if it raises one."""
    level = limits.level(value, low, high)
    if not level:
        return None
    allowed = limits.act if level == ACT and limits.act else limits.look
    interval = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
    words = f"{limits.name}{f' of {about}' if about else ''} {value:.3f}{interval}: {allowed.words()}."
    return Alarm(limits.figure, about, level, value, low, high, allowed, words)


def highest(raised: Sequence[Alarm]) -> str:
    """The highest level raised, or nothing."""
    found = {each.level for each in raised}
    return ACT if ACT in found else LOOK if found else ""
