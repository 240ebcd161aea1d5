"""Rows as principal components of the Gaussian kernel, for methods whose kernel form is their plain form on those."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import KernelPCA

from ...core.protocols import Array
from .gaussian import median_gamma

__all__ = ["fit_kernel_map", "kernel_components"]

_MOST = 500


def fit_kernel_map(X: Array, gamma: float | None, most: int = _MOST) -> KernelPCA:
    """The components of the centred Gaussian kernel of the rows, as scikit-learn's decomposition.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
    gamma : float or None
        Of the kernel ``exp(-gamma |x - y|^2)``; None is half the inverse median squared distance.
    most : int
        At most so many components, the most important ones: all of them where there are not more rows.
    """
    k = min(most, len(X))
    decomposition = KernelPCA(
        k, kernel="rbf", gamma=gamma or median_gamma(X), eigen_solver="dense", remove_zero_eig=True
    )
    return decomposition.fit(X)


def kernel_components(decomposition: KernelPCA, X: Array) -> Array:
    """Components of rows, of shape (n_samples, n_components); one column of zeros where all rows of the fit were equal."""
    Z = decomposition.transform(X)
    return Z if Z.shape[1] else np.zeros((len(X), 1))
