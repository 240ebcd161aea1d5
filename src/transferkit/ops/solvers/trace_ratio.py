"""The orthonormal projection of the least ratio of two traces."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from ...core.protocols import Array

__all__ = ["least_trace_ratio"]


def least_trace_ratio(A: Array, B: Array, k: int, start: float = 1.0) -> tuple[Array, float]:
    """Orthonormal W with the least ``tr(W' A W) / tr(W' B W)``, and that ratio.

    The columns are the last eigenvectors of ``A - rho B``, rho the ratio they had before: it falls to the global minimum,
    quadratically in the end.

    Parameters
    ----------
    A : array of shape (n, n)
        Symmetric.
    B : array of shape (n, n)
        Symmetric and positive definite.
    k : int
        Columns, at most n.
    start : float
        The first rho; the nearer to the answer, the fewer eigenproblems.

    Returns
    -------
    W : array of shape (n, k)
    ratio : float
    """
    best, least, rho = np.eye(len(A), k), np.inf, start
    for _ in range(100):
        W = eigh(A - rho * B, subset_by_index=(0, k - 1), check_finite=False)[1]
        rho = float((W * (A @ W)).sum() / (W * (B @ W)).sum())
        if rho >= least:
            break
        best, gain, least = W, least - rho, rho
        if gain <= 1e-8 * abs(least):  # the next gain would be of the order of its square
            break
    return best, least
