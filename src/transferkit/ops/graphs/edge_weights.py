"""Edges weighted by the labels of their ends, so that one graph's classes are linked as another's are."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ...core.protocols import Array
from .links import Links

__all__ = ["link_chances", "link_ratios", "weighted_links"]

_ENTRIES = 2**20  # at a time


def link_chances(Y: Array, adjacency: Any) -> Array:
    """Chances that a node of label a takes from one of label b: ``(edges to a from b) / (n_a n_b)``.

    Parameters
    ----------
    Y : array of shape (n, n_labels)
        0 and 1, or the share that a node has in each label.
    adjacency : CSR matrix of shape (n, n)

    Returns
    -------
    array of shape (n_labels, n_labels)
        Row a, column b; NaN where no node has one of the labels.
    """
    n = Y.sum(axis=0)
    pairs = np.outer(n, n)
    links = Y.T @ (adjacency.T @ Y)
    return np.divide(links, pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0)


def link_ratios(Y: Array, adjacency: Any, Y_t: Array, adjacency_t: Any) -> Array:
    """`link_chances` of a target over those of a source; 1 where one is unknown, or the source has no such edge."""
    source, target = link_chances(Y, adjacency), link_chances(Y_t, adjacency_t)
    known = (source > 0) & np.isfinite(target)
    return np.divide(target, source, out=np.ones_like(source), where=known)


def weighted_links(links: Links, Y: Array, ratios: Array, kept: float) -> Links:
    """Links whose entries are multiplied by ``kept + (1 - kept) * ratio``, the mean ratio of their two ends' labels.

    Parameters
    ----------
    links : Links
    Y : array of shape (n, n_labels)
        0 and 1; an end without a label leaves an entry as it is.
    ratios : array of shape (n_labels, n_labels)
        Row: the label of the node that takes; column: of the one that gives.
    kept : float in [0, 1]
    """
    entries = sparse.coo_matrix(links.matrix)
    values, asked, n = entries.data.copy(), Y @ ratios, Y.sum(axis=1)
    for start in range(0, len(values), _ENTRIES):
        part = slice(start, start + _ENTRIES)
        row, column = entries.row[part], entries.col[part]
        pairs = n[row] * n[column]
        total = np.einsum("ij,ij->i", asked[row], Y[column])
        values[part] *= kept + (1 - kept) * np.divide(total, pairs, out=np.ones(len(pairs)), where=pairs > 0)
    return Links(sparse.csr_matrix((values, (entries.row, entries.col)), shape=entries.shape), links.own)
