"""How a step's worth swings when a figure behind it is off. Pure; the ranges stand in `reference/sensitivity.toml`."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

from interventions.money import (
    HIGHEST_MONTHLY,
    HIGHEST_MONTHS,
    HIGHEST_RISK_SCORE,
    REFERENCE,
    County,
    Move,
    PaymentRules,
    move,
    present_value,
)
from interventions.returns import sensitivity

DISCOUNT = "discount_rate"
HIGHEST = {"bid": HIGHEST_MONTHLY, "fee_for_service": HIGHEST_MONTHLY, "member_months": HIGHEST_MONTHS,
           "risk_score": HIGHEST_RISK_SCORE}  # fmt: skip


@dataclass(frozen=True)
class Off:
    """One figure at either end of its range, and the step's worth today there."""

    name: str
    low: str
    high: str
    at_low: float
    at_high: float


@cache
def ranges() -> Mapping[str, Mapping[str, str]]:
    """The figures and their ranges."""
    found: dict[str, dict[str, str]] = tomllib.loads((REFERENCE / "sensitivity.toml").read_text(encoding="utf-8"))
    return found


def swings(counties: Sequence[County], moved: Move, rules: PaymentRules) -> list[Off]:
    """A step's worth today with one figure at a time off, the widest swing first."""

    def worth(given: Mapping[str, float]) -> float:
        scaled = [off(county, given) for county in counties]
        change = move(scaled, moved.before, moved.after, rules).change
        return float(present_value(change, Decimal(str(given[DISCOUNT])), rules.years_to_payment))

    best = {**dict.fromkeys(HIGHEST, 1.0), DISCOUNT: float(rules.discount_rate)}
    ends = {field: (float(one["low"]), float(one["high"])) for field, one in ranges().items()}
    found = []
    for one in sensitivity(worth, best, ends):
        low, high = (in_words(one.name, end) for end in ends[one.name])
        found.append(Off(ranges()[one.name]["name"], low, high, one.at_low, one.at_high))
    return found


def off(county: County, factors: Mapping[str, float]) -> County:
    """A county with its figures times their factors, as far as a figure can go."""
    figures = {
        field: min(getattr(county, field) * Decimal(str(factors[field])), highest) for field, highest in HIGHEST.items()
    }
    return replace(county, **figures)


def in_words(field: str, end: float) -> str:
    """An end of a range: how far off, or the rate itself."""
    return f"{100 * end:.0f} %" if field == DISCOUNT else f"{100 * (end - 1):+.0f} %"
