"""Closures by month of service and receipt, as the finding runs keep them, in the shape the claim lag is learnt from.

One query a contract; what a measure has no claim lag for is said in words.
"""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from hedis.engine.closing import stays_met
from hedis.engine.measure import DaysCovered
from hedis.gaps.models import ClosureMonth
from hedis.measures.definitions import DEFINITIONS
from hedis.members.models import Contract
from interventions.claim_lag import MONTHS, ClaimYear
from interventions.completing import Course

DAYS_COUNT = "No claim lag: days on medication are counted."
LAST_VALUE = "No claim lag: the last value decides."
NO_MONTHS = "No claim lag: closures of this year are not counted by month yet; the next finding run does."
NO_PAST = "No claim lag: no past year's closures are counted by month."
NO_LAG = "No claim lag: all care becomes known in its own month."


@dataclass(frozen=True)
class Claims:
    """A measure's closures by month, of past years to their end and of this one; `without`: why there are none."""

    past: Sequence[ClaimYear] = ()
    current: ClaimYear | None = None
    without: str = ""


@dataclass(frozen=True)
class Cell:
    """Members met by care of a month (0: of before the year), known so many months later; as of a day."""

    data_as_of: date
    month: int
    lag: int
    members: int


Cells = Mapping[tuple[str, int], Sequence[Cell]]


def cells_of(contract: Contract, year: int) -> Cells:
    """The contract's closures by measure and year, up to this year. One query."""
    rows = ClosureMonth.objects.filter(contract=contract, year__lte=year).order_by("year")
    found: dict[tuple[str, int], list[Cell]] = {}
    columns = ("measure__code", "year", "data_as_of", "service_month", "lag", "members")
    for code, of_year, as_of, month, lag, members in rows.values_list(*columns):
        found.setdefault((code, of_year), []).append(Cell(as_of, month, lag, members))
    return found


def months_known(day: date, year: int) -> int:
    """Months of a measurement year, and after it, that were over on the evening of a day."""
    over = day.day == monthrange(day.year, day.month)[1]
    return (day.year - year) * MONTHS + day.month - (0 if over else 1)


def claims_of(code: str, year: int, as_of: date, denominator: int, courses: Sequence[Course], cells: Cells) -> Claims:
    """A measure's claims: what is known of the running year on a day, and of past years that were read to their end."""
    definition = DEFINITIONS.get(code)
    if definition is not None and not stays_met(definition.numerator):
        return Claims(without=DAYS_COUNT if isinstance(definition.numerator, DaysCovered) else LAST_VALUE)
    known = {of_year: found for (of_code, of_year), found in cells.items() if of_code == code}
    if not any(cell.month for cell in known.get(year, ())) or months_known(as_of, year) < 1:
        return Claims(without=NO_MONTHS)
    width = 1 + max(cell.lag for found in known.values() for cell in found if cell.month)
    if width == 1:
        return Claims(without=NO_LAG)
    ends = {course.year: course.final.denominator for course in courses}
    past = [
        claim_year(of_year, found, ends[of_year], width)
        for of_year, found in known.items()
        if of_year in ends and of_year < year and is_complete(of_year, found)
    ]
    current = claim_year(year, known[year], denominator, width)
    return Claims(past, current.as_known_after(months_known(as_of, year)), "" if past else NO_PAST)


def is_complete(year: int, cells: Sequence[Cell]) -> bool:
    """Whether the data reach the year's end and care of the year is among them."""
    return months_known(cells[0].data_as_of, year) >= MONTHS and any(cell.month for cell in cells)


def claim_year(year: int, cells: Sequence[Cell], denominator: int, width: int) -> ClaimYear:
    """One year's triangle, so many lags wide. A month of receipt that was not over is not known."""
    months = months_known(cells[0].data_as_of, year)
    rows = min(max(months, 1), MONTHS)
    row, lag = np.indices((rows, width))
    triangle = np.where(row + lag < months, 0.0, np.nan)
    carried = np.zeros(max(months, 1))
    for cell in cells:
        if not cell.month and cell.lag < months:
            carried[cell.lag] += cell.members
        elif cell.month and cell.month - 1 + cell.lag < months:
            triangle[cell.month - 1, cell.lag] += cell.members
    return ClaimYear(year, triangle, denominator, carried)
