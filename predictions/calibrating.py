"""Logistic regression on a few columns by Newton's method: calibration, and the measuring of calibration.

Margins are log-odds throughout: 0 is a probability of one half.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# At so small a mean log loss nobody is misjudged: the classes are separated, the estimate runs to infinity.
NO_LOSS = 1e-7


class NoEstimate(Exception):
    """The figure has no value on these rows; the message says why."""


def probability(margins: Floats) -> Floats:
    """Log-odds to probability, safe at both ends."""
    shrunk = np.exp(-np.abs(margins))
    return np.where(margins >= 0, 1 / (1 + shrunk), shrunk / (1 + shrunk))


def log_odds(probabilities: Floats) -> Floats:
    """Probability to log-odds; 0 and 1 are taken as one in a billion off."""
    inside = np.clip(probabilities, 1e-9, 1 - 1e-9)
    return np.log(inside) - np.log1p(-inside)


def log_loss(margins: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    """Per row the logarithmic loss, natural logarithm."""
    return np.logaddexp(0.0, margins) - labels * margins


def logistic(
    columns: Floats,
    labels: npt.NDArray[np.int64],
    weights: Floats,
    *,
    offset: Floats | None = None,
    start: Floats | None = None,
) -> Floats:
    """Coefficients of the unpenalised weighted logistic regression of labels on the columns (rows × few).

    Raises NoEstimate where one class is absent, the columns do not vary, or they separate the classes.
    """
    events = float(weights @ labels)
    if events <= 0 or events >= weights.sum():
        raise NoEstimate("the rows hold one class only")
    beta = np.zeros(columns.shape[1]) if start is None else start.copy()
    base = np.zeros(len(labels)) if offset is None else offset
    loss = np.inf
    for _ in range(100):
        margins = columns @ beta + base
        now = float(weights @ log_loss(margins, labels))
        if now <= NO_LOSS * weights.sum():
            break
        if abs(loss - now) <= 1e-10 * now:
            return beta
        loss = now
        beta = newton_step(columns, labels, weights, base, beta, now)
    raise NoEstimate("the scores separate the classes")


def newton_step(
    columns: Floats, labels: npt.NDArray[np.int64], weights: Floats, base: Floats, beta: Floats, loss: float
) -> Floats:
    """One step down the log loss, halved until it does go down."""
    expected = probability(columns @ beta + base)
    gradient = columns.T @ (weights * (labels - expected))
    curvature = (columns * (weights * expected * (1 - expected))[:, None]).T @ columns
    if np.linalg.cond(curvature) > 1e12:
        raise NoEstimate("the scores do not vary or separate the classes")
    step = np.linalg.solve(curvature, gradient)
    for _ in range(30):
        if weights @ log_loss(columns @ (beta + step) + base, labels) <= loss + 1e-12:
            return np.asarray(beta + step)
        step = step / 2
    return beta


def sigmoid(margins: Floats, labels: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Platt's two numbers a, b: probability = sigmoid(a · margin + b). Learn it on rows not fitted on."""
    columns = np.column_stack([margins, np.ones(len(margins))])
    slope, intercept = logistic(columns, labels, np.ones(len(margins)))
    return float(slope), float(intercept)


def covariance(
    columns: Floats,
    beta: Floats,
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    offset: Floats | None = None,
) -> Floats:
    """Covariance of the coefficients of `logistic`, rows of a group taken together (Liang & Zeger 1986, the sandwich).

    Raises NoEstimate for fewer than two groups.
    """
    _, members = np.unique(groups, return_inverse=True)
    count = int(members.max(initial=-1)) + 1
    if count < 2:
        raise NoEstimate("the rows are of one group")
    expected = probability(columns @ beta + (0.0 if offset is None else offset))
    bread = np.linalg.inv((columns * (expected * (1 - expected))[:, None]).T @ columns)
    scores = columns * (labels - expected)[:, None]
    by_group = np.column_stack([np.bincount(members, score, count) for score in scores.T])
    return np.asarray(count / (count - 1) * bread @ (by_group.T @ by_group) @ bread)
