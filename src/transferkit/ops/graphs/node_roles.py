"""Which nodes of a graph play like roles in it, told from degrees alone; and neighbours drawn by the weight of their edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from ...core.protocols import Array

__all__ = ["draw_neighbours", "role_links", "role_profiles"]

_QUANTILES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


def role_profiles(adjacency: Any, hops: int) -> Array:
    """What the surroundings of each node look like, without a word on who is there.

    Parameters
    ----------
    adjacency : CSR matrix of shape (n, n)
        Taken both ways and without weights.
    hops : int
        How far to look: 0 is the node's own degree.

    Returns
    -------
    array of shape (n, 1 + 5 * hops)
        Logarithm of 1 + the degree, of the node; then least, quartiles and greatest over the nodes at each distance, 0 where
        there are none.
    """
    both = sparse.csr_matrix((adjacency + adjacency.T) > 0, dtype=np.float64)
    n = both.shape[0]
    size = np.log1p(np.diff(both.indptr))
    found = [size[:, None]]
    seen = ring = sparse.identity(n, format="csr")
    for _ in range(hops):
        reached = sparse.csr_matrix((ring @ both) > 0, dtype=np.float64)
        ring = sparse.csr_matrix(reached - reached.multiply(seen))
        ring.eliminate_zeros()
        seen = seen + ring
        found.append(_quantiles(ring, size))
    return np.hstack(found)


def _quantiles(ring: Any, size: Array) -> Array:
    """Of the sizes of the nodes that each row holds: the nearest of them, without interpolation."""
    counts, values = np.diff(ring.indptr), size[ring.indices]
    values = values[np.lexsort((values, np.repeat(np.arange(len(counts)), counts)))]
    there = counts > 0
    at = ring.indptr[:-1][there, None] + np.rint(_QUANTILES * (counts[there, None] - 1)).astype(np.int64)
    found = np.zeros((len(counts), len(_QUANTILES)))
    found[there] = values[at]
    return found


def role_links(adjacency: Any, n_alike: int, hops: int, rng: np.random.Generator) -> Any:
    """Links from each node to those with the nearest `role_profiles`; where many are equally near, chance decides.

    Parameters
    ----------
    adjacency : CSR matrix of shape (n, n)
    n_alike : int
        Links of a node, or n - 1 where that is less.
    hops : int
    rng : Generator

    Returns
    -------
    CSR matrix of shape (n, n)
        Ones.
    """
    profiles = role_profiles(adjacency, hops)
    n, k = len(profiles), min(n_alike, len(profiles) - 1)
    if k == 0:
        return sparse.csr_matrix((n, n))
    # Two numbers of chance that are too small to matter tell equal profiles apart.
    points = np.hstack([profiles, rng.uniform(0, 1e-6, size=(n, 2))])
    near = cKDTree(points).query(points, k=k + 1)[1]
    other = near != np.arange(n)[:, None]
    other[other.all(axis=1), -1] = False  # a node that is not among its own nearest
    columns = near[other]
    return sparse.csr_matrix((np.ones(n * k), (np.repeat(np.arange(n), k), columns)), shape=(n, n))


def draw_neighbours(adjacency: Any, nodes: Array, rng: np.random.Generator) -> Array:
    """One neighbour of each of some nodes, by the weight of the edges that lead there; the node itself where none does.

    Parameters
    ----------
    adjacency : CSR matrix of shape (n, n)
    nodes : int array of shape (n_nodes,)
    rng : Generator

    Returns
    -------
    int array of shape (n_nodes,)
    """
    ends = np.append(0.0, np.cumsum(adjacency.data))
    low, high = ends[adjacency.indptr[nodes]], ends[adjacency.indptr[nodes + 1]]
    place = np.searchsorted(ends, low + rng.random(len(nodes)) * (high - low), side="right") - 1
    going = high > low
    drawn = nodes.copy()
    first, last = adjacency.indptr[nodes[going]], adjacency.indptr[nodes[going] + 1] - 1
    drawn[going] = adjacency.indices[np.clip(place[going], first, last)]
    return drawn
