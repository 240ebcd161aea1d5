"""Gradient boosting with trees on top of given scores, kept as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, softmax
from sklearn.tree import DecisionTreeRegressor

from ...core.protocols import Array
from .arrays import reached_leaves

__all__ = ["add_trees", "boost", "boosting_loss"]


def boosting_loss(scores: Array, y: Array, classes: bool) -> float:
    """Mean squared error of one column of scores, or mean log-loss; one column is the logit of the second of two classes."""
    if not classes:
        return float(np.mean((y - scores[:, 0]) ** 2))
    if scores.shape[1] == 1:
        return float(np.logaddexp(0, np.where(y == 1, -scores[:, 0], scores[:, 0])).mean())
    return float(-log_softmax(scores, axis=1)[np.arange(len(y)), y].mean())


def boost(
    X: Array, scores: Array, y: Array, classes: bool, n_rounds: int, rng: np.random.RandomState, **tree: Any
) -> list[dict[str, Array]]:
    """Trees that lower the loss of given scores, a dict of arrays a round.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
    scores : array of shape (n_rows, n_outputs)
        What is there before the first round.
    y : array of shape (n_rows,)
        Numbers, or class codes.
    classes : bool
        Whether the loss is that of classes.
    n_rounds : int
    rng : RandomState
        Splits that are equally good are drawn from.
    **tree
        ``learning_rate``, ``max_depth`` and ``min_samples_leaf``.

    Returns
    -------
    rounds : list of dict
        For each, the trees of its outputs; it ends early where nothing is left to lower.
    """
    k, rate = scores.shape[1], tree.pop("learning_rate")
    scores = scores.copy()
    if classes:
        truth = (y[:, None] == (1 if k == 1 else np.arange(k))).astype(np.float64)
    else:
        truth = y[:, None]
    least = 1e-12 * np.abs(truth).max()
    rounds = []
    for _ in range(n_rounds):
        if classes:
            p = expit(scores) if k == 1 else softmax(scores, axis=1)
            residual = truth - p
            curve = np.abs(residual) * (1 - np.abs(residual)) * (1.0 if k == 1 else k / (k - 1))
        else:
            residual, curve = truth - scores, np.ones((len(y), 1))
        if np.abs(residual).max() <= least:
            break
        parts = [_tree(X, residual[:, j], curve[:, j], rate, rng, tree) for j in range(k)]
        rounds.append(_joined(parts))
        scores += add_trees(rounds[-1:], X, k)
    return rounds


def _tree(
    X: Array, residual: Array, curve: Array, rate: float, rng: np.random.RandomState, rule: Any
) -> Mapping[str, Array]:
    """A tree on the residuals, its leaves one Newton step long."""
    size = np.abs(residual).max() or 1.0  # a variance below 2e-16 is none to scikit-learn
    inner = DecisionTreeRegressor(**rule, random_state=rng.randint(2**31 - 1)).fit(X, residual / size)
    leaf, n = inner.apply(X), inner.tree_.node_count
    down = np.bincount(leaf, curve, minlength=n)
    up = np.bincount(leaf, residual, minlength=n)
    value = np.divide(up, down, out=np.zeros(n), where=down > 1e-10)
    t = inner.tree_
    return {
        "left": t.children_left, "right": t.children_right, "feature": t.feature, "threshold": t.threshold,
        "value": rate * value,
    }  # fmt: skip


def _joined(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    starts = np.cumsum([0] + [len(p["left"]) for p in parts[:-1]])
    found = {name: np.concatenate([p[name] for p in parts]) for name in ("feature", "threshold", "value")}
    for side in ("left", "right"):
        found[side] = np.concatenate([np.where(p[side] >= 0, p[side] + s, -1) for p, s in zip(parts, starts)])
    return {**found, "roots": starts}


def add_trees(rounds: Sequence[Mapping[str, Array]], X: Array, n_outputs: int) -> Array:
    """Sum of the rounds' trees at rows, of shape (n_rows, n_outputs)."""
    total = np.zeros((len(X), n_outputs))
    for trees in rounds:
        total += trees["value"][reached_leaves(trees, X)]
    return total
