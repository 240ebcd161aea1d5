"""A source's decision tree changed by labelled target rows: its structure expanded and reduced, or its thresholds moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.special import xlogy

from ...core.protocols import Array
from .arrays import Node

__all__ = ["divergence_gain", "expand_and_reduce", "move_thresholds"]


def _counts(codes: Array, n_classes: int) -> Array:
    return np.bincount(codes, minlength=n_classes).astype(np.float64)


def expand_and_reduce(
    node: Node, X: Array, codes: Array, grow: Callable[[Array, Array], Node], keep_unreached: bool
) -> Node:
    """Structure expansion/reduction (SER).

    Parameters
    ----------
    node : Node
        Root of the source's tree; it is not changed.
    X, codes : arrays of shape (n_rows, n_features), (n_rows,)
        Target rows and their classes.
    grow : callable
        Grows a whole tree on rows and classes.
    keep_unreached : bool
        Whether branches to which no target row comes stay as they are, and what they hang on is not reduced.
    """
    order = _reached(node, X, codes)
    # Leaves are grown from left to right; then every node is put together from its children, which come after it.
    done = {k: _leaf(step, X, codes, grow, keep_unreached) for k, step in enumerate(order) if not step.children}
    for k in range(len(order) - 1, -1, -1):
        if order[k].children:
            left, right = (done.pop(child) for child in order[k].children)
            done[k] = _joined(order[k], codes, left, right)
    found = done[0][0]
    return found if found is not None else node


@dataclass
class _Step:
    """A node with the target rows that come to it, and where its children stand; none of a leaf, or where no row comes."""

    node: Node
    rows: Array
    children: list[int] = field(default_factory=list)


# A node's successor (None: no target row came), its errors, and whether it holds branches of the source.
_Found = tuple[Node | None, float, bool]


def _reached(root: Node, X: Array, codes: Array) -> list[_Step]:
    """The nodes to which target rows come, and those right below; parents first, left before right.

    Nothing here calls itself: a tree may be deeper than Python's stack.
    """
    order: list[_Step] = []
    waiting = [(_Step(root, np.arange(len(codes))), [])]
    while waiting:
        step, siblings = waiting.pop()
        siblings.append(len(order))
        order.append(step)
        node, rows = step.node, step.rows
        if node.left is None or node.right is None or not len(rows):
            continue
        low = X[rows, node.feature] <= np.float64(node.threshold)  # a plain float would be rounded to the rows' float32
        for child, own in ((node.right, rows[~low]), (node.left, rows[low])):
            waiting.append((_Step(child, own), step.children))
    return order


def _leaf(step: _Step, X: Array, codes: Array, grow: Callable[[Array, Array], Node], keep: bool) -> _Found:
    if not len(step.rows):
        return (step.node, 0.0, True) if keep else (None, 0.0, False)
    own = codes[step.rows]
    if (own == own[0]).all():
        return Node(_counts(own, len(step.node.counts))), 0.0, False
    grown = grow(X[step.rows], own)
    return grown, _errors(grown), False


def _joined(step: _Step, codes: Array, left: _Found, right: _Found) -> _Found:
    node, counts = step.node, _counts(codes[step.rows], len(step.node.counts))
    as_leaf, wrong, kept = float(counts.sum() - counts.max()), left[1] + right[1], left[2] or right[2]
    if as_leaf <= wrong and not kept:
        return Node(counts), as_leaf, False
    if left[0] is None or right[0] is None:
        return (left[0] or right[0]), wrong, kept
    return Node(counts, node.feature, node.threshold, left[0], right[0]), wrong, kept


def _errors(root: Node) -> float:
    """Rows of a tree's own counts that are not of the largest class of their leaf."""
    wrong, waiting = 0.0, [root]
    while waiting:
        node = waiting.pop()
        if node.left is None or node.right is None:
            wrong += float(node.counts.sum() - node.counts.max())
        else:
            waiting += [node.left, node.right]
    return wrong


def move_thresholds(node: Node, X: Array, codes: Array) -> Node:
    """Structure transfer (STRUT): each threshold where the target's classes split as the source's did.

    Parameters
    ----------
    node : Node
        Root of the source's tree; it is not changed.
    X, codes : arrays of shape (n_rows, n_features), (n_rows,)
        Target rows and their classes, one row at least.
    """
    root = Node(np.empty(0))
    waiting = [(node, np.arange(len(codes)), root)]
    while waiting:
        source, rows, new = waiting.pop()
        new.counts = _counts(codes[rows], len(source.counts))
        if source.left is None or source.right is None or new.counts.max() == len(rows):
            continue
        first, second, own = source.left, source.right, codes[rows]
        values = X[rows, source.feature].astype(np.float64)  # a threshold between two float32 is none of them
        threshold, gain = _best_threshold(values, own, first.counts, second.counts)
        swapped, gain_swapped = _best_threshold(values, own, second.counts, first.counts)
        if gain_swapped > gain:
            first, second, threshold = second, first, swapped
        low = values <= threshold
        if low.all():  # one value: the other branch cannot be reached
            waiting.append((first, rows, new))
            continue
        new.feature, new.threshold = source.feature, threshold
        new.left, new.right = Node(np.empty(0)), Node(np.empty(0))
        waiting += [(second, rows[~low], new.right), (first, rows[low], new.left)]
    return root


def _best_threshold(values: Array, codes: Array, source_left: Array, source_right: Array) -> tuple[float, float]:
    """The threshold of the largest divergence gain among the local maxima of the information gain, and that gain."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    steps = np.flatnonzero(ordered[1:] > ordered[:-1])
    total = _counts(codes, len(source_left))
    if not len(steps):  # one value: all rows go to the left
        return float(ordered[0]), float(divergence_gain(total[None], 0 * total[None], source_left, source_right)[0])
    left = np.cumsum(np.eye(len(source_left))[codes[order]], axis=0)[steps]
    right = total - left
    n_left = left.sum(axis=1)
    spread = (n_left * _entropy(left) + (len(codes) - n_left) * _entropy(right)) / len(codes)
    around = np.concatenate([[np.inf], spread, [np.inf]])
    is_local = (spread <= around[:-2] + 1e-12) & (spread <= around[2:] + 1e-12)
    gains = np.where(is_local, divergence_gain(left, right, source_left, source_right), -np.inf)
    best = int(gains.argmax())
    middle = 0.5 * (ordered[steps[best]] + ordered[steps[best] + 1])
    return float(middle if middle < ordered[steps[best] + 1] else ordered[steps[best]]), float(gains[best])


def divergence_gain(left: Array, right: Array, source_left: Array, source_right: Array) -> Array:
    """``1 - p_L JSD(left, source_left) - p_R JSD(right, source_right)``, of shape (n_thresholds,).

    Parameters
    ----------
    left, right : arrays of shape (n_thresholds, n_classes)
        Class counts of target rows on either side; p are their shares.
    source_left, source_right : arrays of shape (n_classes,)
        Class counts of the source's branches.
    """
    n_left, n_right = left.sum(axis=1), right.sum(axis=1)
    near = n_left * _divergence(left, source_left) + n_right * _divergence(right, source_right)
    return 1 - near / (n_left + n_right)


def _shares(counts: Array) -> Array:
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, 1 / counts.shape[-1]), where=total > 0)


def _entropy(counts: Array) -> Array:
    p = _shares(counts)
    return -xlogy(p, p).sum(axis=-1) / np.log(2)


def _divergence(P: Array, Q: Array) -> Array:
    """Jensen-Shannon divergence in bits of class counts."""
    p, q = _shares(P), _shares(Q)
    return np.maximum(_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2, 0)
