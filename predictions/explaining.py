"""Why a score is what it is: exact Shapley values of the deployed model, read from its own graph.

A feature is one player, however many columns it has. Contributions and base add up to the calibrated log-odds.
Logistic regression: coefficient × distance from the training mean. Trees: the path-dependent Shapley values of
Lundberg, Erion & Lee (2018, "Consistent Individualized Feature Attribution for Tree Ensembles", the definition of
TreeSHAP), each leaf's sum over subsets written as an integral and taken by Gauss-Legendre points, which is exact for
polynomials (Bifet, Read & Xu 2022, "Linear TreeShap").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from predictions.tables import Flags, Floats, Integers

# So many rows are explained by all trees at once; of more, tree by tree, those that a tree cannot tell apart together.
FEW = 64


@dataclass(frozen=True)
class Paths:
    """The leaves of all trees with the way to each.

    Splits: `column`, `threshold`, `missing_left` per inner node. Leaves × depth: `node` (-1 past the end), `left`
    whether the way goes left there, `slot` which player of the leaf the split asks. Leaves × players: `player` the
    feature (-1 unused), `share` of training rows that go the leaf's way at its splits. `value` and `tree` of each leaf.
    """

    column: Integers
    threshold: Floats
    missing_left: Flags
    node: Integers
    left: Flags
    slot: Integers
    player: Integers
    share: Floats
    value: Floats
    tree: Integers
    base: float

    @cached_property
    def trees(self) -> tuple[Paths, ...]:
        """Each tree alone."""
        return tuple(self.of_tree(int(tree)) for tree in np.unique(self.tree))

    def of_tree(self, tree: int) -> Paths:
        """One tree alone, its splits and no others."""
        leaves = self.tree == tree
        node, player = self.node[leaves], self.player[leaves]
        splits = np.unique(node[node >= 0])
        steps, players = max(1, (node >= 0).sum(axis=1).max()), max(1, (player >= 0).sum(axis=1).max())
        place = np.where(node >= 0, np.searchsorted(splits, node), -1)
        return Paths(
            self.column[splits], self.threshold[splits], self.missing_left[splits], place[:, :steps],
            self.left[leaves, :steps], self.slot[leaves, :steps], player[:, :players], self.share[leaves, :players],
            self.value[leaves], self.tree[leaves], self.base,
        )  # fmt: skip


def linear(graph: bytes) -> tuple[Floats, float]:
    """Coefficients and intercept of a logistic model's graph."""
    constants = {each.name: numpy_helper.to_array(each) for each in onnx.load_from_string(graph).graph.initializer}
    return constants["coefficients"][:, 0], float(constants["intercept"][0])


def linear_contributions(graph: bytes, scaled: Floats, owners: Integers, features: int) -> tuple[Floats, float]:
    """Rows × features of margin, and the margin of the average training row. Columns are standardised: mean 0."""
    coefficients, intercept = linear(graph)
    parts = scaled * coefficients
    return np.column_stack([parts[:, owners == feature].sum(axis=1) for feature in range(features)]), intercept


def paths(graph: bytes, owners: Integers) -> Paths:
    """The ways to all leaves of a tree model's graph; `owners` names the feature of each matrix column."""
    (node,) = onnx.load_from_string(graph).graph.node
    held: dict[str, Any] = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    trees, ids = np.array(held["nodes_treeids"]), np.array(held["nodes_nodeids"])
    start = np.zeros(trees.max() + 1, dtype=np.int64)
    start[trees[ids == 0]] = np.flatnonzero(ids == 0)
    inner = np.array([mode == b"BRANCH_LEQ" for mode in held["nodes_modes"]])
    left = np.array(held["nodes_truenodeids"]) + start[trees]
    right = np.array(held["nodes_falsenodeids"]) + start[trees]
    values = np.zeros(len(ids))
    values[start[np.array(held["target_treeids"])] + np.array(held["target_nodeids"])] = held["target_weights"]
    parent = np.full(len(ids), -1)
    parent[left[inner]] = parent[right[inner]] = np.flatnonzero(inner)
    column = np.array(held["nodes_featureids"])
    ways = [way_to(int(leaf), parent, left) for leaf in np.flatnonzero(~inner)]
    return Paths(
        column=column,
        threshold=np.array(held["nodes_values"]),
        missing_left=np.array(held["nodes_missing_value_tracks_true"]).astype(bool),
        value=values[~inner],
        tree=trees[~inner],
        base=float(held["base_values"][0]),
        **players(ways, owners[column], np.array(held["nodes_hitrates"])),
    )


def way_to(leaf: int, parent: Integers, left: Integers) -> list[tuple[int, int, bool]]:
    """(split, the node below it on the way, whether that is its left) from the leaf up."""
    way, node = [], leaf
    while parent[node] >= 0:
        above = int(parent[node])
        way.append((above, node, bool(left[above] == node)))
        node = above
    return way


def players(ways: list[list[tuple[int, int, bool]]], owner: Integers, counts: Floats) -> dict[str, Any]:
    """The padded arrays of Paths: splits of one feature on a way are one player, their shares multiplied."""
    depth = max(1, *(len(way) for way in ways))
    shape = (len(ways), depth)
    node, slot, left = np.full(shape, -1), np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
    player, share = np.full(shape, -1), np.ones(shape)
    for leaf, way in enumerate(ways):
        seen: dict[int, int] = {}
        for step, (split, below, goes_left) in enumerate(way):
            place = seen.setdefault(int(owner[split]), len(seen))
            node[leaf, step], slot[leaf, step], left[leaf, step] = split, place, goes_left
            player[leaf, place] = owner[split]
            share[leaf, place] *= counts[below] / counts[split]
    return {"node": node, "slot": slot, "left": left, "player": player, "share": share}


def tree_contributions(way: Paths, matrix: Floats, features: int) -> tuple[Floats, float]:
    """Rows × features of margin, and the margin expected before anything of the row is known."""
    base = way.base + float(way.value @ way.share.prod(axis=1))
    if len(matrix) <= FEW:
        return batch_contributions(way, matrix, features), base
    total = np.zeros((len(matrix), features))
    for alone in way.trees:
        # A tree has fewer splits than a whole number has bits (fitting.boosting: 14).
        falls = goes_left(alone, matrix) @ (1 << np.arange(len(alone.column)))
        _, first, alike = np.unique(falls, return_index=True, return_inverse=True)
        total += batch_contributions(alone, matrix[first], features)[alike]
    return total, base


@cache
def gauss_points(count: int) -> tuple[Floats, Floats]:
    """Points from -1 to 1 and weights that integrate a polynomial of degree 2 · count - 1 exactly."""
    points, weights = np.polynomial.legendre.leggauss(count)
    return points, weights


def goes_left(way: Paths, matrix: Floats) -> Flags:
    """Rows × splits: where each row goes."""
    values = matrix[:, way.column]
    return np.where(np.isnan(values), way.missing_left, values <= way.threshold)


def batch_contributions(way: Paths, matrix: Floats, features: int) -> Floats:
    """Shapley values: for player j of a leaf, value · (follows_j - share_j) · ∫ Π of the others over t in [0, 1].

    Each other player's factor is t where the row follows it, plus share · (1 - t); the integral gives every subset
    its Shapley weight |S|! (d - |S| - 1)! / d!.
    """
    follows = followed(way, matrix)
    points, weights = gauss_points(way.player.shape[1] // 2 + 1)
    total = np.zeros(follows.shape)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        factor = np.where(follows, point, 0.0) + way.share * (1 - point)
        factor[:, way.player < 0] = 1.0
        total += weight * factor.prod(axis=2, keepdims=True) / factor
    total *= (follows - way.share) * way.value[:, None]
    used = way.player >= 0
    landing = np.zeros((int(used.sum()), features))
    landing[np.arange(len(landing)), way.player[used]] = 1.0
    return np.asarray(total[:, used] @ landing)


def followed(way: Paths, matrix: Floats) -> Flags:
    """Rows × leaves × players: whether the row goes the leaf's way at all splits of the player."""
    falls = goes_left(way, matrix)
    result = np.ones((len(matrix), *way.player.shape), dtype=bool)
    leaves = np.arange(len(way.node))
    for step in range(way.node.shape[1]):
        there = way.node[:, step] >= 0
        agrees = falls[:, way.node[there, step]] == way.left[there, step]
        result[:, leaves[there], way.slot[there, step]] &= agrees
    return result
