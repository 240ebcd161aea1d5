"""Leading eigenvectors by the cheapest exact route, principal axes, rows of unit length."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh, qr
from scipy.linalg.blas import dsymv
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from ...core.protocols import Array

__all__ = ["iterates", "principal_axes", "symmetric_product", "top_eigh", "unit_rows"]

_TOL = 1e-10  # residual of an eigenvector relative to its eigenvalue at which Lanczos iterations stop
_SMALL = 400  # below this size a dense solver is faster than Lanczos iterations


def unit_rows(X: Array) -> Array:
    """Rows divided by their Euclidean length; rows of zeros stay zeros."""
    length = np.linalg.norm(X, axis=1, keepdims=True)
    return X / np.where(length > 0, length, 1)


def symmetric_product(A: Array) -> Callable[[Array], Array]:
    """What multiplies a symmetric matrix of doubles with a vector, reading half of it, or with the columns of a matrix."""
    upper = A.T if A.flags.c_contiguous else A

    def product(V: Array) -> Array:
        return dsymv(1.0, upper, V, lower=1) if V.ndim == 1 else A @ V

    return product


def iterates(n: int, k: int) -> bool:
    """Whether `top_eigh` takes k eigenvectors of an n x n matrix from products with it alone."""
    return n > _SMALL and 10 * k <= n


def top_eigh(A: Array | LinearOperator, k: int) -> tuple[Array, Array]:
    """The k largest eigenvalues of a symmetric matrix, falling, and their unit eigenvectors as columns.

    Few vectors of a large matrix come from Lanczos iterations to ten digits, which may miss copies of an eigenvalue that
    occurs many times; all else comes from a dense solver. The sign of a vector is such that its largest entry is positive.
    """
    n = A.shape[0]
    if iterates(n, k):
        try:
            # A start that is drawn once: a constant one lies in the null space of every centred matrix.
            start = np.random.default_rng(0).standard_normal(n)
            # Relative to eigenvalues of about 1: ARPACK's tolerance is that of 4e-11 for all below.
            scale = float(np.abs(A @ start).max()) or 1.0
            scaled = LinearOperator((n, n), matvec=lambda v: A @ v / scale, dtype=np.float64)
            values, vectors = eigsh(scaled, k=k, which="LA", v0=start, tol=_TOL)
            return _ordered(values * scale, vectors)
        except ArpackError:
            pass  # breaks down on a matrix of very low rank, which the dense solver takes
    dense = A if isinstance(A, np.ndarray) else A @ np.eye(n)
    return _ordered(*eigh(dense, subset_by_index=(n - k, n - 1)))


def _ordered(values: Array, vectors: Array) -> tuple[Array, Array]:
    order = np.argsort(values)[::-1]
    values, vectors = values[order], vectors[:, order]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))]
    return values, vectors * np.where(largest < 0, -1.0, 1.0)


def principal_axes(X: Array, k: int) -> tuple[Array, Array]:
    """Mean of the rows, and an orthonormal basis of their first principal directions.

    Returns
    -------
    mean : array of shape (n_features,)
    axes : array of shape (n_features, n_axes)
        ``n_axes`` is `k`, or the rank of the centred rows where that is smaller, but at least 1.
    """
    mean = X.mean(axis=0, dtype=np.float64)
    centred = X - mean
    n, d = X.shape
    wide = d > n
    gram = centred @ centred.T if wide else centred.T @ centred
    values, vectors = top_eigh(gram, min(k, n, d))
    rank = max(int((values > values[0] * max(n, d) * np.finfo(np.float64).eps).sum()), 1)
    if not wide:
        return mean, vectors[:, :rank]
    axes, _ = qr(centred.T @ vectors[:, :rank], mode="economic")
    return mean, axes
