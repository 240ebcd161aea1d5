"""Nearest rows: exact for up to 10,000 by 10,000 rows, by cells beyond that, where all pairs would take minutes."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

from ..core.protocols import Array

__all__ = ["SAME", "nearest"]

SAME = 1e-12  # of a query's squared distance from the mean: squared distances below are as good as rounding
_EXACT_PAIRS = 10**8
_PROBES = 16  # cells that a query looks into
_BLOCK = 4_000_000  # distances held at a time


def nearest(X: Array, Q: Array, k: int, *, exact_pairs: int = _EXACT_PAIRS) -> tuple[Array, Array]:
    """Squared distances to, and indices of, the k rows of `X` nearest to each row of `Q`, the nearest first.

    Beyond `exact_pairs` pairs the rows are put into sqrt(n) cells around as many rows drawn at random, and a query is
    compared with the rows of the 16 cells whose centres are nearest: O(n^1.5) work, and most but not all of the true
    neighbours. A query that finds fewer than k rows there has the distance inf in the places left.

    Rows nearer to a query than a millionth of its distance from the mean of `X` have the distance 0: what is computed for
    rows in one place is rounding, of which no width of a neighbourhood must be made.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
        Rows to search.
    Q : array of shape (n_queries, n_features)
        Rows to search for.
    k : int
        How many; at most ``n_rows``.
    exact_pairs : int
        Above this many pairs the search goes by cells.

    Returns
    -------
    squared : array of shape (n_queries, k)
    index : int array of shape (n_queries, k)
    """
    mean = X.mean(axis=0, dtype=np.float64)
    X, Q = X - mean, Q - mean  # far from the origin the squared distances would lose their digits
    if len(X) * len(Q) <= exact_pairs:
        squared, index = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="sqeuclidean").fit(X).kneighbors(Q)
    else:
        squared, index = _by_cells(X, Q, k)
    squared[squared <= SAME * np.einsum("ij,ij->i", Q, Q)[:, None]] = 0.0
    return squared, index


def _by_cells(X: Array, Q: Array, k: int) -> tuple[Array, Array]:
    centres = X[np.random.default_rng(0).choice(len(X), int(np.sqrt(len(X))), replace=False)]
    cell = nearest(centres, X, 1, exact_pairs=len(centres) * len(X))[1][:, 0]
    filled, cell = np.unique(cell, return_inverse=True)  # a row drawn twice leaves a cell empty
    order = np.argsort(cell, kind="stable")
    rows_of = np.split(order, np.searchsorted(cell[order], np.arange(1, len(filled))))
    n_probes = min(_PROBES, len(filled))
    probes = nearest(centres[filled], Q, n_probes, exact_pairs=len(filled) * len(Q))[1].ravel()
    asking = np.argsort(probes, kind="stable")
    queries_of = np.split(asking // n_probes, np.searchsorted(probes[asking], np.arange(1, len(filled))))
    norms_X, norms_Q = np.einsum("ij,ij->i", X, X), np.einsum("ij,ij->i", Q, Q)
    squared, index = np.full((len(Q), k), np.inf), np.zeros((len(Q), k), dtype=np.intp)
    for rows, queries in zip(rows_of, queries_of):
        for asked in np.array_split(queries, len(rows) * len(queries) // _BLOCK + 1):
            gaps = norms_Q[asked, None] + norms_X[rows] - 2 * (Q[asked] @ X[rows].T)
            both = np.hstack([squared[asked], np.maximum(gaps, 0.0)])
            best = np.argpartition(both, k - 1, axis=1)[:, :k]
            names = np.hstack([index[asked], np.broadcast_to(rows, gaps.shape)])
            squared[asked] = np.take_along_axis(both, best, axis=1)
            index[asked] = np.take_along_axis(names, best, axis=1)
    by_distance = np.argsort(squared, axis=1, kind="stable")
    return np.take_along_axis(squared, by_distance, axis=1), np.take_along_axis(index, by_distance, axis=1)
