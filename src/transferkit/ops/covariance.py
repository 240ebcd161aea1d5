"""Regularised covariances and powers of symmetric positive matrices."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from ..core.protocols import Array

__all__ = ["covariance", "matrix_power"]


def covariance(X: Array, reg: float = 0.0) -> Array:
    """Unbiased covariance of the rows plus ``reg`` times the identity, of shape (n_features, n_features)."""
    centred = X - X.mean(axis=0)
    cov = centred.T @ centred / max(len(X) - 1, 1)
    cov.flat[:: cov.shape[0] + 1] += reg
    return cov


def matrix_power(A: Array, power: float, rcond: float = 1e-10) -> Array:
    """Real power of a symmetric positive semi-definite matrix.

    Directions whose eigenvalue is below ``rcond`` times the largest count as absent: they are dropped, not inverted.
    """
    values, vectors = eigh(A, driver="evd")
    keep = values > rcond * max(values[-1], np.finfo(values.dtype).tiny)
    return (vectors[:, keep] * values[keep] ** power) @ vectors[:, keep].T
