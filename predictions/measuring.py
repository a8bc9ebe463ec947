"""How good probabilities are. Pure; every figure takes row weights, so that a resample is only other weights.

A figure that does not exist on the rows (one class only, all scores equal) raises NoEstimate with the reason; none is
made up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from predictions.calibrating import NoEstimate, logistic, probability
from predictions.tables import Floats, Integers

# With so few different scores the calibration curve is the observed share at each; else a spline with these knots.
FEW_SCORES = 10
KNOTS = (0.05, 0.35, 0.65, 0.95)  # Harrell, Regression Modeling Strategies, 2nd ed., table 2.3


@dataclass(frozen=True)
class Sample:
    """Labels 0/1 and calibrated log-odds of the same rows."""

    labels: Integers
    margins: Floats

    @cached_property
    def probabilities(self) -> Floats:
        """Predicted probability of each row."""
        return probability(self.margins)

    @cached_property
    def ranks(self) -> Integers:
        """Dense rank of each row's score, 0 the lowest; ties share one."""
        return np.unique(self.margins, return_inverse=True)[1]

    @cached_property
    def line(self) -> Floats:
        """Log-odds and 1: what a straight recalibration is fitted on."""
        return np.column_stack([self.margins, np.ones(len(self.margins))])

    @cached_property
    def curve(self) -> Floats | None:
        """Natural cubic spline of the log-odds, and 1; None where few scores or equal knots allow no curve."""
        knots = np.quantile(self.margins, KNOTS) if len(self.margins) else np.zeros(len(KNOTS))
        if self.ranks.max(initial=0) < FEW_SCORES or (np.diff(knots) < 1e-6).any():
            return None
        spread = knots[-1] - knots[0]
        cubes = np.maximum(self.margins[:, None] - knots, 0) ** 3 / spread**2
        bent = [
            cubes[:, i]
            - cubes[:, -2] * (knots[-1] - knots[i]) / (knots[-1] - knots[-2])
            + cubes[:, -1] * (knots[-2] - knots[i]) / (knots[-1] - knots[-2])
            for i in range(len(knots) - 2)
        ]
        return np.column_stack([*bent, self.line])

    def counts(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weight of events and of non-events at each different score, lowest first. NoEstimate with one class only."""
        size = int(self.ranks.max(initial=0)) + 1
        events: Floats = np.bincount(self.ranks, weights * self.labels, size).astype(np.float64)
        others: Floats = np.bincount(self.ranks, weights * (1 - self.labels), size).astype(np.float64)
        if not events.sum() or not others.sum():
            raise NoEstimate("the rows hold one class only")
        return events, others


def auc(sample: Sample, weights: Floats) -> float:
    """Chance that an event scores above a non-event, ties half: Mann and Whitney's statistic."""
    events, others = sample.counts(weights)
    if len(events) == 1:
        raise NoEstimate("all scores are equal")
    below = np.cumsum(others) - others
    return float(events @ (below + others / 2) / (events.sum() * others.sum()))


def brier(sample: Sample, weights: Floats) -> float:
    """Mean squared distance of probability and label."""
    return float(weights @ (sample.probabilities - sample.labels) ** 2 / weights.sum())


def brier_skill(sample: Sample, weights: Floats) -> float:
    """Share by which the Brier score lies below that of saying these rows' event rate to everyone."""
    rate = float(weights @ sample.labels / weights.sum())
    if rate in (0.0, 1.0):
        raise NoEstimate("the rows hold one class only")
    return 1 - brier(sample, weights) / (rate * (1 - rate))


def slope(sample: Sample, weights: Floats) -> float:
    """Of the logistic regression of the label on the log-odds: 1 is right, below 1 too extreme."""
    if sample.ranks.max(initial=0) == 0:
        raise NoEstimate("all scores are equal")
    return float(logistic(sample.line, sample.labels, weights, start=np.array([1.0, 0.0]))[0])


def intercept(sample: Sample, weights: Floats) -> float:
    """Calibration in the large: the log-odds to add to every prediction, slope held at 1. 0 is right."""
    ones = sample.line[:, 1:]
    return float(logistic(ones, sample.labels, weights, offset=sample.margins)[0])


def oe(sample: Sample, weights: Floats) -> float:
    """Events observed over events expected (the sum of the probabilities)."""
    observed = float(weights @ sample.labels)
    if observed <= 0:
        raise NoEstimate("the rows hold no event")
    return observed / float(weights @ sample.probabilities)


def ici(sample: Sample, weights: Floats) -> float:
    """Integrated calibration index: mean absolute distance of probability and calibration curve (Austin & Steyerberg
    2019). The curve is a logistic regression on a natural cubic spline of the log-odds; with few different scores
    the observed share at each."""
    if sample.curve is None:
        size = int(sample.ranks.max(initial=0)) + 1
        here = np.bincount(sample.ranks, weights, size)
        observed = np.bincount(sample.ranks, weights * sample.labels, size)
        share = np.divide(observed, here, out=np.zeros(size), where=here > 0)[sample.ranks]
    else:
        start = np.array([0.0, 0.0, 1.0, 0.0])
        share = probability(sample.curve @ logistic(sample.curve, sample.labels, weights, start=start))
    return float(weights @ np.abs(share - sample.probabilities) / weights.sum())


def part_taken(here: Floats, share: float) -> Floats:
    """Part of the rows at each different score, highest first, that is taken up to this share of all rows: 1 above the
    edge, 0 below; of a tie at the edge as many as fit."""
    room = share * here.sum() - (np.cumsum(here) - here)
    part: Floats = np.clip(np.divide(room, here, out=np.zeros(len(here)), where=here > 0), 0, 1)
    return part


def taken(sample: Sample, weights: Floats, share: float) -> tuple[float, float, float]:
    """Events caught, rows taken, all events, when the highest scores are taken up to this share of the rows; of a tie
    at the edge as many as fit, events in proportion."""
    events, others = (counts[::-1] for counts in sample.counts(weights))
    here = events + others
    part = part_taken(here, share)
    return float(events @ part), float(here @ part), float(events.sum())


def selection(sample: Sample, share: float) -> Floats:
    """Of each row the part that is taken at this capacity, 0 to 1: one edge for everybody, whatever their group."""
    here = np.bincount(sample.ranks).astype(np.float64)[::-1]
    return part_taken(here, share)[::-1][sample.ranks]


def true_positive_rate(chosen: Floats) -> Callable[[Sample, Floats], float]:
    """Share of the events that are among the rows chosen (as `selection` gives them, of the same rows)."""

    def figure(sample: Sample, weights: Floats) -> float:
        events = float(weights @ sample.labels)
        if events <= 0:
            raise NoEstimate("the rows hold no event")
        return float(weights @ (sample.labels * chosen)) / events

    return figure


def selection_rate(chosen: Floats) -> Callable[[Sample, Floats], float]:
    """Share of the rows chosen."""

    def figure(sample: Sample, weights: Floats) -> float:
        return float(weights @ chosen / weights.sum())

    return figure


def capture(share: float) -> Callable[[Sample, Floats], float]:
    """Share of all events among the highest scores, at a capacity of this share of the rows."""

    def figure(sample: Sample, weights: Floats) -> float:
        caught, _, events = taken(sample, weights, share)
        return caught / events

    return figure


def precision(share: float) -> Callable[[Sample, Floats], float]:
    """Share of events among the rows taken, at a capacity of this share of the rows."""

    def figure(sample: Sample, weights: Floats) -> float:
        caught, rows, _ = taken(sample, weights, share)
        return caught / rows

    return figure


def net_benefit(threshold: float) -> Callable[[Sample, Floats], float]:
    """True positives less false positives at the odds of the threshold, per row (Vickers & Elkin 2006)."""

    def figure(sample: Sample, weights: Floats) -> float:
        acted = weights * (sample.probabilities >= threshold)
        hits = float(acted @ sample.labels)
        return float((hits - (acted.sum() - hits) * threshold / (1 - threshold)) / weights.sum())

    return figure


def net_benefit_of_all(threshold: float) -> Callable[[Sample, Floats], float]:
    """The net benefit of acting for everyone; of acting for nobody it is 0."""

    def figure(sample: Sample, weights: Floats) -> float:
        rate = float(weights @ sample.labels / weights.sum())
        return rate - (1 - rate) * threshold / (1 - threshold)

    return figure


FIGURES: dict[str, Callable[[Sample, Floats], float]] = {
    "auc": auc, "brier": brier, "brier_skill": brier_skill, "slope": slope, "intercept": intercept, "oe": oe,
    "ici": ici,
}  # fmt: skip
