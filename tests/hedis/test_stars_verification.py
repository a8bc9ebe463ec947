"""`verify_stars` on hand-made tables: what matches, what a rule explains, what nothing explains, and bad tables."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hedis.stars import published, verification
from tests.hedis import star_tables as made

YEAR = made.YEAR


def verified(folder: Path, *options: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("verify_stars", str(folder), "--year", str(YEAR), "--json", *options, stdout=out, stderr=io.StringIO())
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def refused(folder: Path, *options: str, year: int = YEAR) -> tuple[str, int, dict[str, Any]]:
    """The message, exit code and JSON of a refusal."""
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command("verify_stars", str(folder), "--year", str(year), "--json", *options, stdout=out,
                     stderr=io.StringIO())  # fmt: skip
    return str(error.value), error.value.returncode, json.loads(out.getvalue() or "{}")


def changed(table: list[list[str]], old: str, new: str) -> list[list[str]]:
    """The table with the first cell that is `old` set to `new`."""
    for row in table:
        for index, cell in enumerate(row):
            if cell == old:
                row[index] = new
                return table
    raise AssertionError(f"no cell {old!r}")


def star_rows(**cells: str) -> list[list[str]]:
    """The star table with other cells for H1111."""
    stars = {number: made.stars(number) for number in made.ABOUT}
    stars["H1111"] |= cells
    return made.measure_table("Star View", YEAR, stars)


def score_rows(**cells: str) -> list[list[str]]:
    """The data table with other cells for H1111."""
    scores = {number: made.scores(number) for number in made.ABOUT}
    scores["H1111"] |= cells
    return made.measure_table("Data View", YEAR, scores)


def test_the_answer_has_the_promised_shape(tmp_path: Path) -> None:
    folder, prior = made.folder(tmp_path / "now"), made.prior_folder(tmp_path / "before")
    where = tmp_path / "differences.csv"
    assert verified(folder, "--prior", str(prior), "--differences", str(where)) == {
        "year": 2025,
        "ratings": {
            "part_c": {"published": 2, "matched": 2},
            "part_d": {"published": 2, "matched": 2},
            "overall": {"published": 1, "matched": 1},
        },
        "measure_stars": {"total": 61, "direct": 60, "explained": {"disaster": 1}, "unexplained": 0},
        "cahps": {"total": 18, "allowed": 18},
        "domain_stars": {"total": 9, "matched": 9},
        "differences": str(where),
    }
    rows = [
        row for row in csv.DictReader(where.read_text(encoding="utf-8").splitlines()) if row["figure"] == "measure_star"
    ]
    assert rows == [
        {"figure": "measure_star", "contract": "H2222", "item": "C01", "score": "73%", "published": "4",
         "computed": "3", "explanation": "disaster"}
    ]  # fmt: skip


def test_without_domain_table_that_part_is_null(tmp_path: Path) -> None:
    assert verified(made.folder(tmp_path, domains=None))["domain_stars"] is None


def test_a_file_that_is_no_star_table_is_passed_over(tmp_path: Path) -> None:
    folder = made.folder(tmp_path / "now")
    (folder / "notes.csv").write_text('"In light of recent court decisions, CMS has recalculated"\n')
    (folder / "empty.csv").write_text("")
    assert verified(folder)["ratings"]["part_c"]["matched"] == 2


def test_differences_are_written_to_the_data_directory_unless_told_otherwise(
    tmp_path: Path, own_data_dir: Path
) -> None:
    where = verified(made.folder(tmp_path / "now"))["differences"]
    assert Path(where) == own_data_dir / "stars" / "differences_2025.csv"
    assert Path(where).is_file()


def test_an_unexplained_star_is_counted_listed_and_refused(tmp_path: Path) -> None:
    folder = made.folder(tmp_path / "now", stars=star_rows(C05="4"))
    message, code, answer = refused(folder, "--differences", str(tmp_path / "d.csv"))
    assert code == 1
    assert answer["measure_stars"] == {"total": 61, "direct": 59, "explained": {"disaster": 1}, "unexplained": 1}
    assert "1 differences nothing explains" in message
    assert "measure_star,H1111,C05,70%,4,3," in (tmp_path / "d.csv").read_text()


@pytest.mark.parametrize(
    ("table", "change", "part"),
    [
        pytest.param("stars", {"C03": "5"}, ("cahps", "allowed", 17), id="a CAHPS star no rule allows"),
        pytest.param("summary", ("3.5", "4"), ("ratings.part_c", "matched", 1), id="a rating"),
        pytest.param("domains", ("4", "5"), ("domain_stars", "matched", 8), id="a domain star"),
    ],
)
def test_every_kind_of_figure_is_compared(tmp_path: Path, table: str, change: Any, part: tuple[str, str, int]) -> None:
    tables = {
        "stars": lambda: star_rows(**change),
        "summary": lambda: changed(made.summary_table({"H1111": ("3.5", "3.5", "3.5"), "H2222": (
            "3.5", "Not Applicable", "Not Applicable"), "S3333": ("Not Applicable", "2.5", "Not Applicable")}),
            *change),
        "domains": lambda: changed(
            made.domain_table({"H1111": ["3", "3", "3", "3", "4", "4", "3", "4", "3"]}), *change),
    }  # fmt: skip
    _, code, answer = refused(made.folder(tmp_path / "now", **{table: tables[table]()}))
    for name in part[0].split("."):
        answer = answer[name]
    assert (code, answer[part[1]]) == (1, part[2])


@pytest.mark.parametrize("before", ["4", "5"])
def test_a_reversion_needs_last_years_star(tmp_path: Path, before: str) -> None:
    release = verification.read_release(made.folder(tmp_path / "now"), YEAR)
    prior = verification.read_prior(made.prior_folder(tmp_path / "before", before), YEAR)
    assert verification.verify(release, prior).unexplained == (0 if before == "4" else 1)


def test_measures_of_an_unknown_year_before_are_found_by_name() -> None:
    ours = verification.years.star_year(2024).measures
    heads = {"C02": "Breast  Cancer – Screening", "D03": "Members Choosing to Leave the Plan", "C09": "Gone since"}
    assert verification.same_measures(heads, ours, 2023) == {"C02": "C01", "D03": "D03"}


def test_the_puerto_rico_rule_is_read_from_the_tables(tmp_path: Path) -> None:
    cai = [["H1111", "Alpha", "ALPHA", "Alpha Group", "Yes", "3", "2", "N/A", "4"]]
    release = verification.read_release(made.folder(tmp_path, cai=made.cai_table(cai)), YEAR)
    assert verification.engine_contract(release, release.contracts["H1111"]).puerto_rico_only


def test_own_cut_points_stand_in_and_published_ones_go_before(tmp_path: Path) -> None:
    cuts = [
        ["2025 Part C Performance Metrics Threshold for Star Assignments"],
        ["Number of Stars Displayed on the Plan Finder Tool", "HD1"],
        ["", "C01: Breast Cancer Screening", "C15: Plan All-Cause Readmissions", "C28: Appeals"],
        ["", "time frame", "time frame", "time frame"],
        ["1star ", "< 50 % ", "> 12 % ", "< 70 % "],
        ["2star ", ">= 50 % to < 60 % ", "> 10 % to <= 12 % ", ">= 70 % to < 80 % "],
        ["3star ", ">= 60 % to < 65 % ", "> 9 % to <= 10 % ", "Not Applicable "],
        ["4star ", ">= 65 % to < 90 % ", "> 7 % to <= 9 % ", ">= 80 % to < 100 % "],
        ["5star ", ">= 90 % ", "<= 7 % ", "100%"],
    ]
    folder = made.folder(tmp_path, part_c_cuts=cuts)
    read = verification.read_release(folder, YEAR).year.cut_points
    assert [str(cut) for cut in read["C01", "MA"]] == ["50", "60", "65", "90"]
    assert [str(cut) for cut in read["C15", "MA"]] == ["12", "10", "9", "7"]
    assert [str(cut) for cut in read["C28", "MA"]] == ["70", "80", "80", "100"]
    assert read["C02", "MA"] == verification.years.star_year(YEAR).cut_points["C02", "MA"]


def wrong_heads() -> list[list[str]]:
    return changed(star_rows(), "C02: Colorectal Cancer Screening", "C77: Colorectal Cancer Screening")


def missing_column() -> list[list[str]]:
    return changed(star_rows(), "C02: Colorectal Cancer Screening", "")


def empty_contract() -> list[list[str]]:
    table = star_rows()
    table[4][5:] = [""] * len(table[4][5:])
    return table


def twice() -> list[list[str]]:
    table = star_rows()
    return [*table, table[4]]


def no_such_contract() -> list[list[str]]:
    return changed(star_rows(), "H1111 ", "H11 ")


def another_contract() -> list[list[str]]:
    return changed(star_rows(), "H1111 ", "H9999 ")


def another_year() -> list[list[str]]:
    table = star_rows()
    table[0][0] = "2024 Star View: Medicare Report Card Master Table"
    return table


BAD_TABLES = [
    pytest.param("stars", another_year, "0.csv, row 1, title: a table of 2024, not of 2025", id="another year"),
    pytest.param("stars", wrong_heads, "0.csv, row 3, C77: Star year 2025 has no such measure", id="unknown measure"),
    pytest.param("stars", missing_column, "0.csv, row 3, C02: the column is missing", id="missing measure"),
    pytest.param("stars", empty_contract, "0.csv, row 5, H1111: the contract is empty", id="empty contract"),
    pytest.param("stars", twice, "0.csv, row 8, Contract Number: H1111 is there twice", id="contract twice"),
    pytest.param("stars", no_such_contract, "0.csv, row 5, Contract Number: 'H11' is not", id="bad number"),
    pytest.param("stars", another_contract, "0.csv, row 5, H9999: the contract is missing in", id="missing row"),
    pytest.param("stars", lambda: star_rows(C04="6"), "0.csv, row 5, H1111 C04: 6 is not a star", id="six stars"),
    pytest.param("stars", lambda: star_rows(C04="2.5"), "H1111 C04: 2.5 is not a star of 1 to 5", id="half a star"),
    pytest.param("scores", lambda: score_rows(C01="101%"), "1.csv, row 5, H1111 C01: C01 Breast Cancer Screening: "
                 "score 101 is outside 0 to 100", id="rate above 100"),
    pytest.param("scores", lambda: score_rows(C01="7O%"), "1.csv, row 5, C01: '7O%' is neither", id="letter O"),
    pytest.param("scores", lambda: None, "the table titled 'Data View' is missing", id="missing table"),
    pytest.param("summary", lambda: changed(made.summary_table({"H1111": ("3", "3", "3")}), "SNP", "Snips"),
                 "2.csv, row 2, SNP: the column is missing", id="missing column"),
    pytest.param("summary", lambda: made.summary_table({"H1111": ("3.2", "3", "3")}),
                 "2.csv, row 3, part_c: 3.2 is not a rating in half stars", id="rating off the grid"),
    pytest.param("summary", lambda: made.summary_table({"H1111": ("3", "3", "3")}, ("3", "140")),
                 "2.csv, row 3, 2023 Disaster %: 140 is not a percentage", id="share above 100"),
    pytest.param("summary", lambda: made.summary_table({"H1111": ("", "", "")}),
                 "2.csv, row 3, H1111: the contract is empty", id="summary without ratings"),
    pytest.param("cai", lambda: made.cai_table([["H1111", "A", "A", "A", "Maybe", "1", "1", "N/A", "1"]]),
                 "3.csv, row 3, Puerto Rico Only: 'Maybe' is neither Yes nor No", id="neither yes nor no"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "make", "message"), BAD_TABLES)
def test_a_bad_table_is_named_with_row_and_field(tmp_path: Path, table: str, make: Any, message: str) -> None:
    said, code, answer = refused(made.folder(tmp_path / "now", **{table: make()}))
    assert message in said
    assert (code, answer) == (1, {"error": said})


def test_a_bad_band_of_cut_points_is_named(tmp_path: Path) -> None:
    cuts = [
        ["2025 Part D Performance Metrics Threshold for Star Assignments"],
        ["Org Type", "Number of Stars Displayed on the Plan Finder Tool"],
        ["", "", "D01: Call Center"],
        ["MA-PD", "5star", "about 7"],
    ]
    said, code, _ = refused(made.folder(tmp_path / "now", part_d_cuts=cuts))
    assert "row 4, D01: 'about 7' is not a band of scores" in said
    assert code == 1


def test_cut_points_that_do_not_rise_are_refused(tmp_path: Path) -> None:
    cuts = [
        ["2025 Part C Performance Metrics Threshold for Star Assignments"],
        ["", "C01: Breast Cancer Screening"],
        *([f"{star}star", f">= {cut} %"] for star, cut in ((2, 50), (3, 40), (4, 60), (5, 70))),
    ]
    said, _, _ = refused(made.folder(tmp_path / "now", part_c_cuts=cuts))
    assert "C01 MA: cut points 50, 40, 60, 70 do not rise" in said


def test_two_releases_in_one_folder_are_refused(tmp_path: Path) -> None:
    folder = made.folder(tmp_path / "now")
    made.write(folder / "z.csv", star_rows())
    said, _, _ = refused(folder)
    assert "z.csv, row 1, title: 0.csv is the same table" in said


def test_wrong_use_is_told_apart_from_bad_data(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere")[1] == 2
    folder = made.folder(tmp_path / "now")
    (tmp_path / "none").mkdir()
    assert "no CSV file has the title of a Star Ratings table" in refused(tmp_path / "none")[0]
    assert refused(folder, "--prior", str(tmp_path / "nowhere"))[1] == 2


def test_a_year_without_reference_data_is_wrong_use(tmp_path: Path) -> None:
    made.write(tmp_path / "a.csv", [["2019 Star View: Medicare Report Card Master Table"]])
    said, code, _ = refused(tmp_path, year=2019)
    assert code == 2
    assert "no reference data for Star year 2019; there is 2024, 2025, 2026, 2027" in said


def test_people_read_sentences(tmp_path: Path) -> None:
    out = io.StringIO()
    call_command("verify_stars", str(made.folder(tmp_path / "now")), "--year", str(YEAR), stdout=out)
    assert "Part C: 2 of 2 ratings matched" in out.getvalue()
    assert "Measure stars: 60 of 61 by cut points, 1 by disaster, 0 unexplained" in out.getvalue()


def test_a_note_below_the_table_and_blank_rows_are_passed_over(tmp_path: Path) -> None:
    table = [*star_rows(), [""], ["Note: CMS may correct these figures"]]
    made.write(tmp_path / "stars.csv", table)
    read = published.read_table(tmp_path / "stars.csv")
    assert read is not None
    assert [number for number, _ in read.contracts()] == ["H1111", "H2222", "S3333"]
