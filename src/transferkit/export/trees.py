"""Decision trees that are kept as plain arrays, scikit-learn's too, as one node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ..core.protocols import Array
from .answer import Answer
from .graph import Graph

__all__ = ["forest_answer", "tree_sums"]

_TREES = (DecisionTreeClassifier, DecisionTreeRegressor)
_FORESTS = (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor)


def tree_sums(graph: Graph, rows: str, forests: Sequence[Mapping[str, Array]], values: Sequence[Array]) -> str:
    """Sum of what trees say of rows, of shape (rows, n_outputs).

    Rows are compared in single precision, as the trees do, and values are summed in it, which is all that the node has.

    Parameters
    ----------
    graph : Graph
    rows : str
        Double precision.
    forests : sequence of at least one dict of arrays
        As `transferkit.ops.trees.arrays.flat_trees` makes them: the nodes of a tree lie together, its root first. With
        ``missing`` too: whether a missing value goes left.
    values : sequence of arrays of shape (n_nodes, n_outputs)
        What each node of a forest adds where it is a leaf.
    """
    parts, n_trees = [], 0
    for forest, value in zip(forests, values):
        parts.append(_columns(forest, value, n_trees))
        n_trees += len(forest["roots"])
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    single = graph.cast(rows, np.float32)
    n_outputs = values[0].shape[1]
    found = graph.add("TreeEnsembleRegressor", single, domain="ai.onnx.ml", n_targets=n_outputs, **columns)
    return graph.cast(found, np.float64)


def _columns(forest: Mapping[str, Array], value: Array, first: int) -> dict[str, Array]:
    """The node's attributes; its trees are numbered from `first`."""
    n_nodes, roots = len(value), forest["roots"]
    tree = np.searchsorted(roots, np.arange(n_nodes), side="right") - 1
    start, inner = roots[tree], forest["left"] >= 0
    # x <= t of a single x and a double t is x <= t rounded down.
    threshold = forest["threshold"].astype(np.float32)
    high = threshold > forest["threshold"]
    threshold[high] = np.nextafter(threshold[high], np.float32(-np.inf))
    leaf, output = np.nonzero(np.where(inner[:, None], 0, value))
    if not len(leaf):  # the node wants one
        leaf, output = np.flatnonzero(~inner)[:1], np.zeros(1, dtype=np.int64)
    columns = {
        "nodes_treeids": tree + first,
        "nodes_nodeids": np.arange(n_nodes) - start,
        "nodes_featureids": np.where(inner, forest["feature"], 0),
        "nodes_values": np.where(inner, threshold, np.float32(0)),
        "nodes_modes": np.where(inner, b"BRANCH_LEQ", b"LEAF"),
        "nodes_truenodeids": np.where(inner, forest["left"] - start, 0),
        "nodes_falsenodeids": np.where(inner, forest["right"] - start, 0),
        "target_treeids": tree[leaf] + first,
        "target_nodeids": leaf - start[leaf],
        "target_ids": output,
        "target_weights": value[leaf, output].astype(np.float32),
    }
    if "missing" in forest:
        columns["nodes_missing_value_tracks_true"] = forest["missing"].astype(np.int64)
    return columns


def forest_answer(graph: Graph, model: Any, rows: str) -> Answer | None:
    """The answer of a tree or forest of scikit-learn with one output; None of all others."""
    if not isinstance(model, _TREES + _FORESTS) or model.n_outputs_ > 1:
        return None
    trees = [t.tree_ for t in (model.estimators_ if isinstance(model, _FORESTS) else [model])]
    roots = np.cumsum([0, *(t.node_count for t in trees[:-1])])

    def joined(name: str) -> Array:
        return np.concatenate([getattr(t, name) for t in trees])

    offset = np.repeat(roots, [t.node_count for t in trees])
    left, right = joined("children_left"), joined("children_right")
    forest = {
        "left": np.where(left >= 0, left + offset, -1),
        "right": np.where(right >= 0, right + offset, -1),
        "feature": joined("feature"),
        "threshold": joined("threshold"),
        "missing": joined("missing_go_to_left"),
        "roots": roots,
    }
    value = joined("value")[:, 0, :]
    total = tree_sums(graph, rows, [forest], [value])
    mean = graph.add("Div", total, graph.constant(np.full(value.shape[1], len(trees), np.float64)))
    if not hasattr(model, "classes_"):
        return Answer(value=graph.one_row_axis(mean))
    return Answer(classes=np.asarray(model.classes_), proba=mean)
