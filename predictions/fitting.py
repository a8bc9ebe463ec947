"""Two kinds of model, and the choice between them by what they say about groups they were not fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from predictions import encoding
from predictions.calibrating import log_loss
from predictions.encoding import Encoding, Scaling
from predictions.splitting import folds
from predictions.tables import Column, Floats, Integers, Table

FOLDS = 5


class ModelKind(StrEnum):
    """Simpler first."""

    LOGISTIC = "logistic regression"
    TREES = "gradient boosted trees"


# What is tried of each kind. Logistic: inverse strength of the ridge penalty; trees: boosting rounds.
GRID: dict[ModelKind, tuple[float, ...]] = {
    ModelKind.LOGISTIC: (0.001, 0.01, 0.1, 1.0),
    ModelKind.TREES: (25, 50, 100, 150, 200),
}


@dataclass(frozen=True)
class Fitted:
    """A fitted model with what its matrix was made by. `scaling` is None for trees: they take gaps as they are."""

    kind: ModelKind
    setting: float
    encoding: Encoding
    scaling: Scaling | None
    estimator: Any

    def margins(self, matrix: Floats) -> Floats:
        """Uncalibrated log-odds of encoded rows."""
        inputs = self.scaling(matrix) if self.scaling else matrix
        return np.asarray(self.estimator.decision_function(inputs), dtype=np.float64)


@dataclass(frozen=True)
class Trial:
    """A kind at its best setting: margins of every training row by models that never saw its group."""

    kind: ModelKind
    setting: float
    margins: Floats
    losses: Floats


@dataclass(frozen=True)
class Choice:
    """The chosen trial, all trials, and why in words."""

    chosen: Trial
    trials: tuple[Trial, ...]
    why: str


def fit(kind: ModelKind, setting: float, coding: Encoding, matrix: Floats, labels: Integers, seed: int) -> Fitted:
    """Fit one model on encoded rows."""
    if kind is ModelKind.TREES:
        return Fitted(kind, setting, coding, None, boosting(int(setting), seed).fit(matrix, labels))
    scaling = encoding.scale(matrix)
    return Fitted(kind, setting, coding, scaling, ridge(setting).fit(scaling(matrix), labels))


def encode(kind: ModelKind, columns: Mapping[str, Column], names: Sequence[str]) -> Encoding:
    """The encoding of these training rows as this kind of model wants it."""
    return encoding.learn(columns, names, single_codes=kind is ModelKind.LOGISTIC)


def boosting(rounds: int, seed: int) -> HistGradientBoostingClassifier:
    """Small trees, slowly. The library's own early stopping is off: it holds out rows, not groups."""
    return HistGradientBoostingClassifier(
        max_iter=rounds, learning_rate=0.08, max_leaf_nodes=15, min_samples_leaf=30, l2_regularization=1.0,
        early_stopping=False, random_state=seed,
    )  # fmt: skip


def ridge(strength: float) -> LogisticRegression:
    """Logistic regression with a ridge penalty. No class weights: they would destroy the calibration."""
    return LogisticRegression(C=strength, max_iter=2000)


def grid_margins(kind: ModelKind, fitting: tuple[Floats, Integers], held: Floats, seed: int) -> Floats:
    """Margins of held-out rows for every setting of the grid: settings × rows."""
    matrix, labels = fitting
    if kind is ModelKind.TREES:
        rounds = [int(setting) for setting in GRID[kind]]
        model = boosting(max(rounds), seed).fit(matrix, labels)
        stages = enumerate(model.staged_decision_function(held), start=1)
        return np.array([np.ravel(margins).copy() for round_, margins in stages if round_ in rounds])
    scaling = encoding.scale(matrix)
    scaled, held_scaled = scaling(matrix), scaling(held)
    return np.array([ridge(c).fit(scaled, labels).decision_function(held_scaled) for c in GRID[kind]])


def cross_validate(table: Table, rows: Integers, names: Sequence[str], fold_of: Integers, seed: int) -> list[Trial]:
    """Every kind on every fold. Whatever is learnt from rows (levels, fillings, spreads) is learnt in the fold."""
    labels = table.labels[rows]
    margins = {kind: np.empty((len(grid), len(rows))) for kind, grid in GRID.items()}
    for fold in np.unique(fold_of):
        inside, outside = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        columns, others = table.take(rows[inside], names), table.take(rows[outside], names)
        for kind in GRID:
            coding = encode(kind, columns, names)
            matrix, held = coding.matrix(columns), coding.matrix(others)
            margins[kind][:, outside] = grid_margins(kind, (matrix, labels[inside]), held, seed)
    return [best_of(kind, margins[kind], labels) for kind in GRID]


def best_of(kind: ModelKind, margins: Floats, labels: Integers) -> Trial:
    """The setting with the least mean log loss; the simpler of equals."""
    losses = np.array([log_loss(row, labels) for row in margins])
    best = int(np.argmin(losses.mean(axis=1)))
    return Trial(kind, GRID[kind][best], margins[best], losses[best])


def choose(trials: Sequence[Trial], groups: Integers) -> Choice:
    """The simpler model, unless the other's log loss is lower by more than one standard error of the difference.

    The error is that of the paired difference, rows of a group taken together.
    """
    simple, rich = trials
    difference = simple.losses - rich.losses
    _, members = np.unique(groups, return_inverse=True)
    by_group = np.bincount(members, difference - difference.mean())
    count = len(by_group)
    error = float(np.sqrt(count / max(count - 1, 1) * (by_group**2).sum()) / len(groups))
    gain = float(difference.mean())
    better = gain > error
    chosen = rich if better else simple
    why = (
        f"cross-validated log loss {simple.losses.mean():.5f} for {simple.kind}, {rich.losses.mean():.5f} for "
        f"{rich.kind}: a gain of {gain:.5f}, {'more' if better else 'not more'} than its standard error {error:.5f}"
    )
    return Choice(chosen, tuple(trials), why)


def fold_numbers(table: Table, rows: Integers, seed: int) -> tuple[Integers, str]:
    """Folds by group, and a warning. With one group of training rows there is only the division by rows."""
    groups = table.groups[rows]
    if len(np.unique(groups)) > 1:
        return folds(groups, FOLDS, seed), ""
    warning = "all training rows are of one group: the choice and the calibration rest on its own rows."
    return folds(np.arange(len(rows)), FOLDS, seed), warning
