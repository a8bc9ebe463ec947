"""Counties' figures from a CSV file: `name, base, fee_for_service, bid, member_months, risk_score, double_county, cap`.

Pure. The same file for `import_counties`, `plan_interventions --counties` and the page.
"""

import csv
from collections.abc import Iterator
from decimal import Decimal

from interventions.money import AMOUNTS, County, ImpossibleInput

COLUMNS = ("name", *AMOUNTS, "double_county")
OPTIONAL = ("cap",)
LONGEST_NAME = 100
# Digits after the point that are kept of each amount.
PLACES = {"base": 4, "fee_for_service": 4, "bid": 4, "member_months": 2, "risk_score": 6, "cap": 4}
MOST_ERRORS = 100


class UnusableFile(Exception):
    """A file of counties that cannot be used; `errors` name file, row, county, field and reason."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def read(content: bytes, file: str) -> list[County]:
    """The counties of a file's content, every row checked. Raises UnusableFile, which names every row that is wrong."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableFile([f"{file}: not UTF-8 text, at byte {error.start}"]) from error
    errors: list[str] = []
    try:
        found = list(rows(text, file, errors))
    except csv.Error as error:
        raise UnusableFile([f"{file}: {error}"]) from error
    if not found and not errors:
        errors.append(f"{file}: names no county")
    if errors:
        raise UnusableFile(errors[:MOST_ERRORS])
    return found


def rows(text: str, file: str, errors: list[str]) -> Iterator[County]:
    """The counties row by row; what is wrong goes to `errors`. Raises UnusableFile for columns that are not these."""
    table = csv.DictReader(text.splitlines(), restkey="", restval="")
    check_columns(list(table.fieldnames or ()), file)
    seen: dict[str, int] = {}
    for row in table:
        try:
            one = county(row)
            first = seen.setdefault(one.name.casefold(), table.line_num)
            if first != table.line_num:
                raise ImpossibleInput(f"{one.name}, name: stands in row {first} already")
            yield one
        except ImpossibleInput as error:
            errors.append(f"{file}, row {table.line_num}: {error}")


def check_columns(names: list[str], file: str) -> None:
    """Raises UnusableFile for a column too few or one nobody would read: a misspelt cap would seem to bind."""
    missing = [f"the column {name} is missing" for name in COLUMNS if name not in names]
    unknown = [f"column {place}: not one of {', '.join((*COLUMNS, *OPTIONAL))}"
               for place, name in enumerate(names, start=1) if name not in (*COLUMNS, *OPTIONAL)]  # fmt: skip
    if missing or unknown:
        raise UnusableFile([f"{file}, row 1: {reason}" for reason in (*missing, *unknown)])


def county(row: dict[str, str]) -> County:
    """One row's county. Raises ImpossibleInput."""
    if "" in row:
        raise ImpossibleInput("more cells than columns")
    cells = {name: text.strip() for name, text in row.items()}
    check_name(cells["name"])
    found = County.from_text(cells)
    check_places(found)
    return found


def check_name(name: str) -> None:
    """Raises ImpossibleInput for a name that is none or no line of text."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise ImpossibleInput(f"name: not 1 to {LONGEST_NAME} printable characters")


def check_places(county: County) -> None:
    """Raises ImpossibleInput for an amount with more digits than are kept: nothing is rounded unsaid."""
    for field, places in PLACES.items():
        amount: Decimal | None = getattr(county, field)
        if amount is not None and amount != round(amount, places):
            raise ImpossibleInput(f"{county.name}, {field}: more than {places} digits after the point")
