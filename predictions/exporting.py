"""Fitted models as ONNX graphs that give margins: open, without code in them, the same on every machine.

Written node by node: skl2onnx 1.20 cannot write this model with current numpy, and does not keep the row counts of
the nodes, which the exact explanation needs.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from predictions.fitting import Fitted, ModelKind
from predictions.tables import Floats

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
IR_VERSION = 8


def to_onnx(fitted: Fitted, columns: int) -> bytes:
    """The model as a graph from `inputs` (rows × columns) to `margins` (rows × 1), uncalibrated log-odds.

    Logistic regression takes standardised columns in double precision; trees take encoded ones, NaN where missing, in
    single precision.
    """
    if fitted.kind is ModelKind.LOGISTIC:
        nodes, constants, kind = linear_nodes(fitted)
    else:
        nodes, constants, kind = [tree_node(fitted)], [], TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "margins",
        [helper.make_tensor_value_info("inputs", kind, [None, columns])],
        [helper.make_tensor_value_info("margins", kind, [None, 1])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=OPSETS, ir_version=IR_VERSION, producer_name="hedis")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def linear_nodes(fitted: Fitted) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], int]:
    """inputs · coefficients + intercept."""
    constants = [
        numpy_helper.from_array(fitted.estimator.coef_.T.astype(np.float64), "coefficients"),
        numpy_helper.from_array(fitted.estimator.intercept_.astype(np.float64), "intercept"),
    ]
    nodes = [
        helper.make_node("MatMul", ["inputs", "coefficients"], ["products"]),
        helper.make_node("Add", ["products", "intercept"], ["margins"]),
    ]
    return nodes, constants, TensorProto.DOUBLE


def rounded_down(thresholds: Floats) -> Floats:
    """The largest single-precision numbers not above: so a single-precision value falls on the same side as before."""
    single = thresholds.astype(np.float32)
    above = single.astype(np.float64) > thresholds
    return np.where(above, np.nextafter(single, np.float32(-np.inf)), single).astype(np.float64)


def tree_node(fitted: Fitted) -> onnx.NodeProto:
    """All trees as one ensemble. `nodes_hitrates` holds how many training rows came by each node."""
    model = fitted.estimator
    trees = [predictor.nodes for (predictor,) in model._predictors]
    nodes = np.concatenate(trees)
    tree_ids = np.repeat(np.arange(len(trees)), [len(tree) for tree in trees])
    node_ids = np.concatenate([np.arange(len(tree)) for tree in trees])
    leaf = nodes["is_leaf"].astype(bool)
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["inputs"],
        ["margins"],
        domain="ai.onnx.ml",
        n_targets=1,
        base_values=[float(model._baseline_prediction.item())],
        nodes_treeids=tree_ids.tolist(),
        nodes_nodeids=node_ids.tolist(),
        nodes_featureids=np.where(leaf, 0, nodes["feature_idx"]).tolist(),
        nodes_values=np.where(leaf, 0.0, rounded_down(nodes["num_threshold"])).tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_missing_value_tracks_true=np.where(leaf, 0, nodes["missing_go_to_left"]).tolist(),
        nodes_truenodeids=np.where(leaf, 0, nodes["left"]).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, nodes["right"]).tolist(),
        nodes_hitrates=nodes["count"].astype(float).tolist(),
        target_treeids=tree_ids[leaf].tolist(),
        target_nodeids=node_ids[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()),
        target_weights=nodes["value"][leaf].tolist(),
    )
