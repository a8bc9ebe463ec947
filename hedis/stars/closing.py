"""How many more gaps must close until a measure has one star more, with CMS's rounding. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil

from hedis.engine.rating_year import CutPoints


@dataclass(frozen=True)
class NextStar:
    """The next star and the members it takes. `closures`: gaps to close, or events to avoid where lower is better."""

    star: int
    cut: Decimal
    closures: int


def closures_to(
    cut: Decimal, numerator: int, denominator: int, *, precision: Decimal = Decimal(1), lower_is_better: bool = False
) -> int:
    """How many members more (or fewer, where lower is better) until the displayed rate meets a cut point.

    A percentage is rounded half up to `precision` before it meets the cut point (TN26 p. 15 and 23), so 74.5 % meets
    75: K = ceil((cut - 0.5)/100 · denominator) - numerator; a rate that falls has to end below cut + 0.5. Never below
    0. Raises ValueError for an empty denominator or a numerator outside it.
    """
    if not 0 <= numerator <= denominator or denominator == 0:
        raise ValueError(f"numerator {numerator} of denominator {denominator} is no rate")
    half = Fraction(precision) / 2
    if lower_is_better:
        # The boundary itself rounds up, away from the star, so it has to be passed: hence the one less.
        most = ceil((Fraction(cut) + half) / 100 * denominator) - 1
        return max(numerator - most, 0)
    return max(ceil((Fraction(cut) - half) / 100 * denominator) - numerator, 0)


def next_star(
    numerator: int, denominator: int, cuts: CutPoints, *, precision: Decimal = Decimal(1), lower_is_better: bool = False
) -> NextStar | None:
    """The next star of a percentage and what it takes; None at five stars. Raises ValueError as `closures_to`."""
    steps = [closures_to(cut, numerator, denominator, precision=precision, lower_is_better=lower_is_better)
             for cut in cuts]  # fmt: skip
    return next(
        (NextStar(star, cut, step) for star, cut, step in zip(range(2, 6), cuts, steps, strict=True) if step), None
    )
