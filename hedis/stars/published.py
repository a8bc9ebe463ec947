"""Reads the tables CMS publishes with the Star Ratings, as CMS names and shapes them.

A table is known by its title, never by its file name, which changes with every release. Files come with and without
BOM, as UTF-8, UTF-16 or cp1252, cut by commas, semicolons or tabs, with notes above and below, with columns in another
order, with blank columns and rows and with words instead of numbers. Shape is read tolerantly; meaning strictly: a
table of another year, an unknown measure, a rate above 100 or a contract without a single value is a PublishedError
that names file, row and field.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from hedis.stars.years import Adjustment

CONTRACT_NUMBER = re.compile(r"[A-Z][0-9]{4}")
MEASURE_HEAD = re.compile(r"([CD][0-9]{2})\s*:\s*(.+)", re.DOTALL)
DOMAIN_HEAD = re.compile(r"([HD]D[0-9])\s*:\s*(.+)", re.DOTALL)
NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)\s*%?")
CONTRACT_HEADS = {"contractid", "contractnumber"}
ABOUT_HEADS = {*CONTRACT_HEADS, "organizationtype", "contractname", "organizationmarketingname", "parentorganization"}
# How many lines may stand above the title: CMS's notes of a recalculation.
LINES_TO_TITLE = 5

TITLES = {
    kind: re.compile(r"(20[0-9]{2}) " + title, re.IGNORECASE)
    for kind, title in {
        "scores": r"Data View\b",
        "stars": r"Stars? View\b",
        "summary": r"Summary (?:Rating|Star)s? View\b",
        "domains": r"Domain (?:Stars? )?View\b",
        "cai": r"CAI View\b",
        "part_c_cuts": r"Part C Performance Metrics? Threshold",
        "part_d_cuts": r"Part D Performance Metrics? Threshold",
        "high_performing": r"High Performing Contracts\b",
        "low_performing": r"Low Performing Contracts\b",
    }.items()
}
NAMES = {
    "scores": "Data View",
    "stars": "Star View",
    "summary": "Summary Star View",
    "domains": "Domain Star View",
    "cai": "CAI View",
    "part_c_cuts": "Part C Performance Metrics Threshold",
    "part_d_cuts": "Part D Performance Metrics Threshold",
    "high_performing": "High Performing Contracts",
    "low_performing": "Low Performing Contracts",
}


class PublishedError(Exception):
    """A published table does not say what it must; the message names file, row and field."""


@dataclass(frozen=True)
class Line:
    """One line of a table: where it stands in the file, and its cells with single blanks and none around them."""

    number: int
    cells: tuple[str, ...]

    def cell(self, index: int) -> str:
        return self.cells[index] if index < len(self.cells) else ""


@dataclass(frozen=True)
class Table:
    """One file that is a table CMS publishes, from its title on. `kind` is a key of TITLES."""

    kind: str
    year: int
    path: Path
    lines: tuple[Line, ...]

    def error(self, line: Line | None, name: str, reason: str) -> PublishedError:
        """An error that names the place."""
        row = f", row {line.number}" if line else ""
        return PublishedError(f"{self.path.name}{row}, {name}: {reason}")

    @property
    def head(self) -> int:
        """Index of the header line: the first that has the contract's number."""
        for index, line in enumerate(self.lines):
            if any(plain(cell) in CONTRACT_HEADS for cell in line.cells):
                return index
        raise self.error(None, "Contract Number", "no header row has it")

    def column(self, *names: str) -> int:
        """Position of the column with one of these names, read without case, blanks and signs."""
        wanted = {plain(name) for name in names}
        for index, cell in enumerate(self.lines[self.head].cells):
            if plain(cell) in wanted:
                return index
        raise self.error(self.lines[self.head], names[0], "the column is missing")

    def contracts(self) -> Iterator[tuple[str, Line]]:
        """The rows of contracts. Column heads above the first one and a note below the last are passed over."""
        seen: set[str] = set()
        place = self.column("Contract Number", "Contract ID")
        about = [index for index, cell in enumerate(self.lines[self.head].cells) if plain(cell) in ABOUT_HEADS]
        for line in self.lines[self.head + 1 :]:
            number = line.cell(place).upper()
            if (not seen and not any(map(line.cell, about))) or is_note(line):
                continue
            if not CONTRACT_NUMBER.fullmatch(number):
                raise self.error(line, "Contract Number", f"{line.cell(place)!r} is not a contract number")
            if number in seen:
                raise self.error(line, "Contract Number", f"{number} is there twice")
            seen.add(number)
            yield number, line


@dataclass(frozen=True)
class Cell:
    """A published value: a number, or CMS's words why there is none."""

    text: str
    number: Decimal | None


@dataclass(frozen=True)
class Organisation:
    """What the summary table says of a contract. Ratings are Cells by `part_c`, `part_d`, `overall`."""

    number: str
    type: str
    name: str
    marketing_name: str
    parent: str
    snp: bool
    disaster_shares: Mapping[int, Decimal]
    ratings: Mapping[str, Cell]
    row: int


@dataclass(frozen=True)
class Grid:
    """A contract by measure (or domain) table: heads by id, cells by contract and id."""

    table: Table
    heads: Mapping[str, str]
    cells: Mapping[str, Mapping[str, Cell]]
    rows: Mapping[str, int] = field(default_factory=dict)


def plain(text: str) -> str:
    """Letters and digits only: CMS's dashes and apostrophes come out differently in every release."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def is_note(line: Line) -> bool:
    """A sentence that stands alone in its row."""
    filled = [cell for cell in line.cells if cell]
    return len(filled) == 1 and " " in filled[0]


def tables(folder: Path, year: int) -> dict[str, Table]:
    """The published tables of a folder by kind; other CSV files are passed over.

    Where the folder itself has none, those of the folders below it: CMS's archives unpack into one. Raises
    PublishedError for no table at all, a table of another year, or two of one kind.
    """
    if not folder.is_dir():
        raise PublishedError(f"{folder} is not a folder")
    every = tables_among(folder.iterdir()) or tables_among(folder.rglob("*"))
    if not every:
        packed = ", ".join(sorted(path.name for path in folder.iterdir() if path.suffix.lower() in (".zip", ".xlsx")))
        hint = f"; unpack or save as CSV first: {packed}" if packed else ""
        raise PublishedError(f"{folder}: no CSV file has the title of a Star Ratings table{hint}")
    found: dict[str, Table] = {}
    for table in every:
        if table.year != year:
            raise table.error(table.lines[0], "title", f"a table of {table.year}, not of {year}")
        if table.kind in found:
            twin = found[table.kind].path.name
            raise table.error(table.lines[0], "title", f"{twin} is the same table; give one release a folder")
        found[table.kind] = table
    return found


def tables_among(paths: Iterable[Path]) -> list[Table]:
    """The tables among some files, in the order of their names."""
    files = sorted(path for path in paths if path.suffix.lower() == ".csv" and path.is_file())
    return [table for path in files if (table := read_table(path))]


def read_table(path: Path) -> Table | None:
    """The table of a file, or None where no line at its beginning has a title we know."""
    text = decoded(path.read_bytes())
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=text.count))
    lines = []
    for cells in reader:
        trimmed = tuple(" ".join(cell.split()) for cell in cells)
        if any(trimmed):
            lines.append(Line(reader.line_num, trimmed))
    for index, line in enumerate(lines[: LINES_TO_TITLE + 1]):
        for kind, title in TITLES.items():
            match = next(filter(None, map(title.match, line.cells)), None)
            if match:
                return Table(kind, int(match[1]), path, tuple(lines[index:]))
    return None


def decoded(content: bytes) -> str:
    """A file's text: UTF-16 by its mark, else UTF-8, else cp1252."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def required(found: Mapping[str, Table], kind: str, folder: Path) -> Table:
    """The table of that kind, or an error that says which is missing."""
    if kind not in found:
        raise PublishedError(f"{folder}: the table titled {NAMES[kind]!r} is missing")
    return found[kind]


def read_cell(table: Table, line: Line, index: int, name: str) -> Cell:
    """A number, with or without percent sign, or words. A mix of both is an error, not a missing value."""
    text = line.cell(index)
    if NUMBER.fullmatch(text):
        return Cell(text, Decimal(text.rstrip("% ")))
    if re.search(r"[0-9]", text):
        raise table.error(line, name, f"{text!r} is neither a number nor one of CMS's messages")
    return Cell("" if text == "." else text, None)


def read_measures(table: Table, known: Mapping[str, Any] | None) -> Grid:
    """The scores or stars table. `known` are the year's measure ids; None accepts what the table has."""
    heads_line, columns = find_heads(table, MEASURE_HEAD)
    heads = {head[0]: head[1] for head in columns.values()}
    if known is not None:
        for measure_id in heads:
            if measure_id not in known:
                raise table.error(heads_line, measure_id, f"Star year {table.year} has no such measure")
        for measure_id in known:
            if measure_id not in heads:
                raise table.error(heads_line, measure_id, "the column is missing")
    return read_grid(table, columns, heads)


def read_domains(table: Table) -> Grid:
    """The domain stars table."""
    _, columns = find_heads(table, DOMAIN_HEAD)
    return read_grid(table, columns, {head[0]: head[1] for head in columns.values()})


def find_heads(table: Table, pattern: re.Pattern[str]) -> tuple[Line, dict[int, tuple[str, str]]]:
    """The line of column heads with ids, and (id, name) by position."""
    for line in table.lines[1:6]:
        columns = {
            index: (match[1], match[2].strip())
            for index, cell in enumerate(line.cells)
            if (match := pattern.fullmatch(cell))
        }
        if columns:
            ids = [head[0] for head in columns.values()]
            for measure_id in ids:
                if ids.count(measure_id) > 1:
                    raise table.error(line, measure_id, "the column is there twice")
            return line, columns
    raise table.error(None, "column heads", "no row has measure ids such as 'C01: …'")


def read_grid(table: Table, columns: Mapping[int, tuple[str, str]], heads: Mapping[str, str]) -> Grid:
    """The cells of every contract; a contract without any value or message is an error."""
    cells: dict[str, dict[str, Cell]] = {}
    places: dict[str, int] = {}
    for number, line in table.contracts():
        read = {head[0]: read_cell(table, line, index, head[0]) for index, head in columns.items()}
        if not any(cell.text for cell in read.values()):
            raise table.error(line, number, "the contract is empty")
        cells[number], places[number] = read, line.number
    if not cells:
        raise table.error(None, "Contract Number", "the table has no contracts")
    return Grid(table, heads, cells, places)


def read_stars(table: Table, known: Mapping[str, Any] | None) -> Grid:
    """The star table: every number is a whole star of 1 to 5."""
    grid = read_measures(table, known)
    check_whole_stars(grid)
    return grid


def check_whole_stars(grid: Grid) -> None:
    """Raises PublishedError where a number is not a star."""
    for contract, cells in grid.cells.items():
        for name, cell in cells.items():
            if cell.number is not None and cell.number not in (1, 2, 3, 4, 5):
                line = Line(grid.rows[contract], ())
                raise grid.table.error(line, f"{contract} {name}", f"{cell.text} is not a star of 1 to 5")


def read_summary(table: Table) -> dict[str, Organisation]:
    """Contracts by number: organisation, disaster shares by year, published ratings."""
    heads = table.lines[table.head].cells
    shares = {int(match[1]): index for index, head in enumerate(heads) if (match := DISASTER_HEAD.match(head))}
    if not shares:
        raise table.error(table.lines[table.head], "Disaster %", "the column is missing")
    year = table.year
    parts = {
        part: table.column(*(f"{year} {name}{end}" for end in ("", " Rating", " Star", " Star Rating")))
        for part, name in (("part_c", "Part C Summary"), ("part_d", "Part D Summary"), ("overall", "Overall"))
    }
    organisation_type = table.column("Organization Type")
    name, marketing = table.column("Contract Name"), table.column("Organization Marketing Name")
    parent = table.column("Parent Organization")
    snp = table.column("SNP")
    found: dict[str, Organisation] = {}
    for number, line in table.contracts():
        ratings = {part: read_rating(table, line, index, part) for part, index in parts.items()}
        if not any(cell.text for cell in ratings.values()):
            raise table.error(line, number, "the contract is empty")
        if not line.cell(organisation_type):
            raise table.error(line, "Organization Type", "empty")
        found[number] = Organisation(
            number,
            type=line.cell(organisation_type),
            name=line.cell(name),
            marketing_name=line.cell(marketing),
            parent=line.cell(parent),
            snp=yes(table, line, snp, "SNP"),
            disaster_shares={share: read_share(table, line, index, share) for share, index in shares.items()},
            ratings=ratings,
            row=line.number,
        )
    if not found:
        raise table.error(None, "Contract Number", "the table has no contracts")
    return found


DISASTER_HEAD = re.compile(r"(20[0-9]{2}) Disaster\s*(?:%|Percent)", re.IGNORECASE)


def read_rating(table: Table, line: Line, index: int, part: str) -> Cell:
    """A rating in half stars of 1 to 5, or CMS's words."""
    text = re.sub(r"\s+out of 5 stars$", "", line.cell(index))
    cell = read_cell(table, Line(line.number, (text,)), 0, part)
    if cell.number is not None and (cell.number * 2 != int(cell.number * 2) or not 1 <= cell.number <= 5):
        raise table.error(line, part, f"{text} is not a rating in half stars")
    return cell


def read_share(table: Table, line: Line, index: int, year: int) -> Decimal:
    """Percent of enrolment in disaster areas, 0 to 100; words count as none."""
    cell = read_cell(table, line, index, f"{year} Disaster %")
    if cell.number is not None and not 0 <= cell.number <= 100:
        raise table.error(line, f"{year} Disaster %", f"{cell.text} is not a percentage of 0 to 100")
    return cell.number or Decimal(0)


def yes(table: Table, line: Line, index: int, name: str) -> bool:
    """Yes or no, and nothing else."""
    text = line.cell(index).lower()
    if text not in ("yes", "no", "y", "n"):
        raise table.error(line, name, f"{line.cell(index)!r} is neither Yes nor No")
    return text.startswith("y")


def read_cai(table: Table) -> dict[str, Adjustment]:
    """Final adjustment categories by contract and column."""
    columns = {
        "part_c": table.column("Part C FAC"),
        "part_d_mapd": table.column("Part D MA-PD FAC"),
        "part_d_pdp": table.column("Part D PDP FAC"),
        "overall": table.column("Overall FAC"),
    }
    puerto_rico = table.column("Puerto Rico Only")
    found = {}
    for number, line in table.contracts():
        read = {name: read_cell(table, line, index, name) for name, index in columns.items()}
        for name, cell in read.items():
            if cell.number is not None and cell.number != int(cell.number):
                raise table.error(line, name, f"{cell.text} is not a category")
        categories = {name: int(cell.number) for name, cell in read.items() if cell.number is not None}
        found[number] = Adjustment(yes(table, line, puerto_rico, "Puerto Rico Only"), categories)
    return found


def read_high_performing(table: Table) -> set[str]:
    """The contracts with the high performing icon."""
    return {number for number, _ in table.contracts()}
