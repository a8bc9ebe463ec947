"""Which forecast to believe: methods weighed by what they missed at the same time of past years. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import stdev

from interventions.completing import Trial

# Nobody forecasts a rate to better than a tenth of a point: a lucky year must not take the whole weight.
FINEST = 0.001
# Errors of few years understate what the next year may bring: Student's 0.9 quantile over the normal one, by the number
# of years from 1 to 10. It makes the 80 % interval hold with three years as with many.
NORMAL, STUDENT = 1.282, (3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372)


@dataclass(frozen=True)
class Blend:
    """One rate out of several methods' rates.

    `weights` sum to 1. `errors`: root mean squared error of each method tried, as a share of 1. `error`: of the
    blend, widened for few years, or None where nothing is known of it; `tried` says whether it comes from past years.
    """

    rate: float
    weights: Mapping[str, float]
    errors: Mapping[str, float]
    error: float | None
    tried: bool


def blend(forecasts: Mapping[str, float], trials: Sequence[Trial]) -> Blend:
    """The mean of the methods' rates, weighed by one over their mean squared error in past years.

    A method without a past is taken to miss as much as the worst of those with one, or by as much as it lies from what
    they say together, whichever is more; where none has a past all count alike, and their distance from each other
    stands for the error. The blend's error is the root of the weighed mean of squares, which it cannot exceed
    (Jensen). Raises ValueError without a forecast or with a rate outside 0 to 1.
    """
    if not forecasts:
        raise ValueError("nothing to forecast from: no past year, no chances, no claim lag")
    for method, rate in forecasts.items():
        if not 0 <= rate <= 1:
            raise ValueError(f"{method}: a rate of {rate} is not within 0 to 1")
    errors = {method: error for method in forecasts if (error := error_of(method, trials)) is not None}
    if not errors:
        rates = list(forecasts.values())
        error = stdev(rates) if len(rates) > 1 else None
        return Blend(sum(rates) / len(rates), dict.fromkeys(forecasts, 1 / len(rates)), {}, error, False)
    said = weighed({method: forecasts[method] for method in errors}, errors)
    weights = weights_of(taken := {**untried(forecasts, errors, said), **errors})
    widened = {method: taken[method] * widening(method, trials) for method in taken}
    error = sqrt(sum(weights[method] * widened[method] ** 2 for method in taken))
    return Blend(min(max(weighed(forecasts, taken), 0.0), 1.0), weights, errors, max(error, FINEST), True)


def untried(forecasts: Mapping[str, float], errors: Mapping[str, float], said: float) -> dict[str, float]:
    """What the methods without a past are taken to miss; `said`: the rate that those with one give together."""
    worst = max(errors.values())
    return {method: max(worst, abs(rate - said)) for method, rate in forecasts.items() if method not in errors}


def weights_of(errors: Mapping[str, float]) -> dict[str, float]:
    """One over the squared error, summing to 1."""
    inverse = {method: 1 / max(error, FINEST) ** 2 for method, error in errors.items()}
    return {method: part / sum(inverse.values()) for method, part in inverse.items()}


def weighed(forecasts: Mapping[str, float], errors: Mapping[str, float]) -> float:
    """The mean of the methods' rates by their errors."""
    return sum(weight * forecasts[method] for method, weight in weights_of(errors).items())


def widening(method: str, trials: Sequence[Trial]) -> float:
    """By how much the error of a method tried on few years is widened."""
    years = sum(trial.method == method for trial in trials)
    return STUDENT[years - 1] / NORMAL if 0 < years <= len(STUDENT) else 1.0


def error_of(method: str, trials: Sequence[Trial]) -> float | None:
    """Root mean squared error of a method; None where it was never tried."""
    missed = [(trial.forecast - trial.actual) ** 2 for trial in trials if trial.method == method]
    return sqrt(sum(missed) / len(missed)) if missed else None


def pinball(quantile: float, share: float, actual: float) -> float:
    """The loss of a forecast quantile (Koenker and Bassett 1978): lowest on average at the true one."""
    return (actual - quantile) * (share if actual >= quantile else share - 1)


def coverage(intervals: Sequence[tuple[float, float]], actuals: Sequence[float]) -> float:
    """Share of past outcomes that lay within their intervals. Raises ValueError where there are none."""
    if not intervals:
        raise ValueError("no intervals to judge")
    inside = [low <= actual <= high for (low, high), actual in zip(intervals, actuals, strict=True)]
    return sum(inside) / len(inside)
