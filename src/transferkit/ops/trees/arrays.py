"""Decision trees as plain arrays: read from scikit-learn's, changed as nested nodes, asked all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from ...core.protocols import Array

__all__ = ["Node", "flat_trees", "grow_like", "leaf_values", "nested_tree", "reached_leaves"]


@dataclass
class Node:
    """A node of a tree.

    Attributes
    ----------
    counts : array of shape (n_classes,)
        Class counts of the rows in it.
    feature, threshold : int, float
        Rows at or below the threshold go left; of a leaf without meaning.
    left, right : Node or None
        None for a leaf.
    """

    counts: Array
    feature: int = -1
    threshold: float = 0.0
    left: Node | None = None
    right: Node | None = None


def nested_tree(tree: Any, columns: Array, n_classes: int) -> Node:
    """A fitted tree classifier of scikit-learn as nodes.

    Parameters
    ----------
    tree : DecisionTreeClassifier or ExtraTreeClassifier
    columns : int array
        Which class each of the tree's is.
    n_classes : int
        In all.
    """
    inner = tree.tree_
    counts = np.zeros((inner.node_count, n_classes))
    counts[:, columns] = inner.value[:, 0, :] * inner.weighted_n_node_samples[:, None]
    nodes = [Node(c, int(f), float(t)) for c, f, t in zip(counts, inner.feature, inner.threshold)]
    for node, left, right in zip(nodes, inner.children_left, inner.children_right):
        if left >= 0:
            node.left, node.right = nodes[left], nodes[right]
    return nodes[0]


def grow_like(like: Any, n_classes: int, rng: np.random.RandomState, X: Array, codes: Array) -> Node:
    """A whole tree grown on rows and classes (codes) by the split rule of another tree classifier."""
    rule = {name: getattr(like, name) for name in ("criterion", "splitter", "max_features")}
    tree = DecisionTreeClassifier(**rule, random_state=rng.randint(2**31 - 1)).fit(X, codes)
    return nested_tree(tree, tree.classes_, n_classes)


def flat_trees(roots: Sequence[Node]) -> dict[str, Array]:
    """Trees as arrays over all their nodes: ``left``, ``right`` (-1 at a leaf), ``feature``, ``threshold``, ``value`` (class
    shares) and ``roots``."""
    nodes: list[Node] = []
    links: list[tuple[int, int]] = []
    starts = []
    for root in roots:
        starts.append(len(nodes))
        waiting = [root]
        nodes.append(root)
        links.append((-1, -1))
        place = {id(root): starts[-1]}
        while waiting:
            node = waiting.pop()
            if node.left is None or node.right is None:
                continue
            for child in (node.left, node.right):
                place[id(child)] = len(nodes)
                nodes.append(child)
                links.append((-1, -1))
                waiting.append(child)
            links[place[id(node)]] = place[id(node.left)], place[id(node.right)]
    value = np.array([node.counts for node in nodes], dtype=np.float64)
    total = value.sum(axis=1, keepdims=True)
    sides = np.array(links)
    return {
        "left": sides[:, 0],
        "right": sides[:, 1],
        "feature": np.array([node.feature for node in nodes]),
        "threshold": np.array([node.threshold for node in nodes]),
        "value": np.divide(value, total, out=np.full_like(value, 1 / value.shape[1]), where=total > 0),
        "roots": np.array(starts),
    }


def reached_leaves(trees: Mapping[str, Array], X: Array) -> Array:
    """The node that each row ends in, of shape (n_rows, n_trees)."""
    X = np.asarray(X, dtype=np.float32)  # as scikit-learn's trees see rows
    at = np.tile(trees["roots"], (len(X), 1))
    while True:
        inner = trees["left"][at] >= 0
        if not inner.any():
            return at
        low = np.take_along_axis(X, np.where(inner, trees["feature"][at], 0), axis=1) <= trees["threshold"][at]
        at = np.where(inner, np.where(low, trees["left"][at], trees["right"][at]), at)


def leaf_values(trees: Mapping[str, Array], X: Array) -> Array:
    """Class shares in the leaves that rows come to, mean over the trees, of shape (n_rows, n_classes)."""
    leaves = reached_leaves(trees, X)
    total = np.zeros((len(leaves), trees["value"].shape[1]))
    for at in leaves.T:  # a tree at a time: rows by trees by classes may be more than there is room for
        total += trees["value"][at]
    return total / leaves.shape[1]
