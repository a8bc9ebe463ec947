"""What an action adds: the difference between those it was offered to and those kept from it by lot.

Uplift is how many more gaps in one close, -1 to 1. It is never risk: who is most likely to stay open is not therefore
the one whom a call helps most, so an effect differs between people only where that was measured.
Rules: product notes §2.3; Agresti & Caffo 2000 (variance of a difference of shares that holds for few events);
DerSimonian & Laird 1986 (variance between effects); shrinkage as in Efron & Morris 1975.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# With fewer in an arm the difference says nothing a prior does not say better.
FEWEST = 30
# Effects of one action on two measures are never quite the same, however alike few of them look.
LEAST_BETWEEN = 0.005


class NoEffect(Exception):
    """The arms cannot tell an effect; the message says why."""


@dataclass(frozen=True)
class Arms:
    """One lot: how many were offered the action or kept from it, and how many of each have closed."""

    treated: int
    treated_closed: int
    held_out: int
    held_out_closed: int

    def __post_init__(self) -> None:
        if not (0 <= self.treated_closed <= self.treated and 0 <= self.held_out_closed <= self.held_out):
            raise ValueError(f"more closed than there are: {self}")


@dataclass(frozen=True)
class Effect:
    """Uplift with its standard error, and from how many people."""

    uplift: float
    standard_error: float
    treated: int = 0
    held_out: int = 0

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, normal."""
        return self.uplift - 1.96 * self.standard_error, self.uplift + 1.96 * self.standard_error


def difference(lots: Sequence[Arms]) -> Effect:
    """The effect over several lots (campaigns), each compared within itself, weighed by its people.

    Raises NoEffect where an arm of all lots together is under `FEWEST`; a lot with an empty arm compares nothing and
    is left out.
    """
    compared = [lot for lot in lots if lot.treated and lot.held_out]
    treated, held_out = sum(lot.treated for lot in compared), sum(lot.held_out for lot in compared)
    if min(treated, held_out) < FEWEST:
        raise NoEffect(f"{treated} treated and {held_out} held out; at least {FEWEST} of each are needed")
    uplift = variance = 0.0
    for lot in compared:
        weight = (lot.treated + lot.held_out) / (treated + held_out)
        uplift += weight * (lot.treated_closed / lot.treated - lot.held_out_closed / lot.held_out)
        variance += weight**2 * (spread(lot.treated_closed, lot.treated) + spread(lot.held_out_closed, lot.held_out))
    return Effect(uplift, math.sqrt(variance), treated, held_out)


def spread(closed: int, people: int) -> float:
    """Variance of a share, with one success and one failure added so that none of few is not certainty."""
    share = (closed + 1) / (people + 2)
    return share * (1 - share) / (people + 2)


def shrunk(own: Sequence[Effect], toward: Effect) -> list[Effect]:
    """Own effects of one action drawn to what is known of it from elsewhere, the less sure the more.

    How far effects truly differ is taken from the own ones (DerSimonian & Laird) where there are three or more, else
    from the uncertainty of `toward`.
    """
    between = toward.standard_error**2
    if len(own) >= 3:
        between = max(between_variance(own, toward.uplift), LEAST_BETWEEN**2)
    return [posterior(each, toward.uplift, between) for each in own]


def between_variance(own: Sequence[Effect], mean: float) -> float:
    """How much the effects differ beyond chance, around a known mean: 0 or more."""
    weights = [each.standard_error**-2 for each in own]
    excess = sum(w * (each.uplift - mean) ** 2 for w, each in zip(weights, own, strict=True)) - len(own)
    return max(0.0, excess / sum(weights))


def posterior(own: Effect, mean: float, between: float) -> Effect:
    """The precision-weighted mean of an effect and where it is drawn to."""
    share = between / (between + own.standard_error**2)
    uplift = share * own.uplift + (1 - share) * mean
    return Effect(uplift, math.sqrt(share) * own.standard_error, own.treated, own.held_out)


def bounded(open_probability: float, effect: Effect) -> Effect:
    """What the action adds for one gap: no more than there is to close, no less than there is to lose.

    `open_probability` is that of staying open without outreach (p0).
    """
    if not 0 <= open_probability <= 1:
        raise ValueError(f"{open_probability} is no probability")
    uplift = min(max(effect.uplift, open_probability - 1), open_probability)
    return Effect(uplift, effect.standard_error, effect.treated, effect.held_out)
