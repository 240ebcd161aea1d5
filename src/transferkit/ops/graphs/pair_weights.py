"""Pairs of classes along the edges of two graphs: how often each is there, how a classifier confuses them, and weights
under which the one graph's pairs are as frequent as the other's."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import nnls

from ...core.protocols import Array

__all__ = ["as_shares", "neighbour_ratios", "pair_confusions", "pair_shares", "share_weights"]

_HEAVY = 1e4


def as_shares(table: Array) -> Array:
    """Rows of a non-negative table made to sum to 1, where they are not all 0."""
    total = table.sum(axis=1, keepdims=True)
    return np.divide(table, total, out=np.zeros(table.shape), where=total > 0)


def pair_shares(P: Array, adjacency: Any) -> Array:
    """Shares of the pairs of classes among the edges.

    Parameters
    ----------
    P : array of shape (n, n_classes)
        Shares of each node in the classes: they sum to 1, or are all 0 where a node does not count.
    adjacency : CSR matrix of shape (n, n)
        ``adjacency[i, j]`` is the weight of the edge from i to j.

    Returns
    -------
    array of shape (n_classes, n_classes)
        Row: class of the node that takes; column: of the one that gives. They sum to 1, or are all 0 without edges.
    """
    found: Array = P.T @ (adjacency.T @ P)
    total = found.sum()
    return found / total if total > 0 else found


def pair_confusions(P: Array, Y: Array, adjacency: Any) -> Array:
    """Mean over the edges of ``(p_i (x) p_j) (y_i (x) y_j)'``, with i the node that takes and j the one that gives.

    Parameters
    ----------
    P, Y : array of shape (n, n_classes)
        Predicted and true shares of each node in the classes.
    adjacency : CSR matrix of shape (n, n)

    Returns
    -------
    array of shape (n_classes**2, n_classes**2)
        Row: predicted pair; column: true pair; pairs in the order of `pair_shares`, row by row. The sum is 1, or 0 without
        edges.
    """
    k = P.shape[1]
    found = np.zeros((k, k, k, k))  # predicted of taker and giver, true of taker and giver
    of_class = [np.flatnonzero(Y[:, c] > 0) for c in range(k)]
    parts = [P[rows] * Y[rows, c, None] for c, rows in enumerate(of_class)]
    for c, takers in enumerate(of_class):
        reached = adjacency[:, takers] @ parts[c]  # by each giver, of the predictions of takers of class c
        for d, givers in enumerate(of_class):
            found[:, :, c, d] = reached[givers].T @ parts[d]
    total = found.sum()
    return (found / total if total > 0 else found).reshape(k * k, k * k)


def share_weights(confusion: Array, seen: Array, share: Array, penalty: float) -> Array:
    """argmin ``|confusion w - seen|^2 + penalty |w - 1|^2`` over ``w >= 0`` with ``share . w = 1``.

    Parameters
    ----------
    confusion : array of shape (n_seen, n)
        Joint shares of what is predicted and what is true, in the source.
    seen : array of shape (n_seen,)
        Shares of what is predicted, in the target.
    share : array of shape (n,)
        Shares of what is true, in the source: the sums of `confusion` over its rows.
    penalty : float
        Positive.

    Returns
    -------
    array of shape (n,)
        Target share over source share; 1 for what the source does not have, and throughout where there is nothing to compare.
    """
    weights, there = np.ones(len(share)), share > 0
    if not there.any() or not seen.any():
        return weights
    C, m = confusion[:, there], share[there]
    # Least squares with a row for the constraint that outweighs all others; what is missing to 1 then is made up for.
    heavy, pull = _HEAVY * max(1.0, penalty**0.5) / np.linalg.norm(m), penalty**0.5
    rows = np.vstack([C, pull * np.eye(len(m)), heavy * m])
    found, _ = nnls(rows, np.concatenate([seen, np.full(len(m), pull), [heavy]]))
    weights[there] = found / (m @ found)
    return weights


def neighbour_ratios(shares: Array, weights: Array, floor: float) -> Array:
    """How much likelier a neighbour of a node of class a has class b in the target than in the source.

    Parameters
    ----------
    shares : array of shape (n_classes, n_classes)
        Of the pairs in the source, as `pair_shares` gives them.
    weights : array of shape (n_classes, n_classes)
        Of the pairs, as `share_weights` finds them.
    floor : float
        Non-negative; added to all shares of both, so that rare pairs do not get extreme ratios.

    Returns
    -------
    array of shape (n_classes, n_classes)
        1 where the source or the target says nothing of a row, or of a pair.
    """
    source, target = shares + floor, shares * weights + floor
    (given, total), (given_t, total_t) = ((s, s.sum(axis=1, keepdims=True)) for s in (source, target))
    known = (given > 0) & (total > 0) & (total_t > 0)
    over, under = given_t * total, given * total_t
    return np.divide(over, under, out=np.ones_like(shares), where=known & (under > 0))
