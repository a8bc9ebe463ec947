"""Hand-made tables in the shape CMS gives them: title row, ids in row 3, time frames in row 4, blanks at the end,
cp1252, words instead of numbers. Three contracts of Star year 2025 and their stars of the year before."""

import csv
from pathlib import Path

from hedis.stars.years import star_year

YEAR = 2025
IDS = sorted(star_year(YEAR).measures)
DOMAINS = {one.domain_id: one.domain for one in star_year(YEAR).measures.values()}
NOT_REQUIRED = "Plan not required to report measure "
ABOUT = {
    "H1111": ["Local CCP ", "ALPHA HEALTH, INC. ", "Alpha – Health ", "Alpha Group "],
    "H2222": ["Local CCP ", "BETA, INC. ", "Beta ", "Beta Group "],
    "S3333": ["PDP ", "GAMMA ", "Gamma ", "Gamma Group "],
}
# One score a measure, most of them worth three or four stars.
MIDDLING = {
    "C01": "73%", "C02": "70%", "C03": "68%", "C04": "50%", "C05": "70%", "C06": "85%", "C07": "85%", "C08": "45%",
    "C09": "73%", "C10": "75%", "C11": "76%", "C12": "60%", "C13": "45%", "C14": "65%", "C15": "10%", "C16": "86%",
    "C17": "60%", "C18": "60%", "C19": "81", "C20": "83", "C21": "90", "C22": "87", "C23": "86", "C24": "86",
    "C25": "0.45", "C26": "20%", "C28": "97%", "C29": "96%", "C30": "94%", "D01": "94%", "D02": "0.45", "D03": "20%",
    "D05": "87", "D06": "90", "D07": "96", "D08": "87%", "D09": "89%", "D10": "88%", "D11": "85%", "D12": "86%",
}  # fmt: skip
STAR_ONLY = "Medicare shows only a Star Rating for this topic "


def write(path: Path, rows: list[list[str]], *, width: int = 0, encoding: str = "cp1252") -> None:
    """A CSV file whose rows are filled with blanks to the right, as CMS's are."""
    width = max(width, max(len(row) for row in rows) + 3)
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(row + [""] * (width - len(row)) for row in rows)


def measure_table(title: str, year: int, cells: dict[str, dict[str, str]]) -> list[list[str]]:
    """A contract by measure table. Cells not given are not required."""
    names = {one.id: one.name for one in star_year(year).measures.values()}
    heads = ["CONTRACT_ID", "Organization Type", "Contract Name", "Organization Marketing Name", "Parent Organization"]
    return [
        [f"{year} {title}: Medicare Report Card Master Table"],
        [*heads, "HD1: Staying Healthy: Screenings, Tests and Vaccines"],
        [""] * 5 + [f"{name}: {names[name]}" for name in sorted(names)],
        [""] * 5 + ["01/01/2023 – 12/31/2023"] * len(names),
        *([f"{number} ", *ABOUT[number], *(cells[number].get(name, NOT_REQUIRED) for name in sorted(names))]
          for number in cells),
    ]  # fmt: skip


def summary_table(ratings: dict[str, tuple[str, str, str]], shares: tuple[str, str] = ("3", "40")) -> list[list[str]]:
    """The summary table."""
    return [
        [f"{YEAR} Summary Star View: Medicare Report Card Master Table"],
        ["Contract Number", "Organization Type", "Contract Name", "Organization Marketing Name", "Parent Organization",
         "SNP", "2022 Disaster %", "2023 Disaster %", "2025 Part C Summary", "2025 Part D Summary", "2025 Overall"],
        *([f"{number} ", *ABOUT[number], "Yes ", *shares, *ratings[number]] for number in ratings),
        [""],
    ]  # fmt: skip


def cai_table(rows: list[list[str]]) -> list[list[str]]:
    """The CAI table."""
    return [
        [f"{YEAR} CAI View: Medicare Report Card Master Table"],
        ["Contract Number", "Organization Marketing Name", "Contract Name", "Parent Organization", "Puerto Rico Only",
         "Part C FAC", "Part D MA-PD FAC", "Part D PDP FAC", "Overall FAC"],
        *rows,
    ]  # fmt: skip


FOUR = ("C15", "C18", "C22", "C28", "C29", "C30", "D01", "D04", "D05", "D06", "D08")


def scores(number: str) -> dict[str, str]:
    """The data view's cells of a contract."""
    part = {"H1111": "CD", "H2222": "C", "S3333": "D"}[number]
    cells = {name: score for name, score in MIDDLING.items() if name[0] in part}
    cells |= {name: STAR_ONLY for name in ("C27", "D04") if name[0] in part}
    if number == "S3333":
        cells["D01"] = "CMS identified issues with this plan’s data "
    return cells


def stars(number: str) -> dict[str, str]:
    """The star view's cells of a contract: what the scores give, one disaster reversion, one data integrity star."""
    cells = {name: "4" if name in FOUR else "3" for name in scores(number)}
    if number == "S3333":
        return cells | {"D01": "1", "D02": "1", "D03": "2", "D07": "1", "D08": "3", "D11": "5", "D12": "4"}
    if number == "H2222":
        return cells | {"C01": "4"}
    return cells | {"D07": "1"}


def folder(path: Path, **replaced: list[list[str]] | None) -> Path:
    """A release of five tables under names of no meaning; a table given replaces ours, None leaves it out."""
    made: dict[str, list[list[str]] | None] = {
        "stars": measure_table("Star View", YEAR, {number: stars(number) for number in ABOUT}),
        "scores": measure_table("Data View", YEAR, {number: scores(number) for number in ABOUT}),
        "summary": summary_table(
            {
                "H1111": ("3.5", "3.5", "3.5"),
                "H2222": ("3.5", "Not Applicable ", "Not Applicable "),
                "S3333": ("Not Applicable ", "2.5", "Not Applicable "),
            }
        ),
        "cai": cai_table(
            [
                ["H1111 ", "Alpha ", "ALPHA ", "Alpha Group ", "No ", "3", "2", "N/A ", "4"],
                ["H2222 ", "Beta ", "BETA ", "Beta Group ", "No ", "2", "N/A ", "N/A ", "N/A "],
                ["S3333 ", "Gamma ", "GAMMA ", "Gamma Group ", "No ", "N/A ", "N/A ", "1", "N/A "],
            ]
        ),
        "domains": domain_table({"H1111": ["3", "3", "3", "3", "4", "4", "3", "4", "3"]}),
    }
    path.mkdir(parents=True, exist_ok=True)
    for index, (_, rows) in enumerate((made | replaced).items()):
        if rows is not None:
            write(path / f"{index}.csv", rows, encoding="cp1252" if index % 2 else "utf-8-sig")
    return path


def domain_table(cells: dict[str, list[str]]) -> list[list[str]]:
    """The domain table."""
    return [
        [f"{YEAR} Domain Star View: Medicare Report Card Master Table"],
        ["Contract Number", "Organization Type", "Contract Name", "Organization Marketing Name", "Parent Organization",
         *(f"{domain_id}: {DOMAINS[domain_id]}" for domain_id in ("HD1", "HD2", "HD3", "HD4", "HD5", "DD1", "DD2",
                                                                  "DD3", "DD4"))],
        *([f"{number} ", *ABOUT[number], *domain_stars] for number, domain_stars in cells.items()),
    ]  # fmt: skip


def prior_folder(path: Path, stars_before: str = "4") -> Path:
    """Last year's star table alone; the measures had the same ids."""
    path.mkdir(parents=True, exist_ok=True)
    cells = {number: {name: stars_before for name in scores(number)} for number in ABOUT}
    write(path / "last year.csv", measure_table("Star View", YEAR - 1, cells))
    return path
