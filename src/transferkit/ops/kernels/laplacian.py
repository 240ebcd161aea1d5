"""The graph of nearest rows by cosine, and its normalised Laplacian."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ...core.protocols import Array
from ..neighbours import nearest
from ..solvers.linalg import unit_rows

__all__ = ["cosine_graph", "normalised_laplacian"]


def cosine_graph(X: Array, n_neighbors: int) -> sparse.csr_array:
    """Symmetric weights between each row and the rows nearest to it by cosine: their cosine, or 0 where that is negative.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
    n_neighbors : int
        Neighbours of each row, besides the row itself; all other rows where there are fewer. Two rows are joined where
        one is among the neighbours of the other.

    Returns
    -------
    W : sparse array of shape (n_rows, n_rows)
        With a diagonal of ones, so that no row stands alone.
    """
    X = unit_rows(np.asarray(X, dtype=np.float64))
    n = len(X)
    k = min(n_neighbors + 1, n)
    squared, index = nearest(X, X, k)
    found = np.isfinite(squared).ravel()  # the search among very many rows may leave places empty
    heads, tails = np.repeat(np.arange(n), k)[found], index.ravel()[found]
    cosines = np.maximum(np.einsum("ij,ij->i", X[heads], X[tails]), 0.0)
    W = sparse.csr_array((cosines, (heads, tails)), shape=(n, n))
    W = W.maximum(W.T).tolil()
    W.setdiag(1.0)
    return W.tocsr()


def normalised_laplacian(W: sparse.csr_array) -> sparse.csr_array:
    """``I - D^(-1/2) W D^(-1/2)`` with D the diagonal of the row sums, which must not be 0."""
    root = sparse.diags_array(1 / np.sqrt(W.sum(axis=1)))
    return (sparse.eye_array(W.shape[0]) - root @ W @ root).tocsr()
