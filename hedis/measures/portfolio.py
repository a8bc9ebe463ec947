"""The portfolio file and the engine's definitions, read together and checked against each other. Pure of Django."""

import functools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import ibis

from hedis.engine import codes
from hedis.engine.measure import Definition
from hedis.engine.period import measurement_year
from hedis.measures.definitions import DEFINITIONS
from hedis.measures.value_sets import known

FILE = Path(__file__).parent / "portfolio.toml"
# Measurement years the portfolio speaks of: the first whose Star year is in the file, to the one that runs.
FIRST_YEAR = 2016


class PortfolioError(Exception):
    """The portfolio file contradicts itself or the definitions; the message names measure and field."""


@dataclass(frozen=True)
class Year:
    """A measure in one measurement year."""

    measurement_year: int
    star_measure: str
    weight: int | None
    age_low: int | None
    age_high: int | None
    source: str


@dataclass(frozen=True)
class Entry:
    """A measure of the portfolio, with its definition where the engine has one."""

    facts: dict[str, Any]
    sources: dict[str, str]
    definition: Definition | None

    @property
    def code(self) -> str:
        """The measure's short name."""
        return str(self.facts["code"])

    def years(self, last: int) -> Iterator[Year]:
        """One entry a measurement year that has an age band or a place in the Star Ratings."""
        stars = {star["year"] - 2: star for star in self.facts["stars"]}
        for year in range(FIRST_YEAR, last + 1):
            low, high = self.ages(year)
            star = stars.get(year)
            if low is None and star is None:
                continue
            source = self.sources[str(star["year"])] if star else str(self.facts["source"])
            yield Year(year, star["id"] if star else "", star["weight"] if star else None, low, high, source)

    def ages(self, year: int) -> tuple[int | None, int | None]:
        """The age band of a measurement year, the definition's own where there is one; None before the measure was."""
        if self.definition:
            period = measurement_year(year)
            if not self.definition.in_force(period):
                return None, None
            band = self.definition.band(period)
            return band.low, band.high
        known = [band for band in self.facts["ages"] if band["from"] <= year]
        newest = max(known, key=lambda band: band["from"], default=None)
        return (newest["low"], newest["high"]) if newest else (None, None)


@dataclass(frozen=True)
class LeadDays:
    """What passes between a contact with the member and evidence the plan can use, in days: to the appointment or
    refill, and from there to the result."""

    appointment: int
    result: int


@dataclass(frozen=True)
class Calendar:
    """The plan's own dates of one measurement year: the last day supplemental data may arrive (None: not set yet)."""

    supplemental_lock: date | None
    source: str


def lead_days(code: str, file: Path = FILE) -> LeadDays:
    """The lead time of a measure. Raises PortfolioError where the file has no such measure, or none for it."""
    for facts in loaded(file)["measure"]:
        if facts["code"] == code and "appointment_days" in facts and "result_days" in facts:
            return LeadDays(facts["appointment_days"], facts["result_days"])
    raise PortfolioError(f"{code}: appointment_days and result_days are missing")


def calendar(year: int, file: Path = FILE) -> Calendar:
    """The plan's dates of a measurement year."""
    facts = loaded(file)["calendar"]
    return Calendar(facts["supplemental_lock"].get(str(year)), facts["source"])


@functools.cache
def loaded(file: Path) -> dict[str, Any]:
    """The portfolio file as it is written, read once a process."""
    return tomllib.loads(file.read_text(encoding="utf-8"))


def value_sets(year: int, own_lists: Path | None = None) -> ibis.Table:
    """The code lists valid in a measurement year, as the engine reads them."""
    return codes.as_table(known(own_lists), year)


def read(file: Path = FILE) -> list[Entry]:
    """The portfolio, checked. Raises PortfolioError."""
    written = loaded(file)
    entries = [Entry(facts, written["sources"], DEFINITIONS.get(facts["code"])) for facts in written["measure"]]
    named = [entry.code for entry in entries]
    problems = [f"{code}: named twice" for code in sorted({code for code in named if named.count(code) > 1})]
    problems += [
        f"{code}: a definition without a place in the portfolio" for code in sorted(set(DEFINITIONS) - set(named))
    ]
    for entry in entries:
        problems += contradictions(entry)
    if problems:
        raise PortfolioError("; ".join(problems))
    return entries


def contradictions(entry: Entry) -> Iterator[str]:
    """Where the portfolio says one thing and the definition another."""
    for star in entry.facts["stars"]:
        if str(star["year"]) not in entry.sources:
            yield f"{entry.code}: stars {star['year']} has no source"
    if entry.facts.get("kind") != "lens":
        for field in ("appointment_days", "result_days"):
            if not isinstance(entry.facts.get(field), int) or entry.facts[field] < 0:
                yield f"{entry.code}: {field} must be a whole number of days, 0 or more"
    if entry.definition:
        ours: dict[str, Any] = {
            "name": entry.definition.name,
            "steward": entry.definition.steward,
            "domain": entry.definition.domain,
            "direction": entry.definition.direction.value,
            "reversible": entry.definition.reversible,
        }
        for field, value in ours.items():
            if entry.facts[field] != value:
                yield f"{entry.code}: {field} is {entry.facts[field]!r} here and {value!r} in the definition"


def routes(entry: Entry, year: int, own_lists: Path | None = None) -> list[dict[str, Any]]:
    """What closes the gap, by route, and how much of each the loaded code lists cover."""
    if entry.definition is None:
        return [
            {"part": "numerator", "name": name, "state": "not computed", "absent": []} for name in entry.facts["routes"]
        ]
    return [
        {"part": route.part, "name": route.name, "state": route.state.value, "absent": list(route.absent)}
        for route in codes.evidence_routes(entry.definition, known(own_lists), year)
    ]
