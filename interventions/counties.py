"""What a contract is paid by county: entered or imported, superseded, withdrawn, never overwritten; and read.

Figures are of a payment year. Where the year that a measurement year pays in has none yet, the newest before it stand
in, and whoever shows them says so.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event
from hedis.members.models import Contract
from interventions.county_file import check_name, check_places
from interventions.models import CountyFigures
from interventions.money import AMOUNTS, County, ImpossibleInput, PaymentRules, paying, payment_rules
from interventions.simulating import Worth

LAST_YEAR = 2199
LONGEST_SOURCE = 200


class UnusableFigures(ValueError):
    """Figures that cannot be kept. `field` names what is wrong, `reason` also which county."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class NotStanding(Exception):
    """These figures were superseded or withdrawn before."""


@dataclass(frozen=True)
class Kept:
    """What keeping a file changed. `withdrawn`: counties that stood and are not in it any more."""

    read: int
    added: int
    superseded: int
    withdrawn: int
    unchanged: int


@dataclass(frozen=True)
class Figures:
    """A contract's counties for the year in which a measurement year pays.

    `of_year`: the payment year they were entered for, before `payment_year` where they stand in.
    """

    payment_year: int
    of_year: int
    rules: PaymentRules
    counties: tuple[County, ...]
    sources: tuple[str, ...]
    entered_at: datetime

    @property
    def stands_in(self) -> bool:
        """Whether they are of an earlier year than the one that pays."""
        return self.of_year < self.payment_year

    def worth(self, cost: Decimal) -> Worth:
        """What turns ratings into present dollars, for a plan of this cost."""
        return Worth(self.counties, self.rules, cost, self.rules.discount_rate)


# --- writing


@transaction.atomic
def keep(rows: Sequence[County], contract: Contract, payment_year: int, *, source: str, by: object) -> Kept:
    """Make these the contract's counties of a payment year, all or nothing: what changed supersedes, what is not among
    them is withdrawn. Raises UnusableFigures."""
    stood = locked(contract, payment_year)
    named = {one.name.casefold() for one in rows}
    gone = [row for name, row in stood.items() if name not in named]
    return store(rows, gone, stood, contract, payment_year, source=source, by=by)


@transaction.atomic
def enter(county: County, contract: Contract, payment_year: int, *, source: str, by: object) -> CountyFigures:
    """Keep one county's figures; the others of the contract stay as they are. Raises UnusableFigures."""
    store([county], [], locked(contract, payment_year), contract, payment_year, source=source, by=by)
    return CountyFigures.objects.of(contract, payment_year).standing().get(name=county.name)


@transaction.atomic
def withdraw(figures: CountyFigures, *, by: object) -> None:
    """Take a county's figures back: they stay to be read and count no more. Raises NotStanding."""
    Contract.objects.select_for_update().get(pk=figures.contract_id)
    row = CountyFigures.objects.select_related("contract").get(pk=figures.pk)
    if row.superseded_at is not None:
        raise NotStanding(f"{row} was superseded or withdrawn before.")
    CountyFigures.objects.filter(pk=row.pk).update(superseded_at=timezone.now())
    ledger.record(
        Event.Kind.CHANGE, "counties.withdrawn", object_type="interventions.countyfigures", object_id=row.pk,
        before={"contract": row.contract.number, "payment_year": row.payment_year, "county": row.name}, by=by,
    )  # fmt: skip


def locked(contract: Contract, payment_year: int) -> dict[str, CountyFigures]:
    """What stands by name, the contract locked: two at once would both add the row that stands."""
    Contract.objects.select_for_update().get(pk=contract.pk)
    return {row.name.casefold(): row for row in CountyFigures.objects.of(contract, payment_year).standing()}


def store(
    rows: Sequence[County], gone: Sequence[CountyFigures], stood: dict[str, CountyFigures], contract: Contract,
    payment_year: int, *, source: str, by: object,
) -> Kept:  # fmt: skip
    """Supersede what changed, add what is new, withdraw what is gone; one ledger line. Raises UnusableFigures."""
    source = source.strip()
    check(rows, payment_year, source)
    now, name = timezone.now(), ledger.describe(by)[0]
    before = {one.name: stood.get(one.name.casefold()) for one in rows}
    changed = [one for one in rows if not same(before[one.name], one, source)]
    old = [row for one in changed if (row := before[one.name])]
    CountyFigures.objects.filter(pk__in=[row.pk for row in (*old, *gone)]).update(superseded_at=now)
    CountyFigures.objects.bulk_create(
        CountyFigures(contract=contract, payment_year=payment_year, **asdict(one), source=source, entered_at=now,
                      entered_by=name)
        for one in changed
    )  # fmt: skip
    if changed or gone:
        ledger.record(
            Event.Kind.CHANGE, "counties.entered", object_type="interventions.countyfigures",
            object_id=f"{contract.number}:{payment_year}", row_count=len(changed) + len(gone),
            after={"source": source, "counties": {one.name: asdict(one) for one in changed},
                   "withdrawn": [row.name for row in gone]}, by=by,
        )  # fmt: skip
    return Kept(len(rows), len(changed) - len(old), len(old), len(gone), len(rows) - len(changed))


def same(row: CountyFigures | None, county: County, source: str) -> bool:
    """Whether a row says the same, from the same source."""
    return row is not None and row.source == source and row.as_county() == county


def county_of(given: Mapping[str, Any]) -> County:
    """A county from checked fields, as a form or a body has them. Raises ImpossibleInput."""
    amounts = {field: given[field] for field in AMOUNTS}
    return County(given["name"], **amounts, double_county=given["double_county"], cap=given.get("cap"))


def check(rows: Sequence[County], payment_year: int, source: str) -> None:
    """Raises UnusableFigures for what the table could not hold as it is."""
    try:
        payment_rules(payment_year)
    except LookupError as error:
        raise UnusableFigures("payment_year", str(error)) from error
    if payment_year > LAST_YEAR:
        raise UnusableFigures("payment_year", f"{payment_year} is after {LAST_YEAR}")
    if not source or len(source) > LONGEST_SOURCE or not source.isprintable():
        raise UnusableFigures(
            "source", f"say in 1 to {LONGEST_SOURCE} printable characters where the figures come from"
        )  # fmt: skip
    if not rows:
        raise UnusableFigures("name", "there is no county")
    (name, times), *_ = Counter(one.name.casefold() for one in rows).most_common(1)
    if times > 1:
        raise UnusableFigures("name", f"{name} stands there {times} times")
    for one in rows:
        try:
            check_name(one.name)
            check_places(one)
        except ImpossibleInput as error:
            raise UnusableFigures("county", str(error)) from error


# --- reading


def figures_of(contracts: Sequence[Contract], measurement_year: int) -> dict[int, Figures]:
    """The counties of contracts for the year in which a measurement year pays, by the contract's key: those that stand
    of the newest payment year up to then. Contracts without any are not in it. One query."""
    try:
        pays_in, rules = paying(measurement_year)
    except LookupError:
        return {}
    standing = CountyFigures.objects.standing().filter(contract__in=contracts, payment_year__lte=pays_in)
    by_contract: dict[int, list[CountyFigures]] = {}
    for row in standing.order_by("contract", "-payment_year", "name"):
        rows = by_contract.setdefault(row.contract_id, [row])
        if row is not rows[0] and row.payment_year == rows[0].payment_year:
            rows.append(row)
    return {key: figures(rows, pays_in, rules) for key, rows in by_contract.items()}


def figures(rows: Sequence[CountyFigures], pays_in: int, rules: PaymentRules) -> Figures:
    """Rows of one contract and payment year as the arithmetic takes them."""
    return Figures(
        pays_in, rows[0].payment_year, rules, tuple(row.as_county() for row in rows),
        tuple(dict.fromkeys(row.source for row in rows)), max(row.entered_at for row in rows),
    )  # fmt: skip


def stored(contract: Contract, measurement_year: int) -> tuple[County, ...]:
    """The contract's counties for the year in which a measurement year pays, or of the newest year before it that has
    any (`figures_of` says which); none where none are stored. One query."""
    found = figures_of([contract], measurement_year).get(contract.pk)
    return found.counties if found else ()


def worth(contract: Contract, measurement_year: int, cost: Decimal) -> Worth | None:
    """What turns the contract's ratings into present dollars, for a plan of this cost; None where no county is stored.
    One query."""
    found = figures_of([contract], measurement_year).get(contract.pk)
    return found.worth(cost) if found else None
