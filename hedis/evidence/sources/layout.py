"""The words a layout is written in: tables, columns, and what a value must be to be believed. Data, no reading."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a column holds, and so how it is typed and checked (see `checking`)."""

    PERSON = "person"  # the plan's id of a person; leaves only as a pseudonym
    IDENTIFIER = "identifier"  # of a claim or result; leaves only as a keyed hash
    TEXT = "text"
    WORD = "word"  # text whose case does not matter
    DATE = "date"
    MONTH = "month"
    NUMBER = "number"
    INTEGER = "integer"
    FLAG = "flag"
    CHOICE = "choice"
    CODE = "code"
    ICD = "icd"
    NDC = "ndc"
    NPI = "npi"
    LIST = "list"  # nested rows that a reader of ours made and checked


@dataclass(frozen=True)
class Column:
    """One column of a table.

    needed   the file must have it, under this name or an older one (`aliases`, tried in order)
    filled   every row must have a value
    past     the date may not lie after the day of the import
    pad      a numeric code is padded with zeros to this width (spreadsheets drop them)
    choices  spelling in the file (lower case) -> what is stored; anything else is refused
    type     DuckDB type of the staged column; text unless a reader of ours makes it
    """

    name: str
    kind: Kind
    needed: bool = False
    filled: bool = False
    past: bool = False
    aliases: tuple[str, ...] = ()
    pad: int = 0
    choices: Mapping[str, str] = field(default_factory=dict)
    type: str = "VARCHAR"


@dataclass(frozen=True)
class Rule:
    """A row is refused, naming `field`, where `wrong` (SQL over the typed columns) is true."""

    field: str
    wrong: str
    reason: str


@dataclass(frozen=True)
class Table:
    """One table of a layout.

    required    without it the import is refused
    any_of      of each group at least one column must be in the file
    identifier  column whose keyed hash, with data_source, is the row's `record`; else `key` makes it
    key         typed columns that tell one row from another (with `record`, line and reversal)
    year        SQL for the year of the partition the accepted row is kept in
    reversal    SQL that is true for a line that takes an earlier one back
    stored      "name" or "SQL AS name": what is kept of an accepted row beside member, record, line, reversal
    """

    name: str
    columns: tuple[Column, ...]
    stored: tuple[str, ...]
    required: bool = False
    any_of: tuple[tuple[str, ...], ...] = ()
    identifier: str = ""
    key: tuple[str, ...] = ()
    line: str = "0"
    year: str = "0"
    reversal: str = "false"
    rules: tuple[Rule, ...] = ()

    @property
    def has_person(self) -> bool:
        """Whether its rows are about a person."""
        return any(column.kind is Kind.PERSON for column in self.columns)

    @property
    def key_fields(self) -> str:
        """The key's columns as a message names them."""
        names = [self.identifier] if self.identifier else list(self.key)
        return ", ".join(names if self.line == "0" else [*names, self.line])
