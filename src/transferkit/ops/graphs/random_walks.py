"""Random walks on a graph, how often they meet, and what that says beyond chance: positive pointwise mutual information."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

__all__ = ["positive_information", "walk_counts"]


def walk_counts(adjacency: Any, n_walks: int, length: int, rng: np.random.Generator) -> Any:
    """How often walks that start at a node visit each of the others.

    Parameters
    ----------
    adjacency : CSR matrix of shape (n, n)
        ``adjacency[i, j]`` is the weight of the edge from i to j: the next node is drawn by these.
    n_walks : int
        Walks from every node.
    length : int
        Each walk has 1 to `length` steps, all as likely; it ends early where no edge leads on.
    rng : Generator

    Returns
    -------
    counts : CSR matrix of shape (n, n), float64
        Row: the start. Returns to it are not counted.
    """
    n = adjacency.shape[0]
    ends = np.cumsum(adjacency.data)
    before = np.append(0.0, ends)[adjacency.indptr]  # weight of all rows above
    counts = sparse.csr_matrix((n, n))
    for _ in range(n_walks):
        start, at, left = np.arange(n), np.arange(n), rng.integers(1, length + 1, size=n)
        visits = []
        while len(start):
            going = (left > 0) & (before[at + 1] > before[at])
            start, at, left = start[going], at[going], left[going] - 1
            drawn = before[at] + rng.random(len(at)) * (before[at + 1] - before[at])
            place = np.searchsorted(ends, drawn, side="right")
            at = adjacency.indices[np.clip(place, adjacency.indptr[at], adjacency.indptr[at + 1] - 1)]
            visits.append((start, at))
        rows, columns = (np.concatenate(part) for part in zip(*visits))
        apart = rows != columns
        found = (np.ones(apart.sum()), (rows[apart], columns[apart]))
        counts = counts + sparse.csr_matrix(found, shape=(n, n))
    return sparse.csr_matrix(counts)


def positive_information(counts: Any) -> Any:
    """``max(log(p_ij / (p_i p_j)), 0)`` with ``p`` the shares of the counts, their rows and their columns.

    Parameters
    ----------
    counts : CSR matrix of shape (n, n)

    Returns
    -------
    CSR matrix of shape (n, n)
        Where two nodes meet no more often than chance would have it, nothing is stored.
    """
    found = sparse.coo_matrix(counts)
    rows, columns = (np.asarray(counts.sum(axis=k)).ravel() for k in (1, 0))
    values = np.log(found.data * counts.sum() / (rows[found.row] * columns[found.col])) if found.nnz else found.data
    kept = values > 0
    return sparse.csr_matrix((values[kept], (found.row[kept], found.col[kept])), shape=counts.shape)
