"""Gaussian kernels between rows and the widths to try: what the density ratio estimators share."""

from __future__ import annotations

import numpy as np

from ..core.protocols import Array
from .two_sample import median_bandwidth

__all__ = ["draw_centres", "gamma_grid", "gaussian", "median_gamma", "squared_distances"]

_MEDIAN_ROWS = 500  # the median distance of that many rows is within a few per cent of that of all


def squared_distances(A: Array, B: Array) -> Array:
    """Squared Euclidean distances of the rows, of shape (len(A), len(B)), in double precision.

    One matrix product instead of a loop over pairs. Both are moved to the mean of `B` first, so that data far from the
    origin lose no digits.
    """
    centre = B.mean(axis=0, dtype=np.float64)
    A, B = A - centre, B - centre
    left = np.column_stack([-2.0 * A, np.einsum("ij,ij->i", A, A), np.ones(len(A))])
    right = np.column_stack([B, np.ones(len(B)), np.einsum("ij,ij->i", B, B)])
    D = left @ right.T
    return np.maximum(D, 0.0, out=D)


def gaussian(A: Array, B: Array, gamma: float) -> Array:
    """``exp(-gamma ||a - b||^2)`` for all pairs of rows, of shape (len(A), len(B))."""
    D = squared_distances(A, B)
    D *= -gamma
    return np.exp(D, out=D)


def median_gamma(Xs: Array, Xt: Array) -> float:
    """``1 / (2 s^2)`` with s the median distance of the pooled rows (of 500 evenly spaced ones where there are more)."""
    Z = np.concatenate([Xs, Xt]).astype(np.float64, copy=False)
    rows = np.linspace(0, len(Z) - 1, min(len(Z), _MEDIAN_ROWS)).astype(int)
    return float(1 / (2 * median_bandwidth(Z[rows]) ** 2))


def gamma_grid(gamma: float) -> Array:
    """Kernel parameters whose widths are 4 to 1/4 times that of `gamma`, in steps of the square root of 2."""
    return gamma * 2.0 ** np.arange(-4, 5)


def draw_centres(Xt: Array, n_centres: int, rng: np.random.RandomState) -> Array:
    """At most `n_centres` target rows, drawn without replacement: the middles of the kernels."""
    return Xt[rng.permutation(len(Xt))[:n_centres]]
