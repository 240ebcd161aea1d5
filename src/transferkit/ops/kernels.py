"""The Gaussian kernel and its width."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist

from ..core.protocols import Array

__all__ = ["median_gamma", "rbf"]


def rbf(X: Array, Y: Array, gamma: float) -> Array:
    """``exp(-gamma ||x - y||^2)``, of shape (len(X), len(Y))."""
    D = (-2.0) * (X @ Y.T)
    D += np.einsum("ij,ij->i", X, X)[:, None]
    D += np.einsum("ij,ij->i", Y, Y)
    np.maximum(D, 0, out=D)  # rounding can leave a distance of equal rows below 0
    D *= -gamma
    return np.exp(D, out=D)


def median_gamma(X: Array, max_rows: int = 1000) -> float:
    """``1 / (2 m)`` with m the median squared distance between two different rows; 1 where all rows are equal.

    More than `max_rows` rows are thinned evenly.
    """
    squared = pdist(X[:: -(-len(X) // max_rows)], "sqeuclidean")
    squared = squared[squared > 0]
    return float(0.5 / np.median(squared)) if len(squared) else 1.0
