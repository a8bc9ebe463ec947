"""Value sets and codes: reading the files, normalising codes, and which evidence routes they leave switched on.

A value-set file is CSV with the columns value_set, code_system, code, display, valid_from_year, valid_to_year
(both years are measurement years; empty means no bound) and ingredient (drug lists: one row per target ingredient
of the product; empty elsewhere). Packaged files hold free code systems only; a plan's
licensed lists (CPT, SNOMED CT, …) come in the same shape from the plan's own files.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import ibis
import pyarrow as pa

from hedis.engine.measure import Definition, Events, Result, nodes, result_value_sets_used, value_sets_used

COLUMNS = ("value_set", "code_system", "code", "display", "valid_from_year", "valid_to_year", "ingredient")
_NDC_SEGMENTS = (5, 4, 2)
_UNDOTTED = frozenset({"icd-10-cm", "icd-10-pcs"})
SCHEMA = ibis.schema({"value_set": "string", "code_system": "string", "code": "string", "ingredient": "string"})


class CodeError(ValueError):
    """A code or a value-set row that cannot be read. Names file, row (or place), field and reason."""

    def __init__(self, reason: str, *, field: str = "code", file: str = "", row: int | str = "") -> None:
        super().__init__(f"{file}, row {row}, {field}: {reason}" if file else f"{field}: {reason}")
        self.reason, self.field, self.file, self.row = reason, field, file, row

    def at(self, file: str, row: int | str) -> CodeError:
        """The same refusal with the place it happened at."""
        return CodeError(self.reason, field=self.field, file=file, row=row)


@dataclass(frozen=True, order=True)
class ValueSetCode:
    """One code of one value set, with the measurement years it is valid for; of a drug, one target ingredient."""

    value_set: str
    code_system: str
    code: str
    display: str = ""
    valid_from_year: int | None = None
    valid_to_year: int | None = None
    ingredient: str = ""

    def valid_in(self, year: int) -> bool:
        """Whether the code counts for measurement year `year`."""
        return (self.valid_from_year is None or self.valid_from_year <= year) and (
            self.valid_to_year is None or year <= self.valid_to_year
        )


def normalise_code(code_system: str, code: str) -> str:
    """A code as the warehouse writes it: upper case, ICD without the dot, NDC as eleven digits.

    Raises CodeError for an empty code and for an NDC whose layout is ambiguous (ten digits without hyphens).
    """
    text = code.strip().upper()
    if not text:
        raise CodeError("is empty")
    if code_system in _UNDOTTED:
        return text.replace(".", "")
    return _normalise_ndc(text) if code_system == "ndc" else text


def _normalise_ndc(text: str) -> str:
    """FDA writes ten digits as 4-4-2, 5-3-2 or 5-4-1; billing pads the short segment to 5-4-2."""
    parts = text.split("-")
    if len(parts) == len(_NDC_SEGMENTS):
        text = "".join(part.zfill(size) for part, size in zip(parts, _NDC_SEGMENTS, strict=True))
    if not re.fullmatch(r"[0-9]{11}", text):
        raise CodeError("an NDC needs eleven digits, or hyphens that say where to pad")
    return text


def normalise_name(name: str) -> str:
    """A value set's name as a key: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.strip().lower()).strip("-")


def vocabulary(code_system: str, code: str) -> str:
    """The vocabulary a code belongs to. HCPCS columns carry three: level II begins with a letter, CPT category I
    and III and CPT category II (ending in F) with a digit."""
    if code_system != "hcpcs" or code[:1].isalpha():
        return "hcpcs-ii" if code_system == "hcpcs" else code_system
    return "cpt-ii" if code.endswith("F") else "cpt"


def read_value_sets(files: Iterable[Path]) -> tuple[ValueSetCode, ...]:
    """Rows of the given CSV files, normalised, each once, sorted.

    Raises CodeError naming file, row and field for a missing column, an empty or malformed code, a bad year.
    """
    return tuple(sorted({row for file in files for row in _read_file(file)}, key=sort_key))


def sort_key(row: ValueSetCode) -> tuple[str, ...]:
    """One order of rows, whatever is empty in them."""
    return (row.value_set, row.code_system, row.code, str(row.valid_from_year), str(row.valid_to_year), row.display,
            row.ingredient)  # fmt: skip


def _read_file(file: Path) -> list[ValueSetCode]:
    with file.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle)
        missing = [name for name in COLUMNS[:3] if name not in (reader.fieldnames or ())]
        if missing:
            raise CodeError("the column is missing", field=missing[0], file=file.name, row=1)
        return [_read_row(file.name, number, row) for number, row in enumerate(reader, start=2)]


def _read_row(file: str, number: int, row: dict[str, str | None]) -> ValueSetCode:
    name = normalise_name(row["value_set"] or "")
    system = (row["code_system"] or "").strip().lower()
    for column, value in (("value_set", name), ("code_system", system)):
        if not value:
            raise CodeError("is empty", field=column, file=file, row=number)
    try:
        code = normalise_code(system, row["code"] or "")
        first, last = (year_of(column, row.get(column) or "") for column in ("valid_from_year", "valid_to_year"))
    except CodeError as error:
        raise error.at(file, number) from error
    ingredient = (row.get("ingredient") or "").strip().lower()
    return ValueSetCode(name, system, code, (row.get("display") or "").strip(), first, last, ingredient)


def year_of(column: str, text: str) -> int | None:
    """A measurement year as a file writes it; None where it is empty. Raises CodeError for anything else."""
    cleaned = text.strip()
    if not cleaned:
        return None
    if not re.fullmatch(r"[0-9]{4}", cleaned):
        raise CodeError(f"{cleaned!r} is not a year of four digits", field=column)
    return int(cleaned)


def as_table(rows: Iterable[ValueSetCode], year: int) -> ibis.Table:
    """The codes valid in measurement year `year` as the `value_set` table: value_set, code_system, code, ingredient
    ('' where none; a combination has a row per target ingredient)."""
    found = sorted({(row.value_set, row.code_system, row.code, row.ingredient) for row in rows if row.valid_in(year)})
    columns = [list(column) for column in zip(*found, strict=True)] or [[] for _ in SCHEMA.names]
    return ibis.memtable(pa.table(columns, schema=SCHEMA.to_pyarrow()))


class RouteState(StrEnum):
    """How much of an evidence route the loaded code lists cover."""

    ACTIVE = "active"
    PARTLY = "partly active"
    INACTIVE = "inactive"


@dataclass(frozen=True)
class Route:
    """One evidence route of a definition and what the loaded codes do for it.

    `loaded` counts codes by vocabulary; `absent` names the vocabularies it needs and has no code of, `empty` the
    value sets that hold no code at all.
    """

    part: str
    name: str
    value_sets: tuple[str, ...]
    state: RouteState
    loaded: tuple[tuple[str, int], ...]
    absent: tuple[str, ...]
    empty: tuple[str, ...]


def asked_for(tree: object) -> frozenset[str]:
    """Every value set a definition, or any part of one, looks codes up in: of facts, of results, of qualifiers."""
    return value_sets_used(tree) | result_value_sets_used(tree)


def counted(rows: Iterable[ValueSetCode], year: int) -> dict[str, dict[str, int]]:
    """Codes valid in measurement year `year`: by value set, how many of each vocabulary. Empty sets are not in it."""
    found: dict[str, dict[str, int]] = {}
    for value_set, system, code in sorted({(r.value_set, r.code_system, r.code) for r in rows if r.valid_in(year)}):
        by_vocabulary = found.setdefault(value_set, {})
        key = vocabulary(system, code)
        by_vocabulary[key] = by_vocabulary.get(key, 0) + 1
    return found


def evidence_routes(definition: Definition, rows: Sequence[ValueSetCode], year: int) -> tuple[Route, ...]:
    """Every evidence route of a definition with its state for measurement year `year`, numerator first."""
    counts = counted(rows, year)
    parts = [("numerator", definition.numerator), ("denominator event", definition.denominator_event)]
    parts += [(f"exclusion: {each.name}", each.condition) for each in definition.exclusions]
    found = [_route(part, *asked, counts) for part, tree in parts for node in nodes(tree) for asked in _asked(node)]
    return tuple(dict.fromkeys(found))


def _asked(node: object) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Name, value sets and needed vocabularies of what a node of a definition looks codes up in."""
    if isinstance(node, Events):
        asked = [(node.name, node.value_sets, node.needs)] if node.value_sets else []
        narrowing = tuple(dict.fromkeys((*node.with_value, *node.qualified_by)))
        return [*asked, *([(f"{node.name}: result or qualifier", narrowing, ())] if narrowing else [])]
    if isinstance(node, Result):
        return [(f"{node.events.name} by a code that says {each.text}", (each.value_set,), ()) for each in node.coded]
    return []


def _route(
    part: str, name: str, value_sets: tuple[str, ...], needs: tuple[str, ...], counts: dict[str, dict[str, int]]
) -> Route:
    loaded: dict[str, int] = {}
    for value_set in value_sets:
        for key, number in counts.get(value_set, {}).items():
            loaded[key] = loaded.get(key, 0) + number
    usable = {key: number for key, number in loaded.items() if not needs or key in needs}
    absent = tuple(key for key in needs if key not in usable)
    empty = tuple(value_set for value_set in value_sets if value_set not in counts)
    state = RouteState.INACTIVE if not usable else RouteState.PARTLY if absent else RouteState.ACTIVE
    return Route(part, name, value_sets, state, tuple(sorted(usable.items())), absent, empty)
