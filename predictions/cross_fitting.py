"""Learning from few rows without wasting a quarter of them on the test: every fifth is scored by a model that learnt
from the other four, and the model that is kept learns from all.

The figures are those of the way of learning, told by five models of it; a single small test set would tell mostly
chance (Steyerberg et al. 2001, J Clin Epidemiol 54:774, on split samples; TRIPOD+AI 2024, item 12).
"""

from collections.abc import Sequence

import numpy as np

from predictions import learning, splitting
from predictions.learning import Learned
from predictions.tables import Floats, Table

FOLDS = 5


def learn(table: Table, names: Sequence[str], *, seed: int = 0, by_day: str = "") -> tuple[Learned, Floats]:
    """The model of all rows, and for each row the calibrated log-odds of a model that saw no row of its group.

    Choosing and calibrating are repeated within each four fifths. Raises TableError as `learning.learn` does.
    """
    fold_of = splitting.folds(table.groups, FOLDS, seed)
    margins = np.full(table.rows, np.nan)
    for fold in np.unique(fold_of):
        rows = np.flatnonzero(fold_of == fold)
        model = learning.learn(table, np.flatnonzero(fold_of != fold), names, seed=seed).model
        margins[rows] = model.margins(table.take(rows, model.features))
    return learning.learn(table, np.arange(table.rows), names, seed=seed, by_day=by_day), margins
