"""How many members a number of stars takes: cut points as counts, with CMS's rounding. Pure and exact."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor


def counts_for_stars(
    denominator: int, cuts: Iterable[Decimal], *, precision: Decimal = Decimal(1), lower_is_better: bool = False
) -> tuple[int, int, int, int, int]:
    """The smallest numerator that earns 1, 2, 3, 4 and 5 stars. The numerator counts the good outcome.

    A rate is rounded half up to its display before it meets a cut point (TN26 p. 15 and 23), so 74.5 % meets 75:
    K = ceil((cut - 0.5)/100 · denominator) for a whole percent. Of an inverse measure the published rate is the rest,
    and it has to end below cut + 0.5, because the boundary itself rounds up, away from the star. `denominator` + 1
    says that not even everyone would do. Raises ValueError for an empty denominator, cut points that are not four, or
    that do not rise (fall, where lower is better).
    """
    chosen = list(cuts)
    if denominator < 1:
        raise ValueError(f"denominator {denominator}: there is no rate")
    if len(chosen) != 4:
        raise ValueError(f"{len(chosen)} cut points, there are four: for 2, 3, 4 and 5 stars")
    rising = list(reversed(chosen)) if lower_is_better else chosen
    if any(later < earlier for earlier, later in pairwise(rising)):
        order = "fall" if lower_is_better else "rise"
        raise ValueError(f"cut points {', '.join(map(str, chosen))} do not {order}")
    half = Fraction(precision) / 2
    two, three, four, five = (
        needed(denominator, (100 - Fraction(cut) - half) / 100, passed=True)
        if lower_is_better
        else needed(denominator, (Fraction(cut) - half) / 100, passed=False)
        for cut in chosen
    )
    return 0, two, three, four, five


def needed(denominator: int, share: Fraction, *, passed: bool) -> int:
    """The smallest count at a share of the denominator; `passed`: above it."""
    count = floor(share * denominator) + 1 if passed else ceil(share * denominator)
    return min(max(count, 0), denominator + 1)


def star_of(numerator: float, counts: tuple[int, int, int, int, int]) -> int:
    """The stars a numerator earns."""
    return sum(numerator >= count for count in counts)
