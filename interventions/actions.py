"""What can be done for a member, what it costs, and how often a member may be contacted: the reviewed files.

Pure. `reference/actions.csv` and `reference/frequency_caps.csv` are read once a process; every row has a source, and
a plan changes its own prices and limits there. A mistake is an error naming file, row and field.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path

REFERENCE = Path(__file__).resolve().parent / "reference"


class ActionFileError(Exception):
    """A reference file says something it cannot mean; names file, row and field."""


@dataclass(frozen=True)
class Action:
    """One kind of intervention. `cost`: dollars of `cost_year`, None where the plan must give its own; `lead_days`:
    from the first contact until evidence can be there; `channel`: how it is usually begun."""

    kind: str
    name: str
    channel: str
    cost: Decimal | None
    cost_year: int | None
    lead_days: int
    source: str


@dataclass(frozen=True)
class Cap:
    """At most so many outgoing attempts by these channels within so many days, whichever team made them."""

    channels: frozenset[str]
    attempts: int
    days: int
    source: str


@dataclass(frozen=True)
class Row:
    """One row of a file, which knows where it stands."""

    place: str
    cells: dict[str, str]

    def text(self, name: str) -> str:
        value = (self.cells.get(name) or "").strip()
        if not value:
            raise ActionFileError(f"{self.place}, {name}: is empty")
        return value

    def whole(self, name: str, at_least: int = 0) -> int:
        value = self.text(name)
        if not (value.isascii() and value.isdecimal() and int(value) >= at_least):
            raise ActionFileError(f"{self.place}, {name}: {value!r} is no whole number of at least {at_least}")
        return int(value)

    def money(self, name: str) -> Decimal | None:
        """Dollars; None where the cell is empty."""
        value = (self.cells.get(name) or "").strip()
        try:
            amount = Decimal(value) if value else None
        except InvalidOperation:
            amount = Decimal("NaN")
        if amount is not None and not (amount.is_finite() and amount >= 0):
            raise ActionFileError(f"{self.place}, {name}: {value!r} is no price")
        return amount


def rows(file: Path) -> Iterator[Row]:
    """The rows of a file, the first being number 2: the line it stands on."""
    with file.open(encoding="utf-8", newline="") as opened:
        for number, cells in enumerate(csv.DictReader(opened), start=2):
            yield Row(f"{file.name}, row {number}", cells)


@cache
def actions(file: Path = REFERENCE / "actions.csv") -> dict[str, Action]:
    """Every kind of intervention, in the file's order. Raises ActionFileError."""
    found: dict[str, Action] = {}
    for row in rows(file):
        kind, cost = row.text("kind"), row.money("cost")
        if kind in found:
            raise ActionFileError(f"{row.place}, kind: {kind!r} stands there twice")
        year = row.whole("cost_year") if cost is not None else None
        found[kind] = Action(
            kind, row.text("name"), row.text("channel"), cost, year, row.whole("lead_days"), row.text("source")
        )
    return found


@cache
def caps(file: Path = REFERENCE / "frequency_caps.csv") -> tuple[Cap, ...]:
    """How often a member may be contacted. Raises ActionFileError."""
    return tuple(
        Cap(frozenset(row.text("channels").split()), row.whole("attempts", 1), row.whole("days", 1), row.text("source"))
        for row in rows(file)
    )


def cap_reached(channel: str, days_ago: list[tuple[str, float]], limits: tuple[Cap, ...]) -> Cap | None:
    """The first limit one more attempt by `channel` would break.

    `days_ago`: channel and age in days of each outgoing attempt so far; an attempt exactly `days` old has left the
    window.
    """
    for cap in limits:
        if channel in cap.channels:
            within = sum(each in cap.channels and age < cap.days for each, age in days_ago)
            if within >= cap.attempts:
                return cap
    return None
