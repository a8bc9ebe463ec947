"""CMS's tables as other releases and other people's spreadsheets shape them: read alike, or refused by name."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hedis.engine.rating_year import Part
from hedis.stars import published, verification
from hedis.stars.verification import Release
from tests.hedis import star_tables as made

SHARED = Path(__file__).resolve().parent.parent.parent.parent / "shared"
Rows = list[list[str]]


def rows_of(path: Path) -> Rows:
    """A table as CMS wrote it."""
    return list(csv.reader(io.StringIO(published.decoded(path.read_bytes()), newline="")))


def reshape(
    source: Path, folder: Path, change: Callable[[Rows], Rows] = lambda rows: rows, *, encoding: str = "utf-8-sig",
    name: str = "{}.csv", end: str = "\r\n", cut: str = ",", quoting: int = csv.QUOTE_MINIMAL,
) -> Path:  # fmt: skip
    """Every table of a folder once more, in another shape."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.csv")):
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=end, delimiter=cut, quoting=quoting).writerows(change(rows_of(path)))  # type: ignore[arg-type]
        (folder / name.format(path.stem)).write_bytes(text.getvalue().encode(encoding, errors="replace"))
    return folder


def facts(release: Release) -> tuple[object, ...]:
    """Everything a release says, without where it stands in the files."""
    contracts = {
        number: (one.type, one.name, one.snp, dict(one.disaster_shares), {k: v.text for k, v in one.ratings.items()})
        for number, one in release.contracts.items()
    }
    numbers = [
        {number: {name: cell.number for name, cell in cells.items()} for number, cells in grid.cells.items()}
        for grid in (release.stars, release.scores)
    ]
    return contracts, numbers, dict(release.adjustments), dict(release.year.cut_points), release.high_performing


def wide(rows: Rows) -> Rows:
    return [row + [""] * 20 for row in rows] + [[""] * 9] * 3


def noted(rows: Rows) -> Rows:
    above = [["In light of recent court decisions, CMS has recalculated the 2024 Star Ratings."], [""]]
    return [*above, *rows, [""], ["Note: CMS may correct these figures"], ["", "", "Last updated 10/08/2025"]]


def turned(rows: Rows) -> Rows:
    """Columns of the contract tables in the opposite order, the contract's number last."""
    if "Threshold" in rows[0][0]:
        return rows
    width = max(map(len, rows))
    return [(row + [""] * (width - len(row)))[::-1] for row in rows]


def lower_case_numbers(rows: Rows) -> Rows:
    return [[cell.lower() if re.fullmatch(r"[A-Z]\d{4} ?", cell) else cell for cell in row] for row in rows]


def hard_blanks(rows: Rows) -> Rows:
    return [[cell.replace(" ", "\xa0") for cell in row] for row in rows]


def other_signs(rows: Rows) -> Rows:
    signs = ((">=", "≥"), ("<=", "≤"), ("Disaster %", "Disaster Percent"), (" Overall", " Overall Star Rating"))
    for old, new in signs:
        rows = [[cell.replace(old, new) for cell in row] for row in rows]
    return rows


def shouted(rows: Rows) -> Rows:
    return [[rows[0][0].upper(), *rows[0][1:]], *rows[1:]]


def without_percent_signs(rows: Rows) -> Rows:
    return [[re.sub(r"(\d)%$", r"\1", cell) for cell in row] for row in rows]


CHANGES = [wide, noted, turned, lower_case_numbers, hard_blanks, other_signs, shouted, without_percent_signs]
WAYS: list[tuple[str, dict[str, object]]] = [
    ("cp1252", {"encoding": "cp1252"}),
    ("UTF-16", {"encoding": "utf-16"}),
    ("semicolons", {"cut": ";"}),
    ("tabs", {"cut": "\t"}),
    ("every cell in quotes", {"quoting": csv.QUOTE_ALL}),
    ("old line ends", {"end": "\r"}),
    ("CMS's file names", {"name": "2025 Star Ratings Data Table - {} (Oct 10 2024).CSV"}),
]


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """The hand-made release of three contracts."""
    return made.folder(tmp_path / "plain")


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_table_in_another_shape_says_the_same(tmp_path: Path, plain: Path, change: Callable[[Rows], Rows]) -> None:
    other = reshape(plain, tmp_path / "other", change)
    assert facts(verification.read_release(other, made.YEAR)) == facts(verification.read_release(plain, made.YEAR))


@pytest.mark.parametrize("way", [way for _, way in WAYS], ids=[name for name, _ in WAYS])
def test_a_table_written_another_way_says_the_same(tmp_path: Path, plain: Path, way: dict[str, object]) -> None:
    other = reshape(plain, tmp_path / "other", **way)  # type: ignore[arg-type]
    assert facts(verification.read_release(other, made.YEAR)) == facts(verification.read_release(plain, made.YEAR))


def test_tables_in_the_folder_of_their_archive_are_found(tmp_path: Path, plain: Path) -> None:
    plain.rename(tmp_path / "unpacked")
    found = published.tables(tmp_path, made.YEAR)
    assert {*found} == {"stars", "scores", "summary", "cai", "domains"}


def test_a_table_of_another_title_beside_them_is_passed_over(plain: Path) -> None:
    title = "2025 Disenrollment Reasons View: Medicare Report Card Master Table"
    made.write(plain / "reasons.csv", [[title], ["Contract Number", "Problems"], ["H1111", "19%"]])
    assert "reasons.csv" not in {table.path.name for table in published.tables(plain, made.YEAR).values()}


def test_an_archive_that_is_not_unpacked_is_named(tmp_path: Path) -> None:
    (tmp_path / "2025-star-ratings-data-tables.zip").write_bytes(b"PK")
    with pytest.raises(published.PublishedError, match=r"unpack or save as CSV first: 2025-star-ratings-data-tables"):
        published.tables(tmp_path, made.YEAR)


def test_october_and_december_in_one_folder_are_refused(tmp_path: Path, plain: Path) -> None:
    reshape(plain, plain, name="{} (Dec 2 2024).csv")
    with pytest.raises(published.PublishedError, match="is the same table; give one release a folder"):
        published.tables(plain, made.YEAR)


def test_shares_of_one_where_cms_publishes_percent_are_refused(tmp_path: Path, plain: Path) -> None:
    def unformatted(rows: Rows) -> Rows:
        if "Data View" not in rows[0][0]:
            return rows
        return [[re.sub(r"^(\d+)%$", lambda found: str(int(found[1]) / 100), cell) for cell in row] for row in rows]

    other = reshape(plain, tmp_path / "other", unformatted)
    with pytest.raises(published.PublishedError, match=r"C01: scores of 0 to 1, such as 0\.73, where CMS publishes"):
        verification.read_release(other, made.YEAR)


@pytest.mark.published
def test_a_whole_year_in_other_shapes_gives_the_same_counts(tmp_path: Path) -> None:
    """Every change at once, in a folder below the one that is named, without cut points, CAI and domain tables."""
    below = tmp_path / "2026 tables"
    for kind in ("measure_stars", "measure_data", "summary_ratings"):
        (tmp_path / "given").mkdir(exist_ok=True)
        (tmp_path / "given" / f"{kind}.csv").write_bytes((SHARED / f"cms/2026/published/{kind}.csv").read_bytes())

    def everything(rows: Rows) -> Rows:
        for change in (shouted, wide, turned, lower_case_numbers, hard_blanks, without_percent_signs, noted):
            rows = change(rows)
        return rows

    reshape(tmp_path / "given", below, everything, encoding="utf-16", cut=";")
    for path in (tmp_path / "given").iterdir():
        path.unlink()
    found = verification.verify(verification.read_release(tmp_path, 2026), None)
    assert [found.ratings[part].matched for part in Part] == [524, 613, 516]
    assert (found.direct, found.explained["disaster"], found.unexplained) == (16_778, 236, 0)
