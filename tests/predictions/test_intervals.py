"""How surely a score is known, and what the training rows looked like."""

import math
from pathlib import Path

import numpy as np
import pytest

from predictions import baseline, calibrating, learning, model_file
from predictions.calibrating import NoEstimate, probability
from predictions.encoding import Encoding
from predictions.fitting import ModelKind
from predictions.model_file import Model
from predictions.tables import Column, Kind
from tests.predictions import people

SLOPE, INTERCEPT = 0.8, -0.3
MEMBERS, DATES, REPEATS = 200, 3, 300
AT = np.array([-2.0, 0.0, 2.0])


def calibrated(random: np.random.Generator, *, grouped: bool) -> Model:
    """A model whose calibration was learnt from members who have the same outcome on three score dates."""
    margins = np.repeat(random.normal(0, 1.2, MEMBERS), DATES)
    outcome = random.random(MEMBERS) < probability(SLOPE * margins[::DATES] + INTERCEPT)
    labels = np.repeat(outcome, DATES).astype(np.int64)
    groups = np.repeat(np.arange(MEMBERS), DATES) if grouped else np.arange(MEMBERS * DATES)
    found, _ = learning.calibrate(margins, labels)
    card = {"calibration_covariance": learning.uncertainty(margins, found, labels, groups)}
    return Model(ModelKind.LOGISTIC, Encoding(()), None, found, b"", card)


def covered(*, grouped: bool) -> float:
    """In how many of many trainings the interval holds the true probability."""
    random, hits, true = np.random.default_rng(3), 0, probability(SLOPE * AT + INTERCEPT)
    for _ in range(REPEATS):
        model = calibrated(random, grouped=grouped)
        ends = model.intervals(model.calibration[0] * AT + model.calibration[1])
        assert ends is not None
        hits += int(((ends[0] <= true) & (true <= ends[1])).sum())
    return hits / (REPEATS * len(AT))


def test_the_interval_holds_the_true_probability_95_times_in_100() -> None:
    assert covered(grouped=True) == pytest.approx(0.95, abs=0.025)


def test_rows_of_a_member_taken_for_different_people_would_make_it_too_narrow() -> None:
    assert covered(grouped=False) < 0.85


def test_the_covariance_is_the_textbook_one_where_every_row_is_a_group() -> None:
    labels = np.array([1, 1, 1, 0] * 25)
    ones = np.ones((100, 1))
    found = calibrating.covariance(ones, np.array([math.log(3)]), labels, np.arange(100))
    assert found[0, 0] == pytest.approx(100 / 99 / (100 * 0.75 * 0.25))
    with pytest.raises(NoEstimate, match="one group"):
        calibrating.covariance(ones, np.array([math.log(3)]), labels, np.zeros(100, dtype=np.int64))


def test_a_model_that_found_nothing_is_sure_of_the_rate_alone_and_one_of_one_class_of_nothing() -> None:
    random = np.random.default_rng(1)
    margins, groups = random.normal(0, 1, 400), np.arange(400)
    backwards = (margins < random.normal(0, 1, 400)).astype(np.int64)
    found, _ = learning.calibrate(margins, backwards)
    spread = learning.uncertainty(margins, found, backwards, groups)
    assert spread is not None and spread[0] == [0.0, 0.0] and spread[1][1] > 0
    assert learning.uncertainty(margins, (1.0, 0.0), np.ones(400, dtype=np.int64), groups) is None


def test_a_written_model_keeps_its_interval_and_one_without_says_none(tmp_path: Path) -> None:
    table = people.table(tmp_path)
    model = learning.learn(table, np.arange(table.rows), people.FEATURES).model
    read = model_file.load(tmp_path / "model", model_file.save(model, tmp_path / "model"))
    ends, middle = read.intervals(table.columns), read.probabilities(table.columns)
    assert ends is not None
    assert ((ends[0] < middle) & (middle < ends[1])).all() and (ends[1] - ends[0]).mean() < 0.1
    assert read.with_card(calibration_covariance=None).intervals(table.columns) is None


def test_the_reference_says_how_the_training_rows_lay() -> None:
    number = Column("days", Kind.NUMBER, np.array([*range(99), np.nan]))
    found = baseline.of_column(number)
    assert len(found["edges"]) == 9 and found["range"] == [0, 98] and found["missing"] == 0.01
    assert sum(found["shares"]) + found["missing"] == pytest.approx(1)
    mostly = baseline.of_column(Column("visits", Kind.NUMBER, np.array([0.0] * 90 + [3.0] * 10)))
    assert sum(mostly["shares"]) == pytest.approx(1) and len(mostly["edges"]) < 3
    flag = baseline.of_column(Column("dual", Kind.YES_NO, np.array([1.0, 0.0, 0.0, np.nan])))
    assert (flag["levels"], flag["shares"], flag["missing"]) == ([0.0, 1.0], [0.5, 0.25], 0.25)
    words = baseline.of_column(Column("sex", Kind.CATEGORY, np.array([1, 0, 1, -1]), ("female", "male")))
    assert (words["levels"], words["shares"]) == (["female", "male"], [0.25, 0.5]) and "range" not in words
    empty = baseline.of_column(Column("none", Kind.NUMBER, np.array([np.nan, np.nan])))
    assert (empty["edges"], empty["missing"], "range" in empty) == ([], 1.0, False)


def test_the_reference_of_scores_is_that_of_rows_the_model_did_not_see(tmp_path: Path) -> None:
    table = people.table(tmp_path)
    learned = learning.learn(table, np.arange(table.rows), people.FEATURES)
    held = learned.model.card["reference"]
    assert set(held["features"]) == set(learned.used)
    assert held["score"]["shares"] == pytest.approx([0.1] * 10, abs=0.002)
