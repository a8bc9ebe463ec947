"""Figures against hand-worked numbers, scikit-learn, and what must hold for any scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from predictions import measuring
from predictions.calibrating import NoEstimate, log_odds, logistic, probability, sigmoid
from predictions.measuring import Sample
from predictions.resampling import clusters_of, figures

TEN = Sample(
    np.array([0, 0, 1, 0, 0, 1, 0, 1, 1, 1]),
    log_odds(np.array([0.05, 0.1, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 0.9])),
)
ONCE = np.ones(10)


def drawn(rows: int, seed: int = 3, *, slope: float = 1.0, shift: float = 0.0) -> Sample:
    """Scores of which the truth is slope · score + shift."""
    random = np.random.default_rng(seed)
    margins = random.normal(-0.5, 1.2, rows)
    return Sample((random.random(rows) < probability(slope * margins + shift)).astype(int), margins)


scored = st.integers(2, 60).flatmap(
    lambda size: st.tuples(
        arrays.arrays(np.int64, size, elements=st.integers(0, 1)),
        arrays.arrays(np.float64, size, elements=st.integers(-6, 6).map(lambda number: number / 2)),
    )
).filter(lambda pair: 0 < pair[0].sum() < len(pair[0]) and len(set(pair[1])) > 1)  # fmt: skip


@given(scored)
@settings(max_examples=150, deadline=None)
def test_auc_is_mann_whitneys_share_of_pairs(pair: tuple[np.ndarray, np.ndarray]) -> None:
    labels, margins = pair
    events, others = margins[labels == 1], margins[labels == 0]
    pairs = (events[:, None] > others).sum() + (events[:, None] == others).sum() / 2
    found = measuring.auc(Sample(labels, margins), np.ones(len(labels)))
    assert found == pytest.approx(pairs / (len(events) * len(others)))
    assert found == pytest.approx(roc_auc_score(labels, margins))


@given(scored)
@settings(max_examples=100, deadline=None)
def test_auc_does_not_change_under_a_rising_map_and_turns_round_under_a_falling_one(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    labels, margins = pair
    ones = np.ones(len(labels))
    found = measuring.auc(Sample(labels, margins), ones)
    assert measuring.auc(Sample(labels, np.exp(margins) + margins), ones) == pytest.approx(found)
    assert measuring.auc(Sample(labels, -margins), ones) == pytest.approx(1 - found)


@given(scored)
@settings(max_examples=100, deadline=None)
def test_weights_of_whole_numbers_are_repeated_rows(pair: tuple[np.ndarray, np.ndarray]) -> None:
    labels, margins = pair
    weights = np.arange(len(labels)) % 3 + 1
    weighted, repeated = Sample(labels, margins), Sample(np.repeat(labels, weights), np.repeat(margins, weights))
    ones = np.ones(len(repeated.labels))
    for figure in (measuring.auc, measuring.brier, measuring.oe, measuring.capture(0.3), measuring.net_benefit(0.4)):
        assert figure(weighted, weights.astype(float)) == pytest.approx(figure(repeated, ones))


@given(scored)
@settings(max_examples=100, deadline=None)
def test_brier_is_reliability_less_resolution_plus_uncertainty(pair: tuple[np.ndarray, np.ndarray]) -> None:
    sample = Sample(*pair)
    rate = sample.labels.mean()
    reliability = resolution = 0.0
    for score in np.unique(sample.margins):
        here = sample.margins == score
        observed = sample.labels[here].mean()
        reliability += here.mean() * (probability(np.array([score]))[0] - observed) ** 2
        resolution += here.mean() * (observed - rate) ** 2
    found = measuring.brier(sample, np.ones(len(sample.labels)))
    assert found == pytest.approx(reliability - resolution + rate * (1 - rate))
    assert found == pytest.approx(brier_score_loss(sample.labels, sample.probabilities))


def test_figures_of_ten_people_worked_by_hand() -> None:
    assert measuring.auc(TEN, ONCE) == pytest.approx((2.5 + 4 + 5 + 5 + 5) / 25)
    assert measuring.oe(TEN, ONCE) == pytest.approx(5 / 4.05)
    squares = [0.0025, 0.01, 0.64, 0.04, 0.09, 0.36, 0.25, 0.16, 0.04, 0.01]
    assert measuring.brier(TEN, ONCE) == pytest.approx(sum(squares) / 10)
    assert measuring.brier_skill(TEN, ONCE) == pytest.approx(1 - sum(squares) / 10 / 0.25)


def test_capacity_takes_the_highest_scores_and_shares_a_tie_at_the_edge() -> None:
    assert measuring.capture(0.3)(TEN, ONCE) == pytest.approx(3 / 5)
    assert measuring.precision(0.3)(TEN, ONCE) == pytest.approx(1.0)
    # Seventh place is one of two people with 0.2, one of whom has the event: half an event.
    assert measuring.capture(0.7)(TEN, ONCE) == pytest.approx(4.5 / 5)
    assert measuring.precision(0.7)(TEN, ONCE) == pytest.approx(4.5 / 7)


def test_net_benefit_weighs_false_alarms_by_the_odds_of_the_threshold() -> None:
    # At 0.35 five people are called: four events, one false alarm.
    assert measuring.net_benefit(0.35)(TEN, ONCE) == pytest.approx((4 - 1 * 0.35 / 0.65) / 10)
    assert measuring.net_benefit_of_all(0.35)(TEN, ONCE) == pytest.approx((5 - 5 * 0.35 / 0.65) / 10)


def test_slope_and_intercept_are_those_of_an_unpenalised_logistic_regression() -> None:
    sample = drawn(4000, slope=0.6, shift=0.3)
    ones = np.ones(4000)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(sample.margins[:, None], sample.labels)
    assert measuring.slope(sample, ones) == pytest.approx(theirs.coef_[0, 0], abs=1e-5)
    assert sigmoid(sample.margins, sample.labels) == pytest.approx((theirs.coef_[0, 0], theirs.intercept_[0]), abs=1e-5)
    # With the slope held at 1, expected events are moved exactly to the observed ones.
    moved = probability(sample.margins + measuring.intercept(sample, ones))
    assert moved.sum() == pytest.approx(sample.labels.sum())


def test_true_probabilities_have_slope_one_and_everything_else_right() -> None:
    sample = drawn(40_000)
    ones = np.ones(40_000)
    assert measuring.slope(sample, ones) == pytest.approx(1, abs=0.05)
    assert measuring.intercept(sample, ones) == pytest.approx(0, abs=0.05)
    assert measuring.oe(sample, ones) == pytest.approx(1, abs=0.02)
    assert measuring.ici(sample, ones) < 0.01


@pytest.mark.parametrize("slope, shift", [(0.5, 0.0), (2.0, 0.0), (1.0, 0.5)])
def test_ici_is_the_true_distance_of_wrong_probabilities(slope: float, shift: float) -> None:
    sample = drawn(40_000, slope=slope, shift=shift)
    truth = np.abs(probability(slope * sample.margins + shift) - sample.probabilities).mean()
    assert measuring.ici(sample, np.ones(40_000)) == pytest.approx(truth, abs=0.008)


def test_ici_of_few_scores_is_the_distance_from_the_observed_share() -> None:
    sample = Sample(np.array([0, 0, 0, 1, 0, 1, 1, 1]), log_odds(np.repeat([0.4, 0.6], 4)))
    assert measuring.ici(sample, np.ones(8)) == pytest.approx(0.15)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_gives_no_figure_and_says_why(label: int) -> None:
    sample = Sample(np.full(50, label), np.linspace(-1, 1, 50))
    found = figures(sample, np.arange(50), measuring.FIGURES, seed=0)
    for name in ("auc", "slope", "intercept", "ici", "brier_skill"):
        assert (found[name].value, found[name].low) == (None, None)
        assert "one class" in found[name].reason
    assert found["brier"].value is not None
    assert (found["oe"].value is None) == (label == 0)


def test_equal_scores_give_no_auc_and_no_slope_but_the_rest() -> None:
    sample = Sample(np.array([0, 1] * 30), np.zeros(60))
    found = figures(sample, np.arange(60), measuring.FIGURES, seed=0)
    assert found["auc"].reason == found["slope"].reason == "all scores are equal"
    assert found["oe"].value == pytest.approx(1)
    assert found["ici"].value == pytest.approx(0)


def test_separated_classes_have_no_slope() -> None:
    with pytest.raises(NoEstimate, match="separate"):
        measuring.slope(Sample(np.repeat([0, 1], 30), np.linspace(-2, 2, 60)), np.ones(60))


def test_newton_finds_a_start_far_off_the_answer() -> None:
    sample = drawn(2000)
    near = logistic(sample.line, sample.labels, np.ones(2000))
    far = logistic(sample.line, sample.labels, np.ones(2000), start=np.array([-20.0, 10.0]))
    assert far == pytest.approx(near, abs=1e-4)


def test_intervals_of_groups_are_wider_than_of_rows_where_rows_of_a_group_are_alike() -> None:
    random = np.random.default_rng(5)
    groups = np.repeat(np.arange(40), 50)
    margins = random.normal(0, 1, 2000)
    labels = (random.random(2000) < probability(margins + random.normal(0, 1, 40)[groups])).astype(int)
    sample = Sample(labels, margins)
    wide = figures(sample, clusters_of(groups)[0], {"oe": measuring.oe}, seed=1)["oe"]
    narrow = figures(sample, np.arange(2000), {"oe": measuring.oe}, seed=1)["oe"]
    assert wide.low is not None and wide.high is not None and narrow.low is not None and narrow.high is not None
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_interval_of_auc_holds_the_truth_about_as_often_as_it_says() -> None:
    truth = measuring.auc(drawn(200_000, seed=99), np.ones(200_000))
    held = 0
    for seed in range(40):
        found = figures(drawn(300, seed=seed), np.arange(300), {"auc": measuring.auc}, seed=seed)["auc"]
        assert found.low is not None and found.high is not None
        held += found.low <= truth <= found.high
    assert 34 <= held <= 40


def test_few_groups_draw_rows_and_say_so() -> None:
    clusters, warning = clusters_of(np.repeat([0, 1, 2], 20))
    assert len(np.unique(clusters)) == 60
    assert "3 test groups" in warning
    assert clusters_of(np.repeat(np.arange(10), 2))[1] == ""


def test_a_single_row_has_no_interval() -> None:
    found = figures(Sample(np.array([1]), np.array([0.0])), np.array([0]), {"brier": measuring.brier}, seed=0)
    assert (found["brier"].value, found["brier"].low) == (0.25, None)
    assert "no interval" in found["brier"].reason
