"""From a divided table to a model: choose, calibrate, fit on all training rows, export. Test rows are never touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from predictions import baseline, encoding, exporting, fitting, measuring
from predictions.calibrating import NoEstimate, covariance, log_odds, probability, sigmoid
from predictions.fitting import Choice
from predictions.measuring import Sample
from predictions.model_file import Model
from predictions.tables import IDENTIFIER_SHARE, Column, Floats, Integers, Kind, Table, TableError

# With fewer events or non-events no honest model can be chosen, let alone calibrated.
FEWEST_EVENTS = 20
# Van Calster et al. 2019 and others: about ten events for each column is where overfitting stops being the rule.
EVENTS_PER_COLUMN = 10
# The least slope of the calibration: a model that cross-validation finds worthless says almost the same to everyone.
LEAST_SLOPE = 0.01
# Published models of such outcomes reach 0.60 to 0.85.
SUSPICIOUS_AUC = 0.90
BINS = 20
# Tiers by the share of people above, of the cross-validated probabilities.
TIERS = {"high": 0.8, "medium": 0.5}


@dataclass(frozen=True)
class Learned:
    """A model, how it was chosen, which features it uses or left out and why, and what to be warned of."""

    model: Model
    choice: Choice
    used: tuple[str, ...]
    dropped: dict[str, str]
    alone: dict[str, float]
    warnings: tuple[str, ...]


@threadpool_limits.wrap(limits=1)
def learn(table: Table, train: Integers, names: Sequence[str], *, seed: int = 0, by_day: str = "") -> Learned:
    """Learn from these rows. Raises TableError for too few events, or where no feature is left.

    `by_day`: a column that names each row's score date, to tell what people looked like on each.

    One thread: the same result on any machine, and threads that fight over busy cores made a fit sixteen times slower.
    """
    check_events(table, train)
    columns = table.take(train, names)
    dropped = {name: reason for name in names if (reason := why_useless(columns[name]))}
    used = tuple(name for name in names if name not in dropped)
    if not used:
        raise TableError(f"no feature is left: {words(dropped)}", file=table.file)
    fold_of, fold_warning = fitting.fold_numbers(table, train, seed)
    check_folds(table, train, fold_of)
    labels = table.labels[train]
    choice = fitting.choose(fitting.cross_validate(table, train, used, fold_of, seed), table.groups[train])
    calibration, calibration_warning = calibrate(choice.chosen.margins, labels)
    held_out = probability(calibration[0] * choice.chosen.margins + calibration[1])
    coding = fitting.encode(choice.chosen.kind, columns, used)
    matrix = coding.matrix(columns)
    fitted = fitting.fit(choice.chosen.kind, choice.chosen.setting, coding, matrix, labels, seed)
    width = matrix.shape[1] + (len(fitted.scaling.marks) if fitted.scaling else 0)
    alone = alone_aucs({name: columns[name] for name in used}, labels)
    warnings = [
        fold_warning, calibration_warning, *leakage(alone),
        few_events(labels, matrix.shape[1]), no_gain(choice, labels),
        f"left out: {words(dropped)}." if dropped else "",
    ]  # fmt: skip
    model = Model(
        choice.chosen.kind, coding, fitted.scaling, calibration, exporting.to_onnx(fitted, width),
        {
            "thresholds": tiers(held_out), "reference": reference_of(held_out, columns, used, table, train, by_day),
            "calibration_covariance": uncertainty(choice.chosen.margins, calibration, labels, table.groups[train]),
        },
    )  # fmt: skip
    return Learned(model, choice, used, dropped, alone, tuple(filter(None, warnings)))


def reference_of(
    scores: Floats, columns: Mapping[str, Column], used: Sequence[str], table: Table, train: Integers, by_day: str
) -> dict[str, Any]:
    """What the training rows looked like, in all and on each score date where a column names it."""
    whole = baseline.reference(scores, columns, used)
    if not by_day:
        return whole
    return {**whole, "by_day": baseline.by_value(scores, columns, used, table.columns[by_day].take(train))}


def check_events(table: Table, train: Integers) -> None:
    """Refuse a training set from which nothing reliable can be learnt."""
    events = int(table.labels[train].sum())
    others = len(train) - events
    if min(events, others) < FEWEST_EVENTS:
        reason = (
            f"too few events: {events} events and {others} non-events among {len(train)} training rows; at least "
            f"{FEWEST_EVENTS} of each are needed"
        )
        raise TableError(reason, file=table.file)


def check_folds(table: Table, train: Integers, fold_of: Integers) -> None:
    """Refuse groups that hold all of one class: cross-validation over groups would have nothing to learn from."""
    labels = table.labels[train]
    for fold in np.unique(fold_of):
        inside = labels[fold_of != fold]
        if min(inside.sum(), len(inside) - inside.sum()) < 2:
            held = sorted({table.group_names[group] for group in np.unique(table.groups[train][fold_of == fold])[:5]})
            reason = f"nearly all of one class is in few groups ({', '.join(held)}): no validation over groups"
            raise TableError(reason, file=table.file)


def why_useless(column: Column) -> str:
    """Why a column cannot be learnt from, or nothing."""
    missing = column.missing()
    known = column.values[~missing]
    different = len(np.unique(known))
    if not different:
        return "no value in the training rows"
    if different == 1 and not missing.any():
        return "one value only in the training rows"
    if column.kind is Kind.CATEGORY and different > max(encoding.MOST_LEVELS, IDENTIFIER_SHARE * len(known)):
        return f"{different:,} different texts in {len(known):,} rows, like a name or an id"
    return ""


def calibrate(margins: Floats, labels: Integers) -> tuple[tuple[float, float], str]:
    """Slope and intercept from margins of rows the models did not see, and a warning where they say little."""
    try:
        slope, intercept = sigmoid(margins, labels)
    except NoEstimate as reason:
        return (1.0, 0.0), f"not calibrated: in cross-validation {reason}."
    if slope >= LEAST_SLOPE:
        return (slope, intercept), ""
    rate = log_odds(np.array([labels.mean()]))[0]
    warning = "no signal in cross-validation: everyone's probability is near the event rate of the training rows."
    return (LEAST_SLOPE, float(rate - LEAST_SLOPE * margins.mean())), warning


def uncertainty(
    margins: Floats, calibration: tuple[float, float], labels: Integers, groups: Integers
) -> list[list[float]] | None:
    """Covariance of slope and intercept, rows of a group taken together; None where there is no estimate.

    Where the slope is the least one, only the intercept was estimated.
    """
    fixed = calibration[0] == LEAST_SLOPE
    columns = np.column_stack([margins, np.ones(len(margins))])
    try:
        sigmoid(margins, labels)
        if not fixed:
            return covariance(columns, np.array(calibration), labels, groups).tolist()
        spread = covariance(columns[:, 1:], np.array(calibration[1:]), labels, groups, LEAST_SLOPE * margins)
    except NoEstimate:
        return None  # `calibrate` has warned that nothing was estimated
    return [[0.0, 0.0], [0.0, float(spread[0, 0])]]


def alone_aucs(columns: Mapping[str, Column], labels: Integers) -> dict[str, float]:
    """AUC of each feature by itself, by the training event rate of its values (numbers in bins), missing one of them.

    Finds also what predicts in no order, or only by being missing.
    """
    found = {}
    for name, column in columns.items():
        place = bins(column)
        rates = np.bincount(place, labels) / np.maximum(np.bincount(place), 1)
        try:
            found[name] = measuring.auc(Sample(labels, rates[place]), np.ones(len(labels)))
        except NoEstimate:
            continue  # every bin has the same event rate: alone the feature orders nobody
    return found


def bins(column: Column) -> Integers:
    """A number for each row: equal for equal values, or for numbers of one quantile; missing has its own.

    Few rows get few bins, and values rarer than `encoding.RAREST` share one: rates of tiny bins flatter themselves.
    """
    values = column.values.astype(float)
    values[column.missing()] = np.nan
    if column.kind is Kind.NUMBER:
        count = max(2, min(BINS, len(values) // 100))
        edges = np.unique(np.nanquantile(values, np.linspace(0, 1, count + 1)[1:-1]))
        # Both sides, so that a value which many rows share (often 0) is a bin of its own.
        place = np.searchsorted(edges, values) + np.searchsorted(edges, values, side="right")
        return np.where(np.isnan(values), 2 * len(edges) + 1, place)
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True, equal_nan=True)
    return np.where(counts[place] < encoding.RAREST, len(counts), place)


def leakage(alone: Mapping[str, float]) -> list[str]:
    """Features that nearly give the label away by themselves."""
    return [
        f"{name} alone has an AUC of {value:.2f} in the training rows: look for leakage."
        for name, value in strongest(alone).items()
        if value > SUSPICIOUS_AUC
    ]


def strongest(alone: Mapping[str, float], most: int = 5) -> dict[str, float]:
    """The features most predictive alone, the first the strongest."""
    return dict(sorted(alone.items(), key=lambda pair: (-pair[1], pair[0]))[:most])


def few_events(labels: Integers, columns: int) -> str:
    """A warning where events are few for the columns."""
    fewest = int(min(labels.sum(), len(labels) - labels.sum()))
    if fewest >= EVENTS_PER_COLUMN * columns:
        return ""
    return f"{fewest:,} events for {columns} columns: under {EVENTS_PER_COLUMN} each, expect an unstable model."


def no_gain(choice: Choice, labels: Integers) -> str:
    """A warning where the model is no better than the event rate for everyone."""
    rate = labels.mean()
    worthless = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    if choice.chosen.losses.mean() < worthless:
        return ""
    return "in cross-validation the model is no better than the event rate for everyone."


def tiers(probabilities: Floats) -> dict[str, float]:
    """Probability from which on a row is of a tier: shares of the cross-validated predictions."""
    return {name: float(np.quantile(probabilities, share)) for name, share in TIERS.items()}


def words(dropped: Mapping[str, str]) -> str:
    """Left out features in words."""
    return "; ".join(f"{name} ({reason})" for name, reason in dropped.items())


def trial_facts(choice: Choice) -> list[dict[str, Any]]:
    """What was tried, for the answer and the model card."""
    return [
        {"kind": trial.kind.value, "setting": trial.setting, "log_loss": float(trial.losses.mean())}
        for trial in choice.trials
    ]
