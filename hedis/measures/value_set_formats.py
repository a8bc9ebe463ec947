"""Readers of code lists as CSV: our own layout, Tuva's, and a drug file. Each gives rows of ours. Pure of Django.

A reader refuses the whole file for one bad row (engine.codes.CodeError names file, row, field and reason): half a list
is a measure that is quietly wrong.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hedis.engine.codes import COLUMNS, CodeError, ValueSetCode, normalise_code, normalise_name, year_of
from hedis.measures import value_set_drugs, value_set_names

PRINTABLE = re.compile(r"[!-~]{1,40}")
TUVA = ("concept_name", "concept_oid", "code", "code_system")


@dataclass
class Reading:
    """What a file holds: rows of ours, the version it names, and what a person should know about it."""

    rows: set[ValueSetCode] = field(default_factory=set)
    version: str = ""
    warnings: list[str] = field(default_factory=list)
    of_no_use: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        names: Iterable[str],
        system: str,
        code: str,
        *,
        display: str = "",
        years: tuple[int | None, int | None] = (None, None),
        ingredients: Iterable[str] = ("",),
    ) -> None:
        """One code of a file under each of our names and target ingredients; a code of a system no row of the
        warehouse is coded in is only counted. Raises CodeError without the place."""
        try:
            known = value_set_names.code_system(system)
        except KeyError as error:
            raise CodeError(f"{system!r} is no code system known here", field="code_system") from error
        if known is None:
            self.of_no_use[system] += 1
            return
        code = normalise_code(known, code)
        if not PRINTABLE.fullmatch(code):
            raise CodeError(f"{code[:40]!r} is not a code")
        named = tuple(names)
        if not named:
            raise CodeError("is empty", field="value_set")
        label = " ".join(display.split())
        self.rows |= {
            ValueSetCode(name, known, code, label, *years, ingredient) for name in named for ingredient in ingredients
        }

    def finish(self, file: str) -> "Reading":
        """The reading with its last warnings; raises CodeError where no code is left."""
        self.warnings += [f"{count} codes of {system} left out: no record here is coded in it"
                          for system, count in sorted(self.of_no_use.items())]  # fmt: skip
        if not self.rows:
            raise CodeError("no code that can be used", file=file, row=1, field="file")
        return self


def read_own(file: Path) -> Reading:
    """Our own layout: value_set, code_system, code and optionally display, the two years, ingredient."""
    found = Reading()
    for number, row in _rows(file, COLUMNS[:3]):
        try:
            years = (year_of("valid_from_year", row.get("valid_from_year", "")),
                     year_of("valid_to_year", row.get("valid_to_year", "")))  # fmt: skip
            found.add(
                filter(None, [normalise_name(row["value_set"])]), row["code_system"], row["code"],
                display=row.get("display", ""), years=years, ingredients=(row.get("ingredient", "").lower(),),
            )  # fmt: skip
        except CodeError as error:
            raise error.at(file.name, number) from error
    return found.finish(file.name)


def read_tuva(file: Path) -> Reading:
    """Tuva's value sets: concept_name, concept_oid, code, code_system; names matched without case."""
    found = Reading()
    for number, row in _rows(file, ("concept_name", "code", "code_system")):
        names = value_set_names.value_sets(row["concept_name"], row.get("concept_oid", ""))
        try:
            found.add(names, row["code_system"], row["code"])
        except CodeError as error:
            raise error.at(file.name, number) from error
    return found.finish(file.name)


def read_drugs(file: Path) -> Reading:
    """A drug file: ndc (or rxnorm) and the ingredients of the product, such as ``amlodipine / benazepril``. The class
    lists follow from the ingredients (value_set_drugs); products of no class are counted, not stored."""
    found, other = Reading(), 0
    for number, row in _rows(file, ("ingredient",), {"rxnorm_ingredient": "ingredient", "ndc_code": "ndc"}):
        system = "ndc" if row.get("ndc") else "rxnorm"
        classes = value_set_drugs.classes(row["ingredient"])
        other += not classes
        try:
            if not row["ingredient"]:
                raise CodeError("is empty", field="ingredient")
            for name, targets in classes.items():
                found.add((name,), system, row.get(system, ""), display=row["ingredient"], ingredients=targets)
        except CodeError as error:
            raise error.at(file.name, number) from error
    if other:
        found.warnings.append(f"{other} products of no drug class of a measure left out")
    return found.finish(file.name)


def header(file: Path) -> tuple[str, ...]:
    """The column names of a CSV file, lower case. Raises CodeError where it is no text."""
    with file.open(encoding="utf-8-sig", newline="") as handle:
        try:
            return tuple(name.strip().lower() for name in next(csv.reader(handle), ()))
        except (UnicodeDecodeError, csv.Error) as error:
            raise CodeError("is not text in UTF-8", file=file.name, row=1, field="file") from error


def _rows(
    file: Path, needed: Iterable[str], synonyms: dict[str, str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row, by lower-case column name."""
    columns = [(synonyms or {}).get(name, name) for name in header(file)]
    for name in needed:
        if name not in columns:
            raise CodeError("the column is missing", file=file.name, row=1, field=name)
    with file.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.reader(handle)
        next(reader)
        try:
            for cells in reader:
                if len(cells) > len(columns):
                    raise CodeError("has more cells than the header", file=file.name, row=reader.line_num, field="row")
                if any(cell.strip() for cell in cells):
                    padded = [*cells, *[""] * (len(columns) - len(cells))]
                    yield reader.line_num, {name: cell.strip() for name, cell in zip(columns, padded, strict=True)}
        except (UnicodeDecodeError, csv.Error) as error:
            raise CodeError(str(error), file=file.name, row=reader.line_num + 1, field="row") from error
