"""Fairness gates: is the model as right, and as useful, for every large group? Pure.

The rules are in reference/fairness.toml, each with its source. The value decides, not its interval: a model does not
pass because a group is small enough to be unsure of. The interval is told, so that whoever waives a missed gate sees
whether chance alone could have missed it.
"""

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "reference" / "fairness.toml"
NOT_JUDGED = "Not judged: "
EVERYONE = "everyone"


class Against(StrEnum):
    """What a group's figure is compared with."""

    ONE = "one"
    BEST = "best"
    NOTHING = "nothing"


class Verdict(StrEnum):
    """What a gate says of a group. Only `missed` stands in the way."""

    PASSED = "passed"
    MISSED = "missed"
    NOT_JUDGED = "not judged"
    SHOWN = "shown"


@dataclass(frozen=True)
class Gate:
    """One rule: which figure of a group, against what, how far off it may be; no limit: only shown."""

    figure: str
    name: str
    against: Against
    limit: float | None
    source: str


@dataclass(frozen=True)
class Rules:
    """The gates, the capacity they are measured at, the smallest group they judge, the columns they look at."""

    capacity: float
    least_rows: int
    columns: Mapping[str, str]
    """Every spelling of a column, in lower case, to its name."""
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class Finding:
    """What one gate found in one group. `value` with its 95 % interval is what is held against the limit."""

    gate: str
    by: str
    level: str
    verdict: Verdict
    value: float | None
    low: float | None
    high: float | None
    limit: float | None
    n: int | None
    words: str

    def as_json(self) -> dict[str, Any]:
        """Every field by name."""
        return asdict(self)


def read(file: Path = FILE) -> Rules:
    """The rules of a file."""
    found = tomllib.loads(file.read_text(encoding="utf-8"))
    columns = {spelling: name for name, also in found["columns"].items() for spelling in (name, *also)}
    gates = [
        Gate(each["figure"], each["name"], Against(each["against"]), each.get("limit"), each["source"])
        for each in found["gate"]
    ]
    return Rules(found["capacity"], found["least_rows"], columns, tuple(gates))


RULES = read()


def judge(found: Mapping[str, Any], rules: Rules = RULES) -> list[Finding]:
    """Hold an evaluation (as `evaluating.evaluate` gives it) against every gate: everyone, then column by column.

    A group that is small, withheld or not measured is told as not judged, and so is a column the evaluation lacks.
    """
    rows = [row for row in found.get("subgroups", []) if row["by"].lower() in rules.columns]
    findings = [
        finding
        for _, of_column in groupby(rows, lambda row: row["by"])
        for finding in of_each_gate(list(of_column), rules)
    ]
    seen = {rules.columns[row["by"].lower()] for row in rows}
    lacking = [absent(name) for name in dict.fromkeys(rules.columns.values()) if name not in seen]
    return [*of_everyone(found, rules), *findings, *lacking]


def of_everyone(found: Mapping[str, Any], rules: Rules) -> Iterator[Finding]:
    """The gates that compare a group with nobody else, on all rows: a model that is wrong of all is fair to none."""
    if found.get("n_test") is None:
        return
    own = tuple(gate for gate in rules.gates if gate.against is Against.ONE)
    figures = {gate.figure: found.get(gate.figure) for gate in own}
    row = {"by": EVERYONE, "level": "all rows", "suppressed": False, "n": found.get("n_test"), **figures}
    yield from of_each_gate([row], replace(rules, gates=own))


def missed(findings: Iterable[Finding]) -> list[Finding]:
    """Those that stand in the way of an approval."""
    return [finding for finding in findings if finding.verdict is Verdict.MISSED]


def absent(column: str) -> Finding:
    """A column the evaluation says nothing of."""
    words = f"The evaluation has no rows by {column}."
    return Finding("", column, "", Verdict.NOT_JUDGED, None, None, None, None, None, words)


def of_each_gate(rows: Sequence[Mapping[str, Any]], rules: Rules) -> Iterator[Finding]:
    """Every gate on the groups of one column."""
    for gate in rules.gates:
        judged = [row for row in rows if not why_not(row, gate, rules)]
        best = max(judged, key=lambda row: float(row[gate.figure]["value"]), default=None)
        for row in rows:
            reason = why_not(row, gate, rules)
            if not reason and gate.against is Against.BEST and len(judged) == 1:
                reason = "no other group of the column is large enough to compare with"
            if reason or best is None:
                figure = row.get(gate.figure) or {}
                value = None if row["suppressed"] else figure.get("value")
                yield finding(gate, row, Verdict.NOT_JUDGED, (value, None, None), f"{NOT_JUDGED}{reason}.")
            else:
                yield judged_row(gate, row, best)


def why_not(row: Mapping[str, Any], gate: Gate, rules: Rules) -> str:
    """Why a gate says nothing of a group, or nothing where it judges it."""
    if row["suppressed"]:
        return f"withheld, {row['reason']}"
    if max(row["n"] or 0, row.get("n_at_least", 0)) < rules.least_rows:
        return f"fewer than {rules.least_rows} rows" if row["n"] else "its size is withheld"
    figure = row.get(gate.figure)
    if not figure or figure["value"] is None:
        return (figure or {}).get("reason") or "not measured"
    return ""


def judged_row(gate: Gate, row: Mapping[str, Any], best: Mapping[str, Any]) -> Finding:
    """One gate on one large group."""
    figure = row[gate.figure]
    interval = figure["value"], figure.get("low"), figure.get("high")
    if gate.limit is None or gate.against is Against.NOTHING:
        return finding(gate, row, Verdict.SHOWN, interval, f"{gate.name} {in_words(interval)}; not judged.")
    if gate.against is Against.ONE:
        off = abs(figure["value"] - 1)
        words = f"{gate.name} {in_words(interval)}; {1 - gate.limit:.2f} to {1 + gate.limit:.2f} is allowed."
    else:
        reached, interval = figure["value"], behind(best[gate.figure], figure)
        off = interval[0]
        words = (
            f"{gate.name} {reached:.3f}, {in_words(interval)} below {best['level']} "
            f"({best[gate.figure]['value']:.3f}); {gate.limit:.2f} is allowed."
            if row is not best
            else f"{gate.name} {reached:.3f}, the highest of its column."
        )
        interval = interval if row is not best else (0.0, None, None)
    # A hair of tolerance: 1.1 - 1 is 0.10000000000000009.
    verdict = Verdict.MISSED if off > gate.limit + 1e-9 else Verdict.PASSED
    return finding(gate, row, verdict, interval, words)


def behind(best: Mapping[str, Any], figure: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
    """How far a rate lies below the best one, with the interval recovered from the two rates' own
    (MOVER: Newcombe 1998; Zou and Donner 2008). No interval where one of them has none."""
    value = best["value"] - figure["value"]
    ends = best.get("low"), best.get("high"), figure.get("low"), figure.get("high")
    if None in ends:
        return value, None, None
    best_low, best_high, low, high = (float(end) for end in ends if end is not None)
    return (
        value,
        value - math.hypot(best["value"] - best_low, high - figure["value"]),
        value + math.hypot(best_high - best["value"], figure["value"] - low),
    )


def in_words(interval: tuple[float, float | None, float | None]) -> str:
    """A value and its interval."""
    value, low, high = interval
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"


def finding(
    gate: Gate, row: Mapping[str, Any], verdict: Verdict, interval: tuple[float | None, float | None, float | None],
    words: str,
) -> Finding:  # fmt: skip
    """One line of the answer."""
    return Finding(gate.figure, row["by"], row["level"], verdict, *interval, gate.limit, row["n"], words)
