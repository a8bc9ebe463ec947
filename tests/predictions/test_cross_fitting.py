"""Few rows are learnt from whole, and measured by models that did not see them."""

import numpy as np
import pytest

from predictions import cross_fitting, evaluating
from predictions.tables import Column, Kind, Table, TableError


def table(groups: int, each: int, seed: int, *, signal: float) -> Table:
    """Groups with a label of their own, a feature that says something of it, and one that names the group."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, groups)
    group_of = np.repeat(np.arange(groups), each)
    clue = signal * labels[group_of] + random.normal(size=groups * each)
    columns = {"clue": Column("clue", Kind.NUMBER, clue),
               "who": Column("who", Kind.NUMBER, random.permutation(groups)[group_of].astype(float))}  # fmt: skip
    names = tuple(map(str, range(groups)))
    return Table("people", labels[group_of].astype(np.int64), group_of, names, None, columns)


def test_what_names_the_group_helps_nobody_whose_group_was_not_seen() -> None:
    people = table(120, 4, seed=1, signal=0.0)
    learned, margins = cross_fitting.learn(people, ("clue", "who"))
    every = np.arange(people.rows)
    found = evaluating.evaluate(learned.model, people, every, every, by=("clue",), margins=margins)
    assert found["auc"]["value"] == pytest.approx(0.5, abs=0.12)


def test_every_row_has_a_score_and_the_figures_hold_the_truth() -> None:
    people = table(400, 2, seed=2, signal=1.5)
    learned, margins = cross_fitting.learn(people, ("clue",))
    assert np.isfinite(margins).all()
    every = np.arange(people.rows)
    found = evaluating.evaluate(learned.model, people, every, every, by=("clue",), margins=margins)
    assert (found["n_train"], found["n_test"]) == (800, 800)
    assert found["auc"]["value"] == pytest.approx(0.856, abs=0.04)  # Φ(1.5 / √2), the truth
    assert found["oe"]["low"] < 1 < found["oe"]["high"]


def test_too_few_events_for_four_fifths_are_refused() -> None:
    with pytest.raises(TableError, match="too few events"):
        cross_fitting.learn(table(40, 1, seed=3, signal=1.0), ("clue",))
