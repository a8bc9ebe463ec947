"""Counts of a measure from how many members stand where: by contract for its rate, by month for its claim lag."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from hedis.gaps.models import ClosureMonth, Status
from hedis.measures.models import Measure
from hedis.members.models import Contract


class Tally(NamedTuple):
    """So many members of one contract who stand alike; month and lag are of their first closure, if it has any."""

    contract: str | None
    status: str
    star_eligible: bool
    service_month: int | None
    lag: int | None
    members: int


@dataclass(frozen=True)
class Counts:
    """What a run found for one measure."""

    eligible: int
    denominator: int
    excluded: int
    numerator: int

    @property
    def open(self) -> int:
        """Members of the denominator whose care is missing."""
        return self.denominator - self.numerator


def counts_of(tallies: Iterable[Tally]) -> Counts:
    """Counts of everybody in the tallies."""
    every = list(tallies)
    eligible = sum(each.members for each in every)
    excluded = sum(each.members for each in every if each.status == Status.NOT_APPLICABLE)
    numerator = sum(each.members for each in every if each.status == Status.CLOSED)
    return Counts(eligible, eligible - excluded, excluded, numerator)


def contracts_of(tallies: Iterable[Tally]) -> Mapping[str | None, Contract | None]:
    """The contracts that the tallies name, by number. One query."""
    found = Contract.objects.in_bulk({each.contract for each in tallies if each.contract}, field_name="number")
    return {None: None, **found}


def by_contract(tallies: Iterable[Tally]) -> dict[str | None, dict[str, int]]:
    """The columns of a row of counts for each contract, by number, everybody's and of the Star measure's ages."""
    parts: dict[str | None, list[Tally]] = {}
    for each in tallies:
        parts.setdefault(each.contract, []).append(each)
    found = {}
    for contract, part in sorted(parts.items(), key=lambda item: item[0] or ""):
        every, star = counts_of(part), counts_of(each for each in part if each.star_eligible)
        found[contract] = {
            "eligible": every.eligible, "excluded": every.excluded, "denominator": every.denominator,
            "numerator": every.numerator, "star_denominator": star.denominator, "star_numerator": star.numerator,
        }  # fmt: skip
    return found


def store_months(
    tallies: Iterable[Tally], measure: Measure, year: int, as_of: date, contracts: Mapping[str | None, Any]
) -> None:
    """Keep the closures by month of a measure's year, in place of older ones; later data's stay."""
    known = ClosureMonth.objects.filter(measure=measure, year=year)
    if known.filter(data_as_of__gt=as_of).exists():
        return
    known.delete()
    members: dict[tuple[str | None, int, int], int] = {}
    for each in tallies:
        if each.status == Status.CLOSED and each.star_eligible and each.service_month is not None:
            cell = (each.contract, each.service_month, each.lag or 0)
            members[cell] = members.get(cell, 0) + each.members
    ClosureMonth.objects.bulk_create(
        ClosureMonth(year=year, data_as_of=as_of, measure=measure, contract=contracts[contract], service_month=month,
                     lag=lag, members=count)
        for (contract, month, lag), count in members.items()
    )  # fmt: skip
