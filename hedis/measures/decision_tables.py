"""Decision tables: what a measure decides for invented members, one line each. The tests run them on the definition,
the measure's page shows them: a single text, so that neither can say what the other does not.

A table is a text file beside the tests. ``# `` begins its remarks, ``## `` a group of lines. What several lines share
is named once, ``D (two diabetes diagnoses) = 2025-03-01 icd-10-cm:E119; …``, and written ``{D}``. Codes a plan would
load from its own licensed lists are invented: ``list diabetes-medication = ndc:00001000101``, of a drug with its target
ingredient in brackets where that matters. All else is a line

    case | born | enrolled | known | expected
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from hedis.engine.codes import ValueSetCode

COLUMNS = ("case", "born", "enrolled", "known", "expected")
_SEPARATOR = re.compile(r"\|(?=\s)")
_SHORTHAND = re.compile(r"(?P<name>[A-Z][A-Z0-9]*) \((?P<words>[^)]+)\) = (?P<text>.+)")
_LIST = re.compile(
    r"list (?P<value_set>[a-z0-9-]+) = (?P<system>[a-z0-9-]+):(?P<code>\S+)(?: \((?P<ingredient>[^)]+)\))?"
)


class DecisionTableError(ValueError):
    """A table that cannot be read. The message names file, line and reason."""


@dataclass(frozen=True)
class Shorthand:
    """What several lines share: the name, what it stands for in words, and the text put in its place."""

    name: str
    words: str
    text: str


@dataclass(frozen=True)
class Case:
    """One invented member; the texts as written, shorthands unresolved. `enrolled` empty: throughout."""

    group: str
    case: str
    born: str
    enrolled: str
    known: str
    expected: str


@dataclass(frozen=True)
class DecisionTable:
    """A table as read."""

    remarks: tuple[str, ...]
    shorthands: tuple[Shorthand, ...]
    codes: tuple[ValueSetCode, ...]
    cases: tuple[Case, ...]

    def resolved(self) -> tuple[Case, ...]:
        """The cases with every shorthand replaced by what it stands for."""
        return tuple(
            replace(each, **{name: self._resolve(getattr(each, name)) for name in COLUMNS[1:]}) for each in self.cases
        )

    def _resolve(self, text: str) -> str:
        for shorthand in reversed(self.shorthands):
            text = text.replace("{" + shorthand.name + "}", shorthand.text)
        return text


def read(file: Path) -> DecisionTable:
    """The table of a file. Raises DecisionTableError for a line of no known form, a case named twice, a shorthand
    nobody defined."""
    remarks: list[str] = []
    shorthands: list[Shorthand] = []
    codes: list[ValueSetCode] = []
    cases: list[Case] = []
    group = ""
    for number, written in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        line = written.strip()
        if line.startswith("## "):
            group = line[3:]
        elif line.startswith("# "):
            remarks.append(line[2:])
        elif found := _SHORTHAND.fullmatch(line):
            shorthands.append(Shorthand(**found.groupdict()))
        elif found := _LIST.fullmatch(line):
            ingredient = found["ingredient"] or ""
            codes.append(ValueSetCode(found["value_set"], found["system"], found["code"], ingredient=ingredient))
        elif line:
            cases.append(_case(f"{file.name}, line {number}", group, line, {each.case for each in cases}))
    table = DecisionTable(tuple(remarks), tuple(shorthands), tuple(codes), tuple(cases))
    for each in table.resolved():
        if unknown := re.search(r"\{(\w+)\}", " ".join((each.born, each.enrolled, each.known, each.expected))):
            raise DecisionTableError(f"{file.name}, case {each.case!r}: nothing is named {unknown[1]}")
    return table


def _case(place: str, group: str, line: str, known: set[str]) -> Case:
    cells = [cell.strip() for cell in _SEPARATOR.split(line)]
    if len(cells) != len(COLUMNS):
        raise DecisionTableError(
            f"{place}: {len(cells)} columns where {len(COLUMNS)} are needed ({', '.join(COLUMNS)})"
        )
    if not cells[0] or cells[0] in known:
        raise DecisionTableError(f"{place}: a case needs a name of its own, not {cells[0]!r}")
    return Case(group, *cells)
