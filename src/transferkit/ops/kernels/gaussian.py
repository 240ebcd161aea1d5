"""Squared distances between rows, the Gaussian kernel and its width."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist

from ...core.protocols import Array

__all__ = ["median_gamma", "rbf", "squared_distances"]

_CELLS = 131_072  # distances that are computed at a time
_ROWS = 32  # but of so many rows at least, or the product reads all of Y for few


def squared_distances(X: Array, Y: Array) -> Array:
    """Squared Euclidean distances of shape (len(X), len(Y)) in double precision, by matrix products.

    Both are moved to the mean of `Y` first: near the origin less cancels in ``|x|^2 + |y|^2 - 2xy``.
    """
    if isinstance(X, np.ndarray):
        return _in_blocks(X, Y, None)
    # Rows that an export follows are no array, and know no blocks.
    origin = Y.mean(axis=0, dtype=np.float64)
    X, Y = X - origin, Y - origin
    distances = X @ Y.T
    distances *= -2
    distances += np.einsum("ij,ij->i", X, X)[:, None]
    distances += np.einsum("ij,ij->i", Y, Y)
    return np.maximum(distances, 0, out=distances)


def rbf(X: Array, Y: Array, gamma: float) -> Array:
    """``exp(-gamma ||x - y||^2)``, of shape (len(X), len(Y))."""
    if isinstance(X, np.ndarray):
        return _in_blocks(X, Y, gamma)
    D = squared_distances(X, Y)
    D *= -gamma
    return np.exp(D, out=D)


def _in_blocks(X: Array, Y: Array, gamma: float | None) -> Array:
    """Squared distances, or the kernel of them, some rows at a time, which are finished while they are in the cache."""
    origin = Y.mean(axis=0, dtype=np.float64)
    # One product makes the whole sum: (-2x, |x|^2, 1) with (y, 1, |y|^2).
    left, right = np.ones((len(X), len(origin) + 2)), np.ones((len(Y), len(origin) + 2))
    for Z, rows, place in ((X, left, -2), (Y, right, -1)):
        moved = np.subtract(Z, origin, out=rows[:, :-2])
        rows[:, place] = np.einsum("ij,ij->i", moved, moved)
    left[:, :-2] *= -2
    out = np.empty((len(X), len(Y)))
    step = max(_CELLS // max(len(Y), 1), _ROWS)
    for first in range(0, len(X), step):
        block = np.matmul(left[first : first + step], right.T, out=out[first : first + step])
        np.maximum(block, 0, out=block)
        if gamma is not None:
            block *= -gamma
            np.exp(block, out=block)
    return out


def median_gamma(X: Array, max_rows: int = 1000) -> float:
    """``1 / (2 m)`` with m the median squared distance between two different rows; 1 where all rows are equal.

    More than `max_rows` rows are thinned evenly. Rows nearer than 1e-6 of the width of the data count as equal: `rbf` tells
    them apart by little more than rounding, which a kernel as narrow as that would show and nothing else.
    """
    squared = pdist(X[:: -(-len(X) // max_rows)], "sqeuclidean")
    squared = squared[squared > 1e-12 * squared.max(initial=0.0)]
    return float(0.5 / np.median(squared)) if len(squared) else 1.0
