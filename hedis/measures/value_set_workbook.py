"""Reader of the medication workbook in CMS's Star Ratings download: value sets by NDC, with their ingredients.

Sheet and column order change by year, so the header row is looked for: a sheet of codes has value_set_id, code_type and
code; a sheet of measures has measure_id and value_set_id and says which measure uses a set, as drug or exclusion.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from hedis.engine.codes import CodeError, normalise_name
from hedis.measures import value_set_drugs, value_set_names
from hedis.measures.value_set_formats import Reading

CODES, MEASURES = {"value_set_id", "code_type", "code"}, {"measure_id", "value_set_id"}
HEADER_WITHIN = 50
OPEN_BEFORE, OPEN_AFTER = 1950, 2090
"""Years the workbook writes for "always" (1900-01-01) and "no end" (2099-12-31) lie outside these."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Use:
    """What a measure uses a value set for; an empty measure fits any, `exclusion` None where nobody says."""

    measure: str
    exclusion: bool | None
    names: str


def read_workbook(file: Path) -> Reading:
    """The workbook's codes under our names of its sets; combinations once per target ingredient.

    A set no rule of names.toml fits keeps its own id as a name. Raises CodeError naming sheet and row.
    """
    sheets = list(_sheets(file))
    uses: dict[str, list[Use]] = {}
    for _, columns, rows in sheets:
        if columns >= MEASURES and not columns >= CODES:
            for _, row in rows:
                _note_use(uses, row)
    found = Reading()
    for title, columns, rows in sheets:
        if columns >= CODES:
            for number, row in rows:
                _add(found, f"{file.name}, sheet {title}", number, row, uses)
    return found.finish(file.name)


def _sheets(file: Path) -> Iterator[tuple[str, set[str], list[tuple[int, Row]]]]:
    """Title, columns and numbered rows of each sheet that has one of the two headers."""
    try:
        book = load_workbook(file, read_only=True, data_only=True)
        for sheet in book.worksheets:
            columns, rows = _table(sheet.iter_rows(values_only=True))
            if columns:
                yield sheet.title, columns, rows
        book.close()
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, CodeError):
            raise
        raise CodeError("is not an Excel workbook (xlsx)", file=file.name, row=1, field="file") from error


def _table(lines: Iterator[tuple[Any, ...]]) -> tuple[set[str], list[tuple[int, Row]]]:
    """The columns and rows below the first header among the top lines; nothing where there is none."""
    header: list[str] = []
    rows: list[tuple[int, Row]] = []
    for number, cells in enumerate(lines, start=1):
        if header:
            if any(cell is not None for cell in cells):
                rows.append((number, dict(zip(header, cells, strict=False))))
            continue
        names = [re.sub(r"[\s_]+", "_", str(cell or "").strip().lower()) for cell in cells]
        if any(set(names) >= wanted for wanted in (CODES, MEASURES)):
            header = names
        elif number >= HEADER_WITHIN:
            break
    return set(header), rows


def _note_use(uses: dict[str, list[Use]], row: Row) -> None:
    key = _text(row["value_set_id"])
    names = " ".join([key, _text(row.get("table_name")), _text(row.get("table_id"))]).lower()
    flag = _text(row.get("is_exclusion")).upper()[:1]
    uses.setdefault(key, []).append(Use(_text(row["measure_id"]).upper(), {"Y": True, "N": False}.get(flag), names))


def _add(found: Reading, place: str, number: int, row: Row, uses: Mapping[str, list[Use]]) -> None:
    key = _text(row["value_set_id"])
    try:
        if not key:
            raise CodeError("is empty", field="value_set_id")
        product = _text(row.get("ingredient")) or _text(row.get("value_set_item"))
        years = _year("from_date", row.get("from_date")), _year("thru_date", row.get("thru_date"))
        for name in _our_names(key, uses.get(key) or [_guess(place, row)]):
            found.add(
                (name,), _text(row["code_type"]), _code(row), display=_text(row.get("description")), years=years,
                ingredients=value_set_drugs.targets(name, product) if _is_drug(row) else ("",),
            )  # fmt: skip
    except CodeError as error:
        raise error.at(place, number) from error


def _guess(place: str, row: Row) -> Use:
    """Without a sheet of measures, the measure is the one the file or sheet is named for."""
    measures = [rule["measure"] for rule in value_set_names.words()["pqa"] if "measure" in rule]
    named = next((measure for measure in measures if normalise_name(measure) in normalise_name(place)), "")
    return Use(named, None, f"{_text(row['value_set_id'])} {_text(row.get('value_set_subgroup'))}".lower())


def _our_names(key: str, uses: list[Use]) -> list[str]:
    """Our sets a workbook's set belongs to, by the first rule that fits each use; its own id where none fits."""
    found = {name for use in uses if (name := _ruled(use))}
    return sorted(found) or [normalise_name(key)]


def _ruled(use: Use) -> str | None:
    for rule in value_set_names.words()["pqa"]:
        if (
            rule.get("measure", use.measure) == use.measure
            and use.exclusion in (None, rule["exclusion"])
            and (not rule.get("words") or any(word in use.names for word in rule["words"]))
            and not any(word in use.names for word in rule.get("without", ()))
        ):
            return str(rule["value_set"])
    return None


def _is_drug(row: Row) -> bool:
    return _text(row["code_type"]).upper() in ("NDC", "RXNORM")


def _code(row: Row) -> str:
    """The code as text: Excel drops the leading zeros of an NDC typed as a number."""
    code = row["code"]
    whole = str(int(code)) if isinstance(code, float) and code.is_integer() else _text(code)
    return whole.zfill(11) if isinstance(code, (int, float)) and _text(row["code_type"]).upper() == "NDC" else whole


def _year(column: str, value: Any) -> int | None:
    """The year of a date cell; None where it stands for an open end. Text may be 2025-01-31, 1/31/2025 or 20250131."""
    if isinstance(value, (date, datetime)):
        year = value.year
    elif not _text(value):
        return None
    else:
        match = re.search(r"(?<![0-9])((?:19|20)[0-9]{2})(?![0-9])|^((?:19|20)[0-9]{2})[0-9]{4}$", _text(value))
        if match is None:
            raise CodeError(f"{_text(value)[:20]!r} is not a date", field=column)
        year = int(match[1] or match[2])
    return year if OPEN_BEFORE < year < OPEN_AFTER else None


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
