"""A deck of test patients with expected populations, in the layout the eCQM repositories publish.

`DIR/cases/*.json` holds lists of cases, a file named for its measure (``CMS122FHIR….json``); several files may hold
cases of one measure. A case has id, series, title, description, period (start, end), expected (a list of one group:
population -> 0 or 1) and bundle (FHIR R4). `DIR/valuesets/*.json` holds one value set each: title, codes (system,
code). Nothing here reads a clock or a database.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hedis.engine.code_systems import code_system
from hedis.engine.codes import CodeError, ValueSetCode, normalise_code, normalise_name
from hedis.engine.period import Period

MEASURE_IN_FILE_NAME = re.compile(r"(CMS[0-9]+)", re.IGNORECASE)


class DeckError(ValueError):
    """A deck that cannot be used. The message names file, case and field."""


@dataclass(frozen=True)
class Case:
    """One test patient. `expected`: population -> 0 or 1; `member`: the id of its Patient; `entries`: the entries of
    its Bundle, their ids the case's own."""

    id: str
    series: str
    title: str
    period: Period
    expected: Mapping[str, int]
    member: str
    entries: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Deck:
    """`cases` by measure (``CMS122``), in the order of the files; `others`: how many cases there are of each measure
    nobody asked for; `value_sets`: every code of every list."""

    cases: Mapping[str, tuple[Case, ...]]
    others: Mapping[str, int]
    value_sets: tuple[ValueSetCode, ...]


def read_deck(directory: Path, measures: Container[str]) -> Deck:
    """The deck in `directory`, cases of `measures` read, of others counted: theirs may have any shape.

    Raises DeckError for a folder or file that is missing, is no JSON or has another shape, for no cases at all, and
    for two cases of a measure with one id.
    """
    cases: dict[str, list[Case]] = {}
    others: Counter[str] = Counter()
    for file in _files(directory / "cases"):
        named = MEASURE_IN_FILE_NAME.search(file.name)
        if not named:
            raise DeckError(f"cases/{file.name}: the name does not say the measure, such as CMS122")
        measure, rows = named[1].upper(), _rows(file)
        if measure in measures:
            of_measure = cases.setdefault(measure, [])
            of_measure += _cases(file, rows, first=len(of_measure))
        else:
            others[measure] += len(rows)
    if not any(cases.values()) and not others.total():
        raise DeckError("cases: there is no case in any file")
    for measure, found in cases.items():
        _refuse_doubles(measure, found)
    codes = (code for file in _files(directory / "valuesets") for code in _value_set(file))
    return Deck({measure: tuple(found) for measure, found in cases.items()}, others, tuple(dict.fromkeys(codes)))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DeckError(f"{folder.name}: there is no such folder in the deck")
    return sorted(folder.glob("*.json"))


def _load(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DeckError(f"{file.parent.name}/{file.name}: is not JSON ({error})") from error


def _refuse_doubles(measure: str, cases: list[Case]) -> None:
    known: set[str] = set()
    for case in cases:
        if case.id in known:
            raise DeckError(f"{measure}: two cases have the id {case.id}")
        known.add(case.id)


# -- cases -----------------------------------------------------------------------------------------------------


def _rows(file: Path) -> list[Any]:
    rows = _load(file)
    if not isinstance(rows, list):
        raise DeckError(f"cases/{file.name}: is not a list of cases")
    return rows


def _cases(file: Path, rows: list[Any], first: int) -> Iterator[Case]:
    for number, row in enumerate(rows):
        try:
            yield _case(row, f"c{first + number}")
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise DeckError(f"cases/{file.name}, case {number + 1}: {reason}") from error


def _case(row: Mapping[str, Any], prefix: str) -> Case:
    groups = row["expected"]
    if not isinstance(groups, list) or len(groups) != 1:
        raise ValueError("expected: is not a list of one group")
    period = row["period"]
    entries = tuple(_apart(each, prefix) for each in row["bundle"]["entry"])
    patients = [each["resource"]["id"] for each in entries if each["resource"].get("resourceType") == "Patient"]
    if len(patients) != 1:
        raise ValueError(f"bundle: holds {len(patients)} patients instead of one")
    return Case(
        id=str(row["id"]),
        series=str(row.get("series", "")),
        title=str(row.get("title", "")),
        period=Period(dt.date.fromisoformat(period["start"][:10]), dt.date.fromisoformat(period["end"][:10])),
        expected={str(name): int(value) for name, value in groups[0].items()},
        member=patients[0],
        entries=entries,
    )


def _apart(entry: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entry with its ids, and those it refers to, made the case's own: copied test patients share ids, and all
    cases of a measure are loaded together."""
    resource = _refer(entry["resource"], prefix)
    if "id" in resource:
        resource["id"] = f"{prefix}-{resource['id']}"
    url = entry.get("fullUrl")
    return {"resource": resource, **({"fullUrl": _renamed(url, prefix)} if url else {})}


def _refer(tree: Any, prefix: str) -> Any:
    if isinstance(tree, list):
        return [_refer(each, prefix) for each in tree]
    if not isinstance(tree, dict):
        return tree
    return {
        name: _renamed(value, prefix) if name == "reference" and isinstance(value, str) else _refer(value, prefix)
        for name, value in tree.items()
    }


def _renamed(reference: str, prefix: str) -> str:
    """``Encounter/e1`` -> ``Encounter/c7-e1``; a contained resource (``#m``) is the case's own already."""
    if reference.startswith("#"):
        return reference
    where, slash, name = reference.rpartition("/")
    if not slash and reference.startswith("urn:"):
        where, slash, name = reference.rpartition(":")
    return f"{where}{slash}{prefix}-{name}"


# -- value sets ------------------------------------------------------------------------------------------------


def _value_set(file: Path) -> Iterator[ValueSetCode]:
    text = _load(file)
    try:
        name = normalise_name(text["title"])
        for each in text["codes"]:
            system = code_system(each["system"])
            yield ValueSetCode(name, system, normalise_code(system, each["code"]))
    except CodeError as error:
        raise DeckError(f"valuesets/{file.name}, {error}") from error
    except KeyError as error:
        raise DeckError(f"valuesets/{file.name}: {error} is missing") from error
    except (TypeError, AttributeError) as error:
        raise DeckError(f"valuesets/{file.name}: is no value set with title and codes") from error
