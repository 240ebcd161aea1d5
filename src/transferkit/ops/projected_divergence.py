"""How much the densities of two samples differ in a subspace, and which way to turn it."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from ..core.protocols import Array
from .kernels.gaussian import rbf

__all__ = ["projected_divergence"]


def projected_divergence(W: Array, X: Array, n_first: int, C: Array, width: float) -> tuple[float, Array]:
    """Integral of the squared difference of the kernel densities of two samples' projections, with its gradient.

    The Gaussian kernels of the densities have the covariance ``width W' C W``. The integral is in units of it and without
    the kernels' constant, so that it is in [0, 2] and the same for all bases of a subspace.

    Parameters
    ----------
    W : array of shape (n_features, k)
        Of full column rank.
    X : array of shape (n_samples, n_features)
        Both samples, one below the other.
    n_first : int
        Rows of the first.
    C : array of shape (n_features, n_features)
        Symmetric and positive definite.
    width : float
        Positive.

    Returns
    -------
    divergence : float
    gradient : array of shape (n_features, k)
    """
    share = np.repeat([1 / n_first, -1 / (len(X) - n_first)], [n_first, len(X) - n_first])
    CW = C @ W
    R = cholesky(W.T @ CW, check_finite=False)
    whiten = solve_triangular(R, np.eye(len(R)), check_finite=False)
    Z = X @ (W @ whiten)
    P = rbf(Z, Z, 0.25 / width)
    P *= share
    P *= share[:, None]
    sums = P.sum(axis=1)
    # Differences of rows, of the features on the left and whitened on the right, weighted by P: by P's Laplacian.
    Q = X.T @ (sums[:, None] * Z - P @ Z)
    gradient = (CW @ (whiten @ (whiten.T @ (W.T @ Q))) - Q) @ whiten.T / width
    return float(sums.sum()), gradient
