"""What a rating is worth: benchmark, quality bonus and rebate of a contract, county by county. Pure; exact decimals.

Per member and month a county pays min(bid, benchmark) + rebate share · (benchmark - bid), times the risk score. A
rating moves the benchmark (bonus from four stars on) and the rebate share. Sources and a worked example: docs/money.md.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).resolve().parent / "reference"
CENT = Decimal("0.01")
HUNDRED = Decimal(100)
# Beyond this a risk score or a monthly amount is a slip of the pen, such as dollars for thousands.
HIGHEST_RISK_SCORE = Decimal(10)
HIGHEST_MONTHLY = Decimal(20_000)
HIGHEST_MONTHS = Decimal(10) ** 9


class Unrated(StrEnum):
    """Why a contract is paid without a rating of its own."""

    NEW = "new"
    LOW_ENROLMENT = "low_enrolment"


Rated = Decimal | Unrated


class ImpossibleInput(ValueError):
    """A figure that cannot be: names county, field and reason."""


@dataclass(frozen=True)
class PaymentRules:
    """The rules of a payment year. Shares are of 1; bonuses are percentage points of fee-for-service cost.

    `discount_rate` is no law but this house's starting value, of 1 a year; `discount_reason` says so for people.
    """

    rebate: tuple[tuple[Decimal, Decimal], ...]
    bonus: Decimal
    bonus_from: Decimal
    double_county_factor: Decimal
    unrated: Mapping[Unrated, tuple[Decimal, Decimal]]
    years_to_payment: int
    discount_rate: Decimal
    discount_reason: str

    def rebate_share(self, rating: Rated) -> Decimal:
        """The share of benchmark less bid that the plan keeps."""
        star = self.unrated[rating][1] if isinstance(rating, Unrated) else rating
        return max(share for lowest, share in self.rebate if star >= lowest)

    def bonus_points(self, rating: Rated, *, double_county: bool) -> Decimal:
        """Percentage points of fee-for-service cost added to the benchmark. Never negative."""
        if isinstance(rating, Unrated):
            points = self.unrated[rating][0]
        else:
            points = self.bonus if rating >= self.bonus_from else Decimal(0)
        return points * (self.double_county_factor if double_county else 1)


@cache
def payment_rules(payment_year: int) -> PaymentRules:
    """The rules in force in a payment year. Raises LookupError before the first year the file knows."""
    tables = tomllib.loads((REFERENCE / "payment.toml").read_text(encoding="utf-8"))
    begun = [int(first) for first in tables if int(first) <= payment_year]
    if not begun:
        raise LookupError(f"payment.toml has no rules for payment year {payment_year}")
    return rules_of(tables[str(max(begun))])


def rules_of(table: Mapping[str, Any]) -> PaymentRules:
    """One table of the file."""
    return PaymentRules(
        rebate=tuple((Decimal(step["from"]), Decimal(step["share"])) for step in table["rebate"]),
        bonus=Decimal(table["bonus"]),
        bonus_from=Decimal(table["bonus_from"]),
        double_county_factor=Decimal(table["double_county_factor"]),
        unrated={
            kind: (Decimal(table["unrated"][kind]["bonus"]), Decimal(table["unrated"][kind]["rebate_as"]))
            for kind in Unrated
        },
        years_to_payment=table["star_years_after_measurement"] + table["payment_years_after_star_year"],
        discount_rate=Decimal(table["discount_rate"]),
        discount_reason=table["discount_reason"],
    )


@dataclass(frozen=True)
class County:
    """What a contract expects of one county in the payment year.

    `base`: benchmark without a quality bonus; `fee_for_service`: average cost in original Medicare; `bid`: all three
    in dollars per member and month at risk score 1. `member_months` of the year; `risk_score` of its members, after
    coding adjustment and normalisation. `cap`: the amount before the Affordable Care Act, which no benchmark exceeds;
    None where it does not bind. Raises ImpossibleInput.
    """

    name: str
    base: Decimal
    fee_for_service: Decimal
    bid: Decimal
    member_months: Decimal
    risk_score: Decimal
    double_county: bool = False
    cap: Decimal | None = None

    def __post_init__(self) -> None:
        for field in ("base", "fee_for_service", "bid"):
            self.check(field, HIGHEST_MONTHLY)
        self.check("risk_score", HIGHEST_RISK_SCORE)
        if not self.member_months.is_finite() or not 0 <= self.member_months <= HIGHEST_MONTHS:
            raise ImpossibleInput(
                f"{self.name}, member_months: {self.member_months} is not within 0 to {HIGHEST_MONTHS}"
            )
        if self.cap is not None:
            self.check("cap", HIGHEST_MONTHLY)
            if self.cap < self.base:
                raise ImpossibleInput(f"{self.name}, cap: {self.cap} is below the base of {self.base} that it caps")

    def check(self, field: str, highest: Decimal) -> None:
        """Raises ImpossibleInput for an amount that is not above 0 and at most the highest."""
        value = getattr(self, field)
        if not value.is_finite() or not 0 < value <= highest:
            raise ImpossibleInput(f"{self.name}, {field}: {value} is not above 0 and at most {highest}")

    @classmethod
    def from_text(cls, cells: Mapping[str, str]) -> "County":
        """From a row of text, such as a CSV file's. Raises ImpossibleInput naming county and field."""
        name = cells.get("name") or "county without a name"
        amounts = {field: number(name, field, cells.get(field, "")) for field in AMOUNTS}
        if cells.get("double_county", "") not in ("Y", "N"):
            raise ImpossibleInput(f"{name}, double_county: neither Y nor N")
        cap = number(name, "cap", cells["cap"]) if cells.get("cap") else None
        return cls(name, **amounts, double_county=cells["double_county"] == "Y", cap=cap)

    def benchmark(self, bonus_points: Decimal) -> Decimal:
        """Dollars per member and month at risk score 1, with so many bonus points, never above the cap."""
        raised = self.base + self.fee_for_service * bonus_points / HUNDRED
        return raised if self.cap is None else min(raised, self.cap)


NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,10})?", re.ASCII)
AMOUNTS = ("base", "fee_for_service", "bid", "member_months", "risk_score")


def number(name: str, field: str, text: str) -> Decimal:
    """A cell as an amount. What is none is not quoted: a wrong file may hold anything. Raises ImpossibleInput."""
    if not NUMBER.fullmatch(text):
        raise ImpossibleInput(f"{name}, {field}: not a plain number such as 1050.25")
    return Decimal(text)


@dataclass(frozen=True)
class Payment:
    """One county's payment in a year, in dollars. `bonus`: what of it there is because of the bonus points alone."""

    county: str
    benchmark: Decimal
    for_bid: Decimal
    rebate: Decimal
    bonus: Decimal

    @property
    def total(self) -> Decimal:
        return self.for_bid + self.rebate


def check_rating(rating: Rated) -> None:
    """Raises ImpossibleInput for a rating that is no half star from 1 to 5."""
    if isinstance(rating, Decimal) and not (rating.is_finite() and 1 <= rating <= 5 and rating * 2 % 1 == 0):
        raise ImpossibleInput(f"rating {rating} is no half star from 1 to 5")


def payment(county: County, rating: Rated, rules: PaymentRules) -> Payment:
    """What Medicare pays for a county's members in a year at a rating. Raises ImpossibleInput for no rating."""
    check_rating(rating)
    share = rules.rebate_share(rating)
    volume = county.member_months * county.risk_score
    points = rules.bonus_points(rating, double_county=county.double_county)
    benchmark, without = county.benchmark(points), county.benchmark(Decimal(0))
    paid = per_month(county.bid, benchmark, share)
    bare = per_month(county.bid, without, share)
    return Payment(
        county.name, benchmark, volume * paid[0], volume * paid[1], bonus=volume * (sum(paid) - sum(bare))
    )  # fmt: skip


def per_month(bid: Decimal, benchmark: Decimal, share: Decimal) -> tuple[Decimal, Decimal]:
    """Paid for the bid, and as rebate, per member and month. A bid above the benchmark has no rebate."""
    return min(bid, benchmark), share * max(benchmark - bid, Decimal(0))


def value(counties: Sequence[County], rating: Rated, rules: PaymentRules) -> Decimal:
    """Dollars a year of all counties at a rating."""
    return sum((payment(county, rating, rules).total for county in counties), Decimal(0))


@dataclass(frozen=True)
class Move:
    """What moving from one rating to another changes in a payment year, in dollars.

    `change` is below 0 for a move down. `by_bonus` and `by_rebate_share` add up to it. `whole_bonus`: bonus points
    times fee-for-service cost, which a calculator books that forgets that a plan bidding below the benchmark keeps
    only the rebate share of them.
    """

    before: Rated
    after: Rated
    change: Decimal
    by_bonus: Decimal
    by_rebate_share: Decimal
    whole_bonus: Decimal
    counties: Mapping[str, Decimal]


def move(counties: Sequence[County], before: Rated, after: Rated, rules: PaymentRules) -> Move:
    """The worth of moving from one rating to another. Raises ImpossibleInput; also for two counties of one name."""
    if len({county.name for county in counties}) != len(counties):
        raise ImpossibleInput("two counties have one name")
    change, bonus, whole = {}, Decimal(0), Decimal(0)
    for county in counties:
        old, new = payment(county, before, rules), payment(county, after, rules)
        change[county.name] = new.total - old.total
        bonus += new.bonus - old.bonus
        gained = rules.bonus_points(after, double_county=county.double_county) - rules.bonus_points(
            before, double_county=county.double_county
        )
        whole += county.fee_for_service * gained / HUNDRED * county.member_months * county.risk_score
    total = sum(change.values(), Decimal(0))
    return Move(before, after, total, bonus, total - bonus, whole, change)


def expected_value(counties: Sequence[County], chances: Mapping[Decimal, float], rules: PaymentRules) -> Decimal:
    """Dollars a year over the chances of each rating. Raises ImpossibleInput where they do not sum to 1."""
    if abs(sum(chances.values()) - 1) > 1e-6 or min(chances.values()) < 0:
        raise ImpossibleInput(f"chances of the ratings sum to {sum(chances.values()):.6f}, not 1")
    return sum((Decimal(chance) * value(counties, star, rules) for star, chance in chances.items()), Decimal(0))


def payment_year(measurement_year: int, rules: PaymentRules) -> int:
    """The year in which the care of a measurement year pays."""
    return measurement_year + rules.years_to_payment


def paying(measurement_year: int) -> tuple[int, PaymentRules]:
    """The year in which the care of a measurement year pays, and its rules. Raises LookupError before the first."""
    year = payment_year(measurement_year, payment_rules(measurement_year))
    return year, payment_rules(year)


def present_value(amount: Decimal, rate: Decimal, years: int) -> Decimal:
    """Worth today of an amount so many years ahead at a yearly rate (0.08 for 8 %). Raises ImpossibleInput."""
    if not rate.is_finite() or not 0 <= rate < 1:
        raise ImpossibleInput(f"discount rate {rate} is not within 0 to 1")
    if years < 0:
        raise ImpossibleInput(f"{years} years ahead")
    return amount / (1 + rate) ** years


def cents(amount: Decimal) -> Decimal:
    """Rounded to the cent, half up: the last step, never one in between."""
    return amount.quantize(CENT, ROUND_HALF_UP)
