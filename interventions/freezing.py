"""What a snapshot keeps of the outlook: each contract's and each measure's expected year's end, and what it pays.

Figures are rounded, so that the same projection computed again is the same snapshot.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from interventions import outlook, valuing
from interventions.money import cents
from interventions.outlook import Outlook
from interventions.valuing import Money

PLACES = 3
DOLLARS_TODAY, DOLLARS_EXPECTED, DOLLARS_STEP = (
    "dollars a year at today's rating", "dollars a year, expected", "dollars a year, next half star more",
)  # fmt: skip
EXPECTED, TOGETHER, NO_OUTLOOK = "expected stars", "expected, erring together", "no outlook"


def projected_stars(year: int, as_of: date) -> list[dict[str, Any]]:
    """Expected stars of each contract and the chance of each rating; without an outlook or a rating, why."""
    every = outlook.of_contracts(list(outlook.stamped(year)), year)
    likely = {
        star for one in every if isinstance(one, Outlook) for star, chance in one.independent.items()
        if round(chance, PLACES)
    }  # fmt: skip
    return [row for found in every for row in of_contract(found, sorted(likely))]


def of_contract(found: Outlook | outlook.Missing, likely: list[Decimal]) -> Iterator[dict[str, Any]]:
    """What is kept of one contract. Chances are where the measures err apart, of every rating some contract may get."""
    why = found.not_rated if isinstance(found, Outlook) else found.why
    if why:
        yield row(found.contract, NO_OUTLOOK, value=why)
    if not isinstance(found, Outlook):
        return
    for name, stars in ((EXPECTED, found.expected), (TOGETHER, found.expected_shared)):
        if stars is not None:
            yield row(found.contract, name, value=round(stars, PLACES))
    for star in likely if found.independent else []:
        yield row(found.contract, f"chance of {star:.1f}", value=round(found.independent.get(star, 0.0), PLACES))


def projected_measures(year: int, as_of: date) -> list[dict[str, Any]]:
    """Each measure's rate at year's end in percent with its 80 % interval, and its expected stars."""
    return [
        row(found.contract, one.code, name, value=round(value, 2))
        for found in outlook.of_contracts(list(outlook.stamped(year)), year)
        if isinstance(found, Outlook)
        for one in found.measures
        for name, value in (
            ("rate", one.rate), ("low", one.low), ("high", one.high), ("expected stars", one.expected_stars),
        )
    ]  # fmt: skip


def value(year: int, as_of: date) -> list[dict[str, Any]]:
    """Dollars a year that each contract's rating pays, today's and expected, and what half a star more would; none of a
    contract without county figures."""
    return [
        row(found.contract, name, value=float(cents(dollars)))
        for found in valuing.of_contracts(list(outlook.stamped(year)), year)
        if isinstance(found, Money)
        for name, dollars in (
            (DOLLARS_TODAY, found.today), (DOLLARS_EXPECTED, found.expected),
            (DOLLARS_STEP, found.next_step.moved.change if found.next_step else None),
        )
        if dollars is not None
    ]  # fmt: skip


def row(*key: str, value: Any) -> dict[str, Any]:
    return {"key": list(key), "value": value}
