"""The reference data of each Star year, read from the reviewed files in `reference/`. A new year is new rows.

Every row has a source. The files are read once a process; a mistake in one is an error naming file, row and field.
"""

import csv
import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from hedis.engine.rating_year import (
    CaiCell,
    CutPoints,
    Disaster,
    Guardrails,
    Measure,
    Method,
    StarYear,
    Thresholds,
)

CAI_COLUMNS = ("part_c", "part_d_mapd", "part_d_pdp", "overall")
REFERENCE = Path(__file__).resolve().parent / "reference"


class ReferenceError(Exception):
    """A reference file says something it cannot mean; names file, row and field."""


class UnknownStarYear(ReferenceError):
    """There is no reference data for that Star year."""


@dataclass(frozen=True)
class OrganisationType:
    """How CMS's organisation type is rated: the kinds of the minimum counts, and whether it offers only drugs."""

    contract_kind: str
    snp_contract_kind: str
    part_d_only: bool


@dataclass(frozen=True)
class Adjustment:
    """A contract's final adjustment categories by column, and whether it serves Puerto Rico only."""

    puerto_rico_only: bool
    categories: Mapping[str, int]


@dataclass(frozen=True)
class Row:
    """One row of a reference file, which knows where it stands."""

    place: str
    cells: dict[str, str]

    def text(self, name: str) -> str:
        return self.cells[name]

    def number(self, name: str) -> Decimal:
        try:
            return Decimal(self.cells[name])
        except InvalidOperation:
            raise ReferenceError(f"{self.place}, {name}: {self.cells[name]!r} is not a number") from None

    def whole(self, name: str) -> int:
        value = self.number(name)
        if value != value.to_integral_value():
            raise ReferenceError(f"{self.place}, {name}: {value} is not a whole number")
        return int(value)

    def maybe(self, name: str) -> Decimal | None:
        return self.number(name) if self.cells[name] else None

    def yes(self, name: str) -> bool:
        if self.cells[name] not in ("Y", "N"):
            raise ReferenceError(f"{self.place}, {name}: {self.cells[name]!r} is neither Y nor N")
        return self.cells[name] == "Y"


def rows(name: str, year: int | None = None) -> Iterator[Row]:
    """The rows of a reference file, of one Star year if given. Every cell is there and every row has a source."""
    with (REFERENCE / name).open(encoding="utf-8", newline="") as file:
        for number, cells in enumerate(csv.DictReader(file), start=2):
            place = f"{name}, row {number}"
            if None in cells or None in cells.values():
                raise ReferenceError(f"{place}: not as many cells as columns")
            if not cells["source"]:
                raise ReferenceError(f"{place}, source: empty")
            if year is None or cells["star_year"] == str(year):
                yield Row(place, cells)


@cache
def rules() -> dict[str, dict[str, Any]]:
    """The rules by Star year, as text keys."""
    return tomllib.loads((REFERENCE / "rules.toml").read_text(encoding="utf-8"))


def years() -> tuple[int, ...]:
    """The Star years there is reference data for, in order."""
    return tuple(sorted(int(year) for year in rules()))


def digest() -> str:
    """SHA-256 over all reference files: the version of the reference data."""
    content = hashlib.sha256()
    for path in sorted(REFERENCE.iterdir()):
        content.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return content.hexdigest()


@cache
def star_year(year: int) -> StarYear:
    """Everything the rating of that Star year needs. Raises UnknownStarYear."""
    facts = rules().get(str(year))
    if facts is None:
        raise UnknownStarYear(f"no reference data for Star year {year}; there is {', '.join(map(str, years()))}")
    return StarYear(
        year=year,
        status=facts["status"],
        measures={row.text("measure_id"): measure(row) for row in rows("measures.csv", year)},
        cut_points={
            (row.text("measure_id"), row.text("contract_type")): cut_points(row) for row in rows("cut_points.csv", year)
        },
        thresholds={
            (row.text("rating"), row.yes("improvement"), row.yes("new_measures")): thresholds(row)
            for row in rows("thresholds.csv", year)
        },
        cai_values={
            (row.text("rating"), row.whole("category")): row.number("value") for row in rows("cai_values.csv", year)
        },
        cai_grid=cai_grid(year),
        minimums={
            (row.text("rating"), row.text("contract_kind")): row.whole("minimum")
            for row in rows("minimum_measures.csv", year)
        },
        cahps_stars={
            (
                row.whole("base_group"),
                row.text("distance"),
                row.text("significance"),
                row.yes("low_reliability"),
            ): row.whole("star")
            for row in rows("cahps_stars.csv", year)
        },
        cahps_reliability={
            (row.text("measure_id"), row.text("contract_type")): row.number("lowest_twelve_percent")
            for row in rows("cahps_reliability.csv", year)
        },
        reward={
            (mean, variance): Decimal(factor)
            for mean, factors in facts["reward"].items()
            for variance, factor in factors.items()
        },
        disaster_share=Decimal(facts["disaster_share"]),
        hold_harmless_star=Decimal(facts["hold_harmless_star"]),
        highest_star=Decimal(facts["highest_star"]),
        guardrails=Guardrails(
            Decimal(facts["guardrail_points"]),
            Decimal(facts["guardrail_range_percent"]),
            frozenset(facts["guardrail_free"]),
        ),
    )


def measure(row: Row) -> Measure:
    """A measure from its row."""
    return Measure(
        id=row.text("measure_id"),
        key=row.text("key"),
        name=row.text("name"),
        domain_id=row.text("domain_id"),
        domain=row.text("domain"),
        category=row.text("category"),
        weight=row.whole("weight"),
        lower_is_better=row.text("direction") == "lower",
        method=Method(row.text("method")),
        precision=row.number("precision"),
        unit=row.text("unit"),
        scale_low=row.maybe("scale_low"),
        scale_high=row.maybe("scale_high"),
        new=row.yes("new"),
        disaster=Disaster(row.text("disaster")),
        duplicate_of=row.text("duplicate_of"),
        puerto_rico_zero=row.yes("puerto_rico_zero"),
        required_of=frozenset(row.text("required_of").split()),
    )


def cut_points(row: Row) -> CutPoints:
    """Cut points from their row."""
    return CutPoints(*(row.number(name) for name in ("two", "three", "four", "five")))


def thresholds(row: Row) -> Thresholds:
    """Reward factor thresholds from their row."""
    return Thresholds(*(row.number(name) for name in ("mean_65", "mean_85", "variance_30", "variance_70")))


def cai_grid(year: int) -> dict[str, tuple[CaiCell, ...]]:
    """The CAI grid by column."""
    grid: dict[str, list[CaiCell]] = {}
    for row in rows("cai_grid.csv", year):
        cell = CaiCell(row.number("lis_de_from"), row.number("disability_from"), row.whole("category"))
        grid.setdefault(row.text("rating"), []).append(cell)
    return {name: tuple(cells) for name, cells in grid.items()}


def organisation_type(name: str) -> OrganisationType:
    """How CMS's organisation type is rated. A type we have not met offers only drugs if it is a kind of PDP."""
    return organisation_types().get(name) or OrganisationType("", "", "PDP" in name.split())


@cache
def organisation_types() -> dict[str, OrganisationType]:
    """CMS's organisation types by name."""
    return {
        row.text("organisation_type"): OrganisationType(
            row.text("contract_kind"), row.text("snp_contract_kind"), row.yes("part_d_only")
        )
        for row in rows("organisation_types.csv")
    }


@cache
def adjustments(year: int) -> dict[str, Adjustment]:
    """CMS's published CAI categories by contract, for a folder of tables without them; empty for a year unknown."""
    return {
        row.text("contract"): Adjustment(
            row.yes("puerto_rico_only"),
            {name: row.whole(name) for name in CAI_COLUMNS if row.text(name)},
        )
        for row in rows("contract_cai.csv", year)
    }
