"""What is learnt, and that nothing is learnt that could not be known."""

from pathlib import Path

import numpy as np
import pytest

from predictions import evaluating, learning, splitting
from predictions.calibrating import probability
from predictions.fitting import ModelKind
from predictions.tables import Column, Kind, Table, TableError
from tests.predictions import people


def invented(rows: int, groups: int, columns: dict[str, np.ndarray], labels: np.ndarray, seed: int = 0) -> Table:
    """A table of numbers, without a file."""
    codes = np.random.default_rng(seed).integers(0, groups, rows)
    kinds = {name: Kind.CODED if len(np.unique(values)) <= 12 else Kind.NUMBER for name, values in columns.items()}
    held = {name: Column(name, kinds[name], values.astype(float)) for name, values in columns.items()}
    return Table("invented", labels.astype(int), codes, tuple(f"g{n}" for n in range(groups)), None, held)


def evaluated(table: Table, seed: int = 0) -> tuple[dict, learning.Learned]:
    """Divide, learn, evaluate."""
    split = splitting.divide(table, seed=seed)
    found = learning.learn(table, split.train, list(table.columns), seed=seed)
    return evaluating.evaluate(found.model, table, split.train, split.test, seed=seed), found


def test_a_straight_truth_is_learnt_by_logistic_regression_and_calibrated(tmp_path: Path) -> None:
    table = people.table(tmp_path, rows=12_000)
    figures, found = evaluated(table)
    assert found.model.kind is ModelKind.LOGISTIC
    assert figures["slope"]["low"] < 1 < figures["slope"]["high"]
    assert figures["oe"]["value"] == pytest.approx(1, abs=0.05)
    assert figures["ici"]["value"] < 0.02
    assert figures["auc"]["value"] == pytest.approx(0.73, abs=0.03)


def test_a_bent_truth_is_learnt_by_trees_and_calibrated() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(0, 1, (2, 8000))
    labels = random.random(8000) < probability(2.5 * np.sign(a * b) - 0.5)
    figures, found = evaluated(invented(8000, 50, {"a": a, "b": b}, labels))
    assert found.model.kind is ModelKind.TREES
    assert figures["auc"]["value"] > 0.85
    assert 0.85 < figures["slope"]["value"] < 1.15
    assert 0.93 < figures["oe"]["value"] < 1.07


def test_what_only_a_group_knows_is_worth_nothing_on_other_groups() -> None:
    # Each area has its own rate and its own measurement that betrays which area it is: by heart, AUC 0.8.
    random = np.random.default_rng(2)
    rows, groups = 6000, 120
    area = np.random.default_rng(0).integers(0, groups, rows)  # as `invented` deals them
    rate, sign = random.normal(0, 2, groups), random.normal(0, 1, groups)
    labels = random.random(rows) < probability(rate[area])
    table = invented(rows, groups, {"sign": sign[area] + random.normal(0, 1e-4, rows)}, labels)
    figures, found = evaluated(table)
    assert 0.35 < figures["auc"]["value"] < 0.65
    assert found.alone["sign"] > 0.6
    assert figures["brier_skill"]["value"] < 0.05


def test_noise_says_that_it_is_noise() -> None:
    random = np.random.default_rng(3)
    table = invented(3000, 60, {"a": random.normal(0, 1, 3000)}, random.random(3000) < 0.3)
    figures, found = evaluated(table)
    assert figures["auc"]["low"] < 0.5 < figures["auc"]["high"]
    assert any("no signal" in each or "no better" in each for each in found.warnings)


def test_a_copy_of_the_label_is_named_as_a_leak(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    labels = random.random(3000) < 0.3
    paid_late = np.where(random.random(3000) < 0.98, labels, ~labels)
    table = invented(3000, 60, {"weight": random.normal(0, 1, 3000), "paid_late": paid_late}, labels)
    figures, found = evaluated(table)
    assert any("paid_late alone has an AUC of 0.9" in warning for warning in found.warnings)
    said = evaluating.suspicion(figures["auc"], found.alone)
    assert "is over 0.90" in said and said.index("paid_late") < said.index("weight")


def test_a_value_that_is_only_missing_for_events_is_named_as_a_leak() -> None:
    random = np.random.default_rng(5)
    labels = random.random(3000) < 0.3
    result = np.where(labels, np.nan, random.normal(0, 1, 3000))
    _, found = evaluated(invented(3000, 60, {"result": result}, labels))
    assert any("result alone" in warning for warning in found.warnings)


def test_a_full_separation_is_said_and_does_not_stop_the_work() -> None:
    labels = np.random.default_rng(6).random(2000) < 0.4
    figures, found = evaluated(invented(2000, 50, {"copy": labels * 2.0 - 1}, labels))
    assert figures["auc"]["value"] == 1
    assert figures["n_test"] > 0
    assert any("copy alone" in warning for warning in found.warnings)


def test_the_same_seed_gives_the_same_model_to_the_byte(tmp_path: Path) -> None:
    table = people.table(tmp_path, rows=1500)
    first, second = (evaluated(table, seed=11) for _ in range(2))
    assert first[0] == second[0]
    assert first[1].model.graph == second[1].model.graph


def test_test_rows_do_not_move_the_model(tmp_path: Path) -> None:
    table = people.table(tmp_path, rows=1500)
    train = splitting.divide(table).train
    before = learning.learn(table, train, people.FEATURES)
    labels = table.labels.copy()
    labels[np.setdiff1d(np.arange(table.rows), train)] ^= 1
    changed = Table(table.file, labels, table.groups, table.group_names, None, table.columns)
    after = learning.learn(changed, train, people.FEATURES)
    assert after.model.graph == before.model.graph
    assert after.model.calibration == before.model.calibration


def test_columns_that_say_nothing_are_left_out_by_name(tmp_path: Path) -> None:
    held = people.columns(1000)
    held["same"] = [5] * 1000
    held["never"] = [None] * 1000
    held["name"] = [f"person {n}" for n in range(1000)]
    people.write(tmp_path / "people.csv", held)
    names = ["age", "same", "never", "name"]
    table = people.read(tmp_path / "people.csv", label="outcome", group="area", features=names)
    found = learning.learn(table, np.arange(1000), names)
    assert found.used == ("age",)
    assert set(found.dropped) == {"same", "never", "name"}
    assert "like a name or an id" in found.dropped["name"]
    with pytest.raises(TableError, match="no feature is left"):
        learning.learn(table, np.arange(1000), ["same", "never"])


def test_too_few_events_are_refused_with_the_number_needed(tmp_path: Path) -> None:
    table = people.table(tmp_path, rows=1000)
    events = np.flatnonzero(table.labels == 1)[:12]
    train = np.sort([*events, *np.flatnonzero(table.labels == 0)[:300]])
    with pytest.raises(TableError, match="12 events and 300 non-events among 312 training rows; at least 20"):
        learning.learn(table, train, people.FEATURES)


def test_all_events_in_one_group_leave_nothing_to_validate_on() -> None:
    random = np.random.default_rng(7)
    table = invented(1000, 8, {"a": random.normal(0, 1, 1000)}, np.zeros(1000))
    alone = Table("t", (table.groups == 3).astype(int), table.groups, table.group_names, None, table.columns)
    with pytest.raises(TableError, match="no validation over groups"):
        learning.learn(alone, np.arange(1000), ["a"])


def test_one_training_group_is_validated_by_rows_and_says_so(tmp_path: Path) -> None:
    table = people.table(tmp_path, rows=1000)
    two = Table("t", table.labels, table.groups % 2, ("even", "odd"), None, table.columns)
    split = splitting.divide(two, test_groups=["odd"])
    found = learning.learn(two, split.train, people.FEATURES)
    assert any("one group" in warning for warning in found.warnings)


def test_a_test_set_of_one_class_gives_reasons_for_what_is_missing(tmp_path: Path) -> None:
    table = people.table(tmp_path, rows=2000)
    train = splitting.divide(table).train
    found = learning.learn(table, train, people.FEATURES)
    test = np.setdiff1d(np.arange(table.rows), train)
    quiet = test[table.labels[test] == 0]
    figures = evaluating.evaluate(found.model, table, train, quiet)
    assert figures["auc"] == {"value": None, "low": None, "high": None, "reason": "the rows hold one class only"}
    assert figures["oe"]["reason"] == "the rows hold no event"
    assert figures["capture"][0]["captured"]["value"] is None


def test_one_percent_of_events_stays_calibrated() -> None:
    random = np.random.default_rng(8)
    a = random.normal(0, 1, (40_000))
    labels = random.random(40_000) < probability(a - 5)
    figures, _ = evaluated(invented(40_000, 500, {"a": a}, labels))
    assert figures["oe"]["low"] < 1 < figures["oe"]["high"]
    assert figures["slope"]["low"] < 1 < figures["slope"]["high"]


def test_many_rows_are_calibrated_closely(tmp_path: Path) -> None:
    figures, _ = evaluated(people.table(tmp_path, rows=40_000))
    assert figures["oe"]["value"] == pytest.approx(1, abs=0.03)
