"""What outreach buys: incremental closures, return on investment, cost per closure by channel, break-even. Pure.

Only what would not have happened anyway counts: with the plan less the baseline, treated less held out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
import numpy.typing as npt

from interventions.intervals import LEVEL, Interval, difference, wilson

Floats = npt.NDArray[np.float64]

# A gain is shown from the tenth to the ninetieth percentile of its draws.
LOW, HIGH = 0.1, 0.9
# Sums of chances carry rounding of the last digits; below this a shortfall is none.
ROUNDING = 1e-6


class NoReturn(ValueError):
    """Figures from which no return can be told: says why."""


def incremental(with_plan: Mapping[str, float], baseline: Mapping[str, float]) -> dict[str, float]:
    """Closures by measure that the plan adds to what closes without it.

    Both are expected closures of the same members. Raises NoReturn where a measure is missing on one side, or the plan
    would close fewer than nothing done: then the two were not of the same members.
    """
    if set(with_plan) != set(baseline):
        raise NoReturn(f"{', '.join(sorted(set(with_plan) ^ set(baseline)))}: only with the plan or only without it")
    added = {measure: with_plan[measure] - baseline[measure] for measure in with_plan}
    for measure, more in added.items():
        if not isfinite(more) or baseline[measure] < 0 or more < -ROUNDING:
            raise NoReturn(
                f"{measure}: {with_plan[measure]} closures with the plan, {baseline[measure]} without it"
            )  # fmt: skip
    return {measure: max(more, 0.0) for measure, more in added.items()}


@dataclass(frozen=True)
class Return:
    """Gain and return of an outlay, in the units of the cost.

    `gain` and `ratio` (gain less cost, over cost) with the range of four outcomes in five; `pays`: chance that the
    gain covers the cost; `sampling`: standard error of the mean gain from the number of draws. `ratio` is None at no
    cost.
    """

    cost: float
    gain: Interval
    net: float
    ratio: Interval | None
    pays: float
    sampling: float


def return_on(cost: float, with_plan: Floats, baseline: Floats) -> Return:
    """Return from paired draws of the contract's value, with the plan and without it, by the same luck.

    Both in present dollars. Raises NoReturn for a negative cost, or draws that are not pairs.
    """
    if not isfinite(cost) or cost < 0:
        raise NoReturn(f"cost {cost} is below 0 or no number")
    if with_plan.shape != baseline.shape or with_plan.ndim != 1 or not len(baseline):
        raise NoReturn(f"draws {with_plan.shape} with the plan and {baseline.shape} without it are not pairs")
    gains = with_plan - baseline
    if not np.isfinite(gains).all():
        raise NoReturn("a draw is no number")
    low, high = np.quantile(gains, (LOW, HIGH))
    gain = Interval(float(gains.mean()), float(low), float(high))
    ratio = Interval(*((amount - cost) / cost for amount in (gain.value, gain.low, gain.high))) if cost else None
    sampling = float(gains.std(ddof=1)) / sqrt(len(gains)) if len(gains) > 1 else 0.0
    return Return(cost, gain, gain.value - cost, ratio, float((gains >= cost).mean()), sampling)


@dataclass(frozen=True)
class Arms:
    """One channel's gaps, their members at random: treated and held out, how many of each closed, the cost of treating.

    `clustering`: how many gaps of the same members say as much as one gap of another member, 1 where they say the same.
    """

    channel: str
    treated: int
    treated_closed: int
    held_out: int
    held_out_closed: int
    cost: float
    clustering: float = 1.0


@dataclass(frozen=True)
class ChannelReturn:
    """What a channel added. `closures` and `cost_per_closure` with intervals.

    `cost_per_closure` is None where the channel closed no more than doing nothing; its `high` is None where that
    cannot be ruled out.
    """

    channel: str
    effect: Interval
    closures: Interval
    cost_per_closure: float | None
    low: float | None
    high: float | None


def channel_return(arms: Arms, level: float = LEVEL) -> ChannelReturn:
    """Cost per incremental closure from a random hold-out.

    effect = closed share of the treated less that of the held out, with Newcombe's interval; the cost's interval is
    the effect's turned over, so an effect that may be nil has a cost without an upper end. Raises NoReturn.
    """
    if not isfinite(arms.cost) or arms.cost < 0:
        raise NoReturn(f"{arms.channel}: cost {arms.cost} is below 0 or no number")
    try:
        effect = difference(
            share(arms.treated_closed, arms.treated, arms.clustering, level),
            share(arms.held_out_closed, arms.held_out, arms.clustering, level),
        )
    except ValueError as error:
        raise NoReturn(f"{arms.channel}: {error}") from error
    ends = (effect.value, effect.low, effect.high)
    value, most, least = (per_closure(arms.cost, arms.treated * end) for end in ends)
    return ChannelReturn(
        arms.channel, effect, Interval(*(arms.treated * end for end in ends)), value,
        low=least, high=most if value is not None else None,
    )  # fmt: skip


def share(closed: int, gaps: int, clustering: float, level: float) -> Interval:
    """A share closed with the interval of as many gaps as it is worth (effective sample size)."""
    if not clustering >= 1:
        raise ValueError(f"clustering {clustering} is below 1")
    return wilson(closed / clustering, gaps / clustering, level)


def per_closure(cost: float, closures: float) -> float | None:
    """Cost of one closure; None where there are none."""
    return cost / closures if closures > 0 else None


def break_even_chance(cost: float, worth: float) -> float | None:
    """The chance of a gain of this worth at which the cost is covered; None where not even certainty covers it."""
    if cost < 0 or not worth > 0:
        return None if cost > 0 else 0.0
    return cost / worth if cost <= worth else None


def break_even_share(cost: float, gain_at: Callable[[float], float], *, steps: int = 40) -> float | None:
    """The smallest share of the planned effect (0 to 1) whose gain covers the cost, by bisection.

    `gain_at` must not fall as the share rises. None where the whole effect does not cover it.
    """
    if gain_at(0.0) >= cost:
        return 0.0
    if gain_at(1.0) < cost:
        return None
    low, high = 0.0, 1.0
    for _ in range(steps):
        middle = (low + high) / 2
        if gain_at(middle) >= cost:
            high = middle
        else:
            low = middle
    return high


@dataclass(frozen=True)
class Swing:
    """What the answer is when one input stands at either end of its range and the others at their best guess."""

    name: str
    at_low: float
    at_high: float

    @property
    def width(self) -> float:
        return abs(self.at_high - self.at_low)


def sensitivity(
    answer: Callable[[Mapping[str, float]], float],
    best: Mapping[str, float],
    ranges: Mapping[str, tuple[float, float]],
) -> Sequence[Swing]:
    """One input at a time over its range, the widest swing first. Raises NoReturn for a range without its input."""
    unknown = set(ranges) - set(best)
    if unknown:
        raise NoReturn(f"{', '.join(sorted(unknown))}: a range without a best guess")
    swings = [
        Swing(name, answer({**best, name: low}), answer({**best, name: high})) for name, (low, high) in ranges.items()
    ]
    return sorted(swings, key=lambda swing: (-swing.width, swing.name))
