"""Contributions against the definition of Shapley values, worked out over every subset."""

from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest

from predictions import encoding, explaining, exporting, fitting
from predictions.fitting import Fitted, ModelKind
from predictions.tables import Column, Kind


def fitted_trees(seed: int, rounds: int = 4) -> tuple[Fitted, np.ndarray, np.ndarray]:
    """A small ensemble on three numbers with gaps, a code and a category; its matrix; the feature of each column."""
    random = np.random.default_rng(seed)
    rows = 600
    number = random.normal(0, 1, (3, rows))
    number[random.random((3, rows)) < 0.15] = np.nan
    columns = {f"n{i}": Column(f"n{i}", Kind.NUMBER, number[i]) for i in range(3)}
    columns["code"] = Column("code", Kind.CODED, random.integers(1, 5, rows).astype(float))
    columns["place"] = Column("place", Kind.CATEGORY, random.integers(-1, 3, rows), ("a", "b", "c"))
    signal = np.nan_to_num(number[0]) * np.nan_to_num(number[1], nan=1) + (columns["code"].values == 2)
    signal += (columns["place"].values == 1) * np.isnan(number[2])
    labels = (signal + random.normal(0, 0.5, rows) > 0.3).astype(int)
    coding = encoding.learn(columns, list(columns), single_codes=True)
    matrix = coding.matrix(columns)
    return fitting.fit(ModelKind.TREES, rounds, coding, matrix, labels, seed), matrix, coding.owners


def expected(nodes: Any, node: int, row: np.ndarray, known: set[int], owners: np.ndarray) -> float:
    """A tree's value where only the known features are looked at: else the mean by training rows."""
    here = nodes[node]
    if here["is_leaf"]:
        return float(here["value"])
    left, right = int(here["left"]), int(here["right"])
    column = int(here["feature_idx"])
    if int(owners[column]) in known:
        value = row[column]
        goes_left = bool(here["missing_go_to_left"]) if np.isnan(value) else value <= here["num_threshold"]
        return expected(nodes, left if goes_left else right, row, known, owners)
    share = nodes[left]["count"] / here["count"]
    return share * expected(nodes, left, row, known, owners) + (1 - share) * expected(nodes, right, row, known, owners)


def shapley(fitted: Fitted, row: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Over every subset of the five features."""
    features = range(int(owners.max()) + 1)
    trees = [predictor.nodes for (predictor,) in fitted.estimator._predictors]

    def worth(known: set[int]) -> float:
        return sum(expected(nodes, 0, row, known, owners) for nodes in trees)

    found = np.zeros(len(features))
    for feature in features:
        others = [each for each in features if each != feature]
        for size in range(len(others) + 1):
            weight = factorial(size) * factorial(len(others) - size) / factorial(len(features))
            for chosen in combinations(others, size):
                found[feature] += weight * (worth({*chosen, feature}) - worth(set(chosen)))
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tree_contributions_are_the_shapley_values_of_the_definition(seed: int) -> None:
    fitted, matrix, owners = fitted_trees(seed)
    way = explaining.paths(exporting.to_onnx(fitted, matrix.shape[1]), owners)
    found, _ = explaining.tree_contributions(way, matrix[:12], 5)
    for row in range(12):
        assert found[row] == pytest.approx(shapley(fitted, matrix[row], owners), abs=1e-6)


def test_tree_contributions_and_base_add_up_to_the_margin() -> None:
    fitted, matrix, owners = fitted_trees(4, rounds=40)
    way = explaining.paths(exporting.to_onnx(fitted, matrix.shape[1]), owners)
    found, base = explaining.tree_contributions(way, matrix, 5)
    assert base + found.sum(axis=1) == pytest.approx(fitted.margins(matrix), abs=1e-5)


def test_many_rows_tree_by_tree_get_what_a_few_get_from_all_trees_at_once() -> None:
    fitted, matrix, owners = fitted_trees(6, rounds=20)
    way = explaining.paths(exporting.to_onnx(fitted, matrix.shape[1]), owners)
    assert len(matrix) > explaining.FEW
    many, base = explaining.tree_contributions(way, matrix, 5)
    few = [explaining.tree_contributions(way, matrix[at : at + 50], 5) for at in range(0, len(matrix), 50)]
    assert np.abs(np.concatenate([parts for parts, _ in few]) - many).max() < 1e-12
    assert {other for _, other in few} == {base}


def test_row_counts_in_the_graph_are_those_of_the_training_rows() -> None:
    fitted, matrix, owners = fitted_trees(5)
    way = explaining.paths(exporting.to_onnx(fitted, matrix.shape[1]), owners)
    # Shares of the leaves of one tree are a division of all rows: each ensemble sums to its number of trees.
    assert way.share.prod(axis=1).sum() <= len(fitted.estimator._predictors) + 1e-9
    mean = np.mean([fitted.margins(matrix[at : at + 1])[0] for at in range(len(matrix))])
    one_feature = explaining.paths(exporting.to_onnx(fitted, matrix.shape[1]), np.zeros_like(owners))
    _, base = explaining.tree_contributions(one_feature, matrix[:1], 1)
    assert base == pytest.approx(mean, abs=1e-5)


def test_logistic_contributions_are_coefficient_times_distance_from_the_mean() -> None:
    random = np.random.default_rng(0)
    matrix = random.normal(3, 2, (500, 2))
    matrix[random.random(500) < 0.2, 1] = np.nan
    labels = (random.random(500) < 1 / (1 + np.exp(3 - matrix[:, 0]))).astype(int)
    fitted = fitting.fit(ModelKind.LOGISTIC, 1.0, encoding.Encoding(()), matrix, labels, 0)
    assert fitted.scaling is not None
    owners = fitted.scaling.owners(np.array([0, 1]))
    scaled = fitted.scaling(matrix)
    found, base = explaining.linear_contributions(exporting.to_onnx(fitted, 3), scaled, owners, 2)
    assert found[:, 0] == pytest.approx(
        fitted.estimator.coef_[0, 0] / matrix[:, 0].std() * (matrix[:, 0] - matrix[:, 0].mean())
    )
    assert found.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)
    assert base + found.sum(axis=1) == pytest.approx(fitted.margins(matrix))


def test_a_tree_without_a_split_contributes_nothing() -> None:
    labels = np.array([0, 1] * 10)
    fitted = fitting.fit(ModelKind.TREES, 3, encoding.Encoding(()), np.zeros((20, 1)), labels, 0)
    way = explaining.paths(exporting.to_onnx(fitted, 1), np.array([0]))
    found, base = explaining.tree_contributions(way, np.zeros((2, 1)), 1)
    assert found.tolist() == [[0], [0]]
    assert base == pytest.approx(fitted.margins(np.zeros((1, 1)))[0])
