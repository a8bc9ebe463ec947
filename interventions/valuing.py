"""What each rating of a contract is worth, as plain figures for pages and API. Reads only.

Payments of a year are exact; what outreach could still win is only the part of a step that is not expected anyway.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from interventions import counties, outlook
from interventions.counties import Figures
from interventions.money import Move, Payment, expected_value, move, payment, present_value, value
from interventions.outlook import Missing, Outlook

HALF_STAR = Decimal("0.5")
LOWEST = Decimal(1)
# Below three stars every rating pays the same: the rebate share begins to rise at 3.5.
SHOWN = tuple(Decimal(half) / 2 for half in range(6, 11))


@dataclass(frozen=True)
class Step:
    """Half a star more: what it changes in the year it pays, and what of that is worth today.

    `chance`: that the year ends at that rating or a better one as projected, without more outreach; `shared`: where the
    measures err together. None without a projection.
    """

    moved: Move
    present: Decimal
    chance: float | None
    shared: float | None

    @property
    def to_win(self) -> Decimal | None:
        """The most that outreach can add, in present dollars: what is expected anyway is not its own."""
        return None if self.chance is None else self.present * Decimal(1 - self.chance)

    @property
    def of_a_point(self) -> Decimal:
        """What one percentage point more of chance pays for, in present dollars."""
        return self.present / 100


@dataclass(frozen=True)
class Money:
    """A contract's rating in dollars. `values`: a year's payment at each rating; `expected` over the projected chances.

    `today`: the payment at today's rating. `falls`: the chance to end below it, apart and together; `at_risk`: what
    that costs on average, a year. All three are None where there is no rating or no projection; `why` says so.
    """

    contract: str
    name: str
    year: int
    figures: Figures
    outlook: Outlook | None
    why: str
    values: Mapping[Decimal, Decimal]
    steps: tuple[Step, ...]
    today: Decimal | None
    expected: Decimal | None
    expected_shared: Decimal | None
    falls: tuple[float, float] | None
    at_risk: Decimal | None

    @property
    def rating(self) -> Decimal | None:
        """Today's rating."""
        return self.outlook.today if self.outlook else None

    def present(self, amount: Decimal | None) -> Decimal | None:
        """An amount of the payment year, worth today."""
        if amount is None:
            return None
        return present_value(amount, self.figures.rules.discount_rate, self.figures.rules.years_to_payment)

    @property
    def next_step(self) -> Step | None:
        """The first half star above today's rating that pays more; None where no better rating does, or without one."""
        if self.rating is None:
            return None
        above = (one for lower, one in zip(SHOWN, self.steps, strict=False) if lower >= self.rating)
        return next((one for one in above if one.moved.change > 0), None)

    @property
    def lost_step(self) -> Step | None:
        """The half star below today's rating: what losing it costs."""
        if self.outlook is None or self.rating is None or self.rating <= LOWEST:
            return None
        lower = self.rating - HALF_STAR
        return step(self.figures, lower, self.rating, self.outlook.independent, self.outlook.shared)

    def payments(self, rating: Decimal) -> list[Payment]:
        """Each county's payment at a rating."""
        return [payment(county, rating, self.figures.rules) for county in self.figures.counties]


@dataclass(frozen=True)
class NoFigures:
    """A contract that no county's figures are stored of."""

    contract: str
    name: str
    year: int


def of_contracts(contracts: Sequence[Any], year: int) -> list[Money | NoFigures]:
    """The money of stamped contracts (`outlook.stamped`), in their order. Only those with figures are projected."""
    stored = counties.figures_of(contracts, year)
    paid = [contract for contract in contracts if contract.pk in stored]
    projected = {one.contract: one for one in outlook.of_contracts(paid, year)}
    return [
        valued(projected[contract.number], stored[contract.pk])
        if contract.pk in stored
        else NoFigures(contract.number, contract.name, year)
        for contract in contracts
    ]


def of_contract(number: str, year: int) -> Money | NoFigures | None:
    """The money of one contract; None where it has no counts of the year."""
    contracts = list(outlook.stamped(year).filter(number=number))
    return of_contracts(contracts, year)[0] if contracts else None


def valued(found: Outlook | Missing, figures: Figures) -> Money:
    """A contract's outlook in dollars."""
    seen = found if isinstance(found, Outlook) else None
    apart: Mapping[Decimal, float] = seen.independent if seen else {}
    together: Mapping[Decimal, float] = seen.shared if seen else {}
    rating = seen.today if seen else None
    values = at(figures, {*SHOWN, *apart, *together, *([] if rating is None else [rating])})
    expected, shared = (
        expected_value(figures.counties, odds, figures.rules) if odds else None for odds in (apart, together)
    )
    return Money(
        found.contract, found.name, found.year, figures, seen,
        found.why if isinstance(found, Missing) else found.not_rated, values,
        tuple(step(figures, lower, higher, apart, together) for lower, higher in pairwise(SHOWN)),
        values[rating] if rating is not None else None, expected, shared,
        (below(apart, rating), below(together, rating)) if rating is not None and apart else None,
        loss(apart, values, rating) if rating is not None and apart else None,
    )  # fmt: skip


def at(figures: Figures, ratings: Iterable[Decimal]) -> dict[Decimal, Decimal]:
    """A year's payment at each rating, worst first."""
    return {star: value(figures.counties, star, figures.rules) for star in sorted(ratings)}


def step(
    figures: Figures, lower: Decimal, higher: Decimal, apart: Mapping[Decimal, float], together: Mapping[Decimal, float]
) -> Step:
    """Half a star more with its chances."""
    rules = figures.rules
    moved = move(figures.counties, lower, higher, rules)
    chances = [1 - below(odds, higher) if odds else None for odds in (apart, together)]
    return Step(moved, present_value(moved.change, rules.discount_rate, rules.years_to_payment), *chances)


def below(odds: Mapping[Decimal, float], rating: Decimal) -> float:
    """The chance to end below a rating."""
    return min(sum((chance for star, chance in odds.items() if star < rating), 0.0), 1.0)


def loss(odds: Mapping[Decimal, float], values: Mapping[Decimal, Decimal], rating: Decimal) -> Decimal:
    """What ending below a rating costs on average, a year; never below 0, as a better rating never pays less."""
    return sum(
        (Decimal(chance) * (values[rating] - values[star]) for star, chance in odds.items() if star < rating),
        Decimal(0),
    )
