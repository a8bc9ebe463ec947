"""Drift, figure by figure: right indices, alarms in their order, and none that chance alone raises."""

import math
from typing import Any

import numpy as np
import pytest

from predictions import drifting, learning
from predictions.calibrating import probability
from predictions.drifting import ACT, LOOK, RULES
from predictions.tables import Column, Kind
from tests.predictions import people

EDGES = {"edges": [0.2, 0.4, 0.6, 0.8], "shares": [0.2] * 5}


def numbers(values: Any, kind: Kind = Kind.NUMBER) -> Column:
    return Column("x", kind, np.array(values, dtype=float))


def figure(value: float, reach: float = 0.05) -> dict[str, float]:
    return {"value": value, "low": value - reach, "high": value + reach}


def test_the_index_is_what_the_formula_gives_by_hand() -> None:
    value, _ = drifting.psi(np.array([0.5, 0.5]), 10**9, np.array([250_000, 750_000]))
    assert value == pytest.approx((0.25 - 0.5) * math.log(0.5) + (0.75 - 0.5) * math.log(1.5), abs=1e-5)


def test_a_bin_nobody_was_in_before_gives_a_large_index_and_no_infinite_one() -> None:
    value, chance = drifting.psi(np.array([1.0, 0.0]), 1000, np.array([700, 300]))
    assert 1 < value < 10 and chance < 0.01


def test_unchanged_people_stay_below_the_point_of_chance_nineteen_times_in_twenty() -> None:
    random = np.random.default_rng(0)
    over = 0
    for _ in range(400):
        before = random.multinomial(1500, [0.1] * 10) / 1500
        value, chance = drifting.psi(before, 1500, random.multinomial(600, [0.1] * 10))
        over += value > chance
    assert 0.02 <= over / 400 <= 0.09


def test_a_number_is_counted_between_edges_the_lower_one_within_and_missing_apart() -> None:
    words, counts = drifting.binned(numbers([0.1, 0.2, 0.2, 0.79, 0.8, 5, np.nan]), EDGES)
    assert dict(zip(words, counts.tolist(), strict=True)) == {
        "under 0.2": 1, "0.2 to under 0.4": 2, "0.4 to under 0.6": 0, "0.6 to under 0.8": 1, "0.8 and over": 2,
        "missing": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "reference"),
    [
        (Column("x", Kind.CATEGORY, np.array([0, 1, 1, 2, -1]), ("north", "south", "moon")),
         {"levels": ["north", "south"], "shares": [0.5, 0.5]}),
        (numbers([0, 1, 1, 7, np.nan], Kind.CODED), {"levels": [0.0, 1.0], "shares": [0.5, 0.5]}),
    ],
)  # fmt: skip
def test_levels_are_counted_with_those_nobody_had_before_and_missing(column: Column, reference: Any) -> None:
    words, counts = drifting.binned(column, reference)
    assert counts.tolist() == [1, 2, 1, 1]
    assert words[2:] == ["other", "missing"]
    assert drifting.shift(column, reference, 1000).psi > 0.25


def test_a_value_that_goes_missing_is_a_shift() -> None:
    values = np.linspace(0, 1, 1000, endpoint=False)
    assert drifting.shift(numbers(values), EDGES, 5000).psi < 0.01
    values[::2] = np.nan
    assert drifting.shift(numbers(values), EDGES, 5000).psi > 0.25


@pytest.mark.parametrize(
    ("name", "value", "reach", "level"),
    [
        ("oe", 1.09, 0.02, ""), ("oe", 0.9, 0.02, ""), ("oe", 1.11, 0.02, LOOK), ("oe", 0.89, 0.02, LOOK),
        ("oe", 1.26, 0.1, ACT), ("oe", 0.79, 0.1, ACT), ("oe", 1.26, 0.3, LOOK), ("intercept", 0.21, 0.1, LOOK),
        ("intercept", -0.41, 0.1, ACT), ("intercept", 0.41, 0.5, LOOK), ("slope", 0.79, 0.01, LOOK),
        ("slope", 0.3, 0.01, LOOK), ("slope", 1.25, 0.01, ""), ("score_psi", 0.10, 0, ""),
        ("score_psi", 0.11, 0, LOOK), ("score_psi", 0.26, 0, ACT), ("feature_psi", 0.26, 0, ACT),
        ("auc_change", -0.06, 0.01, LOOK), ("auc_change", 0.2, 0.01, ""),
    ],
)  # fmt: skip
def test_each_alarm_is_raised_at_its_limit_and_acted_on_only_where_chance_does_not_explain_it(
    name: str, value: float, reach: float, level: str
) -> None:
    ends = (value - reach, value + reach) if reach else (None, None)
    assert RULES.alarms[name].level(value, *ends) == level


def test_every_alarm_has_a_source_and_calibration_comes_first() -> None:
    assert list(RULES.alarms) == ["oe", "intercept", "slope", "auc_change", "score_psi", "feature_psi"]
    assert all(each.source for each in RULES.alarms.values())


def test_alarms_come_in_order_with_words_and_the_highest_level_counts() -> None:
    far, near = drifting.Shift(0.4, 0.01), drifting.Shift(0.12, 0.01)
    found = {"year": 2024, "auc": figure(0.7), "oe": figure(1.3), "slope": figure(1.0), "intercept": figure(0.3)}
    raised = drifting.alarms(near, {"visits": near, "age": far}, found, 0.7)
    assert [(one.figure, one.about, one.level) for one in raised] == [
        ("oe", "", ACT), ("intercept", "", LOOK), ("score_psi", "", LOOK), ("feature_psi", "age", ACT),
        ("feature_psi", "visits", LOOK),
    ]  # fmt: skip
    assert raised[0].words == "Observed / expected 1.300 (1.250 to 1.350): outside 0.8 to 1.25."
    assert raised[3].words == "Feature stability index (PSI) of age 0.400: over 0.25."
    assert drifting.highest(raised) == ACT
    assert drifting.highest([]) == ""


def test_a_lost_auc_is_told_against_the_approved_one() -> None:
    [one] = drifting.alarms(None, {}, {"auc": figure(0.64)}, 0.71)
    assert one.words == "AUC less than at approval by -0.070: under -0.05."


def test_a_shift_that_chance_can_make_raises_no_alarm() -> None:
    assert drifting.alarms(drifting.Shift(0.3, 0.35), {}, {}, None) == []


@pytest.mark.parametrize(
    ("rows", "events", "enough"), [(99, 50, False), (100, 19, False), (100, 81, False), (100, 20, True)]
)
def test_calibration_needs_rows_and_both_outcomes(rows: int, events: int, enough: bool) -> None:
    assert drifting.enough((np.arange(rows) < events).astype(np.int64)) is enough


def test_a_model_learnt_before_care_changed_still_orders_people_and_is_caught_by_its_calibration(
    tmp_path: Any,
) -> None:
    """As with statins in NHANES, learnt before 2013 and tested after: AUC 0.736 as before, O/E 1.23 to 1.27."""
    early, late = people.table(tmp_path, rows=2500), people.columns(2500, seed=8)
    learned = learning.learn(early, np.arange(2500), people.FEATURES, seed=0)
    file = people.write(tmp_path / "late.csv", late)
    table = people.read(file, label="outcome", group="area", features=people.FEATURES)
    told = learned.model.probabilities(table.take(np.arange(2500), learned.model.features))
    raised_odds = np.log(told / (1 - told)) + 0.55  # care changes for everybody alike
    labels = (np.random.default_rng(1).random(2500) < probability(raised_odds)).astype(np.int64)
    learnt = learned.model.probabilities(early.take(np.arange(2500), learned.model.features))
    before = drifting.calibration(early.labels, learnt, early.groups)
    now = drifting.calibration(labels, told, table.groups)
    assert abs(now["auc"]["value"] - before["auc"]["value"]) < 0.05
    assert 1.15 < now["oe"]["value"] < 1.4
    raised = drifting.alarms(None, {}, now, before["auc"]["value"])
    assert [one.figure for one in raised[:2]] == ["oe", "intercept"]
    assert drifting.highest(raised) == ACT
    assert drifting.alarms(None, {}, before, before["auc"]["value"]) == []
