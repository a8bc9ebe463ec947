"""Rates and outreach by stratum: who is left behind, by how much, and whether within or between practices. Pure.

Strata are LIS, dual eligibility, disability, sex, age or language; an empty level means it is not known. Method and
sources: docs/equity.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from interventions.intervals import Interval, difference, wilson
from interventions.suppression import withheld

MISSING = ""


@dataclass(frozen=True)
class Stratum:
    """Members of a denominator who share a level, and how many of them are met."""

    level: str
    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if not 0 <= self.numerator <= self.denominator:
            raise ValueError(f"{self.level or 'missing'}: {self.numerator} of {self.denominator} is no rate")

    @property
    def cells(self) -> tuple[int, int]:
        """Met and unmet."""
        return self.numerator, self.denominator - self.numerator


@dataclass(frozen=True)
class StratumRate:
    """One stratum as it may be shown. Rates are shares of 1 with 95 % intervals; None where withheld or empty.

    `gap`: this rate less the reference's; `ratio`: over it; `closures`: how many more have to be met to reach it.
    """

    level: str
    numerator: int | None
    denominator: int | None
    rate: Interval | None
    gap: Interval | None
    ratio: float | None
    closures: int | None
    withheld: str


@dataclass(frozen=True)
class Stratified:
    """A measure by one characteristic. `missing`: share of members without a level, None where withheld."""

    by: str
    reference: str
    rows: tuple[StratumRate, ...]
    missing: float | None


def stratified(by: str, strata: Sequence[Stratum], reference: str) -> Stratified:
    """Rates by stratum against a reference stratum. Raises ValueError for levels given twice or no such reference."""
    levels = [stratum.level for stratum in strata]
    if len(set(levels)) != len(levels):
        raise ValueError(f"{by}: a level is given twice")
    if reference not in levels:
        raise ValueError(f"{by}: no stratum {reference!r} to compare with")
    reasons = withheld([stratum.cells for stratum in strata])
    standard = strata[levels.index(reference)]
    comparable = standard if not reasons[levels.index(reference)] and standard.denominator else None
    rows = tuple(
        row_of(stratum, comparable, reason) for stratum, reason in zip(strata, reasons, strict=True)
    )  # fmt: skip
    return Stratified(by, reference, rows, missing_share(strata, reasons))


def row_of(stratum: Stratum, reference: Stratum | None, reason: str) -> StratumRate:
    """One stratum's figures, as far as they may be shown."""
    if reason:
        return StratumRate(stratum.level, None, None, None, None, None, None, reason)
    if not stratum.denominator:
        return StratumRate(stratum.level, 0, 0, None, None, None, None, "")
    counts = (stratum.numerator, stratum.denominator)
    rate = wilson(*counts)
    if reference is None or stratum.level == reference.level:
        return StratumRate(stratum.level, *counts, rate, None, None, None, "")
    standard = wilson(reference.numerator, reference.denominator)
    return StratumRate(
        stratum.level, *counts, rate,
        gap=difference(rate, standard),
        ratio=rate.value / standard.value if standard.value else None,
        closures=closures_to_equal(stratum, reference), withheld="",
    )  # fmt: skip


def closures_to_equal(stratum: Stratum, reference: Stratum) -> int:
    """How many more members have to be met until the stratum's rate is at least the reference's. Exact."""
    wanted = Fraction(reference.numerator * stratum.denominator, reference.denominator)
    return max(ceil(wanted) - stratum.numerator, 0)


def missing_share(strata: Sequence[Stratum], reasons: Sequence[str]) -> float | None:
    """Share of members whose level is not known; None where their number is withheld or there is nobody."""
    total = sum(stratum.denominator for stratum in strata)
    unknown = [(stratum, reason) for stratum, reason in zip(strata, reasons, strict=True) if stratum.level == MISSING]
    if not total or any(reason for _, reason in unknown):
        return None
    return sum(stratum.denominator for stratum, _ in unknown) / total


@dataclass(frozen=True)
class Split:
    """A gap in two parts that add up to it exactly.

    `within`: what would be left if both groups went to the same practices; `between`: what comes of going to other
    ones. `compared`: share of the group's members whose practice also has reference members.
    """

    gap: Fraction
    within: Fraction
    between: Fraction
    compared: float


Counts = Mapping[str, tuple[int, int]]


def split_by_practice(group: Counts, reference: Counts) -> Split | None:
    """The gap (group less reference) within and between practices (Kitagawa 1955, both weights averaged).

    Numerator and denominator by practice. within = Σ mean share · difference of rates, between = Σ difference of
    shares · mean rate. Where a practice has only one of the groups there is nothing to compare inside it, so its part
    is between. None where either group is too small to be shown. Raises ValueError for counts that are no rate.
    """
    ours, theirs = total(group), total(reference)
    if not ours.denominator or not theirs.denominator or any(withheld([ours.cells, theirs.cells])):
        return None
    within = between = Fraction(0)
    compared = 0
    for practice in sorted({*group, *reference}):
        one, other = group.get(practice, (0, 0)), reference.get(practice, (0, 0))
        share, other_share = Fraction(one[1], ours.denominator), Fraction(other[1], theirs.denominator)
        rate, other_rate = rates(one, other)
        within += (share + other_share) / 2 * (rate - other_rate)
        between += (share - other_share) * (rate + other_rate) / 2
        compared += one[1] if other[1] else 0
    gap = Fraction(ours.numerator, ours.denominator) - Fraction(theirs.numerator, theirs.denominator)
    return Split(gap, within, between, compared / ours.denominator)


def total(counts: Counts) -> Stratum:
    """All practices together, each checked to be a rate."""
    parts = [Stratum(practice, *pair) for practice, pair in counts.items()]
    return Stratum("all", sum(part.numerator for part in parts), sum(part.denominator for part in parts))


def rates(one: tuple[int, int], other: tuple[int, int]) -> tuple[Fraction, Fraction]:
    """Both rates in a practice; a group that is not there is taken to fare as the other does."""
    if not one[1] or not other[1]:
        there = one if one[1] else other
        rate = Fraction(*there) if there[1] else Fraction(0)
        return rate, rate
    return Fraction(*one), Fraction(*other)


@dataclass(frozen=True)
class Outreach:
    """Members of a stratum with an open gap, and how many were offered help, reached, and closed."""

    level: str
    in_need: int
    offered: int
    reached: int
    closed: int

    def __post_init__(self) -> None:
        if not self.in_need >= self.offered >= self.reached >= self.closed >= 0:
            raise ValueError(
                f"{self.level or 'missing'}: {self.in_need} in need, {self.offered} offered, {self.reached} reached, "
                f"{self.closed} closed must not rise"
            )

    @property
    def cells(self) -> tuple[int, int, int, int]:
        """Members by the last step they came to."""
        return (
            self.in_need - self.offered,
            self.offered - self.reached,
            self.reached - self.closed,
            self.closed,
        )


@dataclass(frozen=True)
class OutreachShares:
    """Each step as a share of the one before, with intervals; None where withheld or where nobody came so far."""

    level: str
    in_need: int | None
    offered: Interval | None
    reached: Interval | None
    closed: Interval | None
    withheld: str


def outreach_shares(strata: Sequence[Outreach]) -> tuple[OutreachShares, ...]:
    """Offered of those in need, reached of those offered, closed of those reached, by stratum."""
    reasons = withheld([stratum.cells for stratum in strata])
    return tuple(shares_of(stratum, reason) for stratum, reason in zip(strata, reasons, strict=True))


def shares_of(stratum: Outreach, reason: str) -> OutreachShares:
    """One stratum's steps, as far as they may be shown."""
    if reason:
        return OutreachShares(stratum.level, None, None, None, None, reason)
    steps = [(stratum.offered, stratum.in_need), (stratum.reached, stratum.offered), (stratum.closed, stratum.reached)]
    offered, reached, closed = (wilson(count, of) if of else None for count, of in steps)
    return OutreachShares(stratum.level, stratum.in_need, offered, reached, closed, "")
