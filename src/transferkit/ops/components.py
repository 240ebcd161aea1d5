"""Fewer rows and fewer columns: what comes before a test or a clustering of large samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import svd
from sklearn.utils import check_random_state
from sklearn.utils.extmath import randomized_svd

from ..core.protocols import Array

__all__ = ["component_space", "subsample"]


def subsample(n: int, most: int, random_state: Any) -> Array:
    """Indices of at most `most` of `n` rows, drawn without replacement, in rising order."""
    if n <= most:
        return np.arange(n)
    return np.sort(check_random_state(random_state).permutation(n)[:most])


def component_space(*parts: Any, n_components: int, scale: bool = True, random_state: Any = None) -> list[Array]:
    """Several samples in one space: the leading principal components of their pooled columns.

    Parameters
    ----------
    *parts : arrays or sparse matrices of shape (n_i, n_features)
        The samples.
    n_components : int
        Most components that are kept. With that few columns or fewer there is no rotation.
    scale : bool
        Standardise the columns first: right for columns in mixed units, wrong for columns that are components already,
        whose small ones are noise.
    random_state : int, RandomState or None
        For the randomised decomposition of large inputs.

    Returns
    -------
    list of arrays of shape (n_i, <= n_components)
    """
    dense = [np.asarray(p.toarray() if sparse.issparse(p) else p, dtype=np.float64) for p in parts]
    X = np.concatenate(dense)
    size = np.abs(X).max(axis=0)
    X = X - X.mean(axis=0)
    if scale:
        # A column is constant up to rounding when its spread is lost in the digits of its values.
        spread = X.std(axis=0)
        X /= np.where(spread > 1e-12 * size, spread, np.inf)
    if X.shape[1] > n_components:
        k = min(n_components, len(X))
        if min(X.shape) <= 3 * k:
            U, S, _ = svd(X, full_matrices=False)
        else:
            U, S, _ = randomized_svd(X, k, random_state=check_random_state(random_state))
        X = U[:, :k] * S[:k]
    return np.split(X, np.cumsum([len(d) for d in dense])[:-1])
