"""Squared distances between rows, the Gaussian kernel and its width."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist

from ...core.protocols import Array

__all__ = ["median_gamma", "rbf", "squared_distances"]


def squared_distances(X: Array, Y: Array) -> Array:
    """Squared Euclidean distances of shape (len(X), len(Y)) in double precision, by one matrix product.

    Both are moved to the mean of `Y` first: near the origin less cancels in ``|x|^2 + |y|^2 - 2xy``.
    """
    origin = Y.mean(axis=0, dtype=np.float64)
    X, Y = X - origin, Y - origin
    distances = X @ Y.T
    distances *= -2
    distances += np.einsum("ij,ij->i", X, X)[:, None]
    distances += np.einsum("ij,ij->i", Y, Y)
    return np.maximum(distances, 0, out=distances)


def rbf(X: Array, Y: Array, gamma: float) -> Array:
    """``exp(-gamma ||x - y||^2)``, of shape (len(X), len(Y))."""
    D = squared_distances(X, Y)
    D *= -gamma
    return np.exp(D, out=D)


def median_gamma(X: Array, max_rows: int = 1000) -> float:
    """``1 / (2 m)`` with m the median squared distance between two different rows; 1 where all rows are equal.

    More than `max_rows` rows are thinned evenly. Rows nearer than 1e-6 of the width of the data count as equal: `rbf` tells
    them apart by little more than rounding, which a kernel as narrow as that would show and nothing else.
    """
    squared = pdist(X[:: -(-len(X) // max_rows)], "sqeuclidean")
    squared = squared[squared > 1e-12 * squared.max(initial=0.0)]
    return float(0.5 / np.median(squared)) if len(squared) else 1.0
