"""The Health Equity Index as it would have been: a what-if that no rating of ours takes part in. Pure.

It was finalised in 2023 and removed in 2026 before its first use. National thirds are not knowable from one plan, so
they come from distributions that the caller gives. Source: `reference/hei.toml`, docs/equity.md.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).resolve().parent / "reference" / "hei.toml"


@dataclass(frozen=True)
class SubsetRate:
    """A measure among members with social risk factors: its weight, this contract's rate and all contracts' rates."""

    measure: str
    weight: int
    rate: Decimal
    published: Sequence[Decimal]
    lower_is_better: bool = False


@dataclass(frozen=True)
class Index:
    """The index from -1 to 1 and the reward, with the points of each measure; `reason` where there is no index."""

    value: Fraction | None
    points: dict[str, int]
    reward: Decimal
    reason: str = ""


@cache
def rules() -> dict[str, Any]:
    """The rules as data."""
    return tomllib.loads(REFERENCE.read_text(encoding="utf-8"))


def third_of(value: Decimal | Fraction, others: Sequence[Decimal] | Sequence[Fraction]) -> int:
    """0 for the top third of a distribution, 1 for the middle, 2 for the bottom; a tie counts as the better place.

    Raises ValueError for fewer than three others: thirds of fewer mean nothing.
    """
    if len(others) < 3:
        raise ValueError(f"{len(others)} contracts have no thirds")
    better = Fraction(sum(other > value for other in others), len(others))
    return 0 if better < Fraction(1, 3) else 1 if better < Fraction(2, 3) else 2


def points_of(rate: SubsetRate) -> int:
    """+1, 0 or -1 by the third of all contracts."""
    sign = -1 if rate.lower_is_better else 1
    place = third_of(sign * rate.rate, [sign * other for other in rate.published])
    names = ("points_top_third", "points_middle_third", "points_bottom_third")
    points: int = rules()[names[place]]
    return points


def index(
    rates: Sequence[SubsetRate], *, measures: int, enrollees: int, risk_share: Decimal,
    median_share: Decimal, indices: Sequence[Fraction],
) -> Index:  # fmt: skip
    """The index of a contract and the reward it would have brought.

    `rates`: the measures with enough members of the subset; `measures`: how many the rating has; `risk_share`: share
    of members with social risk factors, `median_share`: the median of all contracts, in the same unit; `indices`: all
    contracts' indices. Raises ValueError for a distribution too small for thirds.
    """
    law = rules()
    if enrollees < law["fewest_enrollees"]:
        return Index(None, {}, Decimal(0), f"fewer than {law['fewest_enrollees']} enrollees")
    if not rates or len(rates) < Fraction(law["least_measures"]) * measures:
        return Index(None, {}, Decimal(0), f"{len(rates)} of {measures} measures count, too few")
    points = {rate.measure: points_of(rate) for rate in rates}
    weight = sum(rate.weight for rate in rates)
    value = Fraction(sum(rate.weight * points[rate.measure] for rate in rates), weight)
    return Index(value, points, reward(value, indices, risk_share, median_share))


def reward(value: Fraction, indices: Sequence[Fraction], risk_share: Decimal, median_share: Decimal) -> Decimal:
    """The reward for an index above 0, whole from the median share of members at risk on, less from half of it on."""
    if value <= 0 or 2 * risk_share < median_share:
        return Decimal(0)
    tier = "reward_from_median" if risk_share >= median_share else "reward_from_half_median"
    return Decimal(rules()[tier][third_of(value, indices)])
