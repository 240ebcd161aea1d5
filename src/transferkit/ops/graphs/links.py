"""What graph networks multiply features with: normalised adjacency matrices, and samples of each node's neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ...core.protocols import Array

__all__ = ["Links", "convolution", "local_links", "mean_of_neighbours", "sample_links"]


@dataclass(frozen=True, eq=False)
class Links:
    """A linear map of node features: ``matrix @ H + own[:, None] * H``.

    What a node gives to itself stands apart, since it is never left out when neighbours are sampled.

    Attributes
    ----------
    matrix : CSR matrix of shape (n, n), float32
        Row i holds what node i takes from each of the others.
    own : float32 array of shape (n,)
        What it keeps of itself.
    """

    matrix: Any
    own: Array

    @property
    def n(self) -> int:
        """Number of nodes."""
        return len(self.own)

    @property
    def whole(self) -> Any:
        """Both parts as one CSR matrix."""
        return sparse.csr_matrix(self.matrix + sparse.diags(self.own, dtype=np.float32), dtype=np.float32)


def convolution(adjacency: Any, loop: float = 1.0) -> Links:
    """The symmetric normalisation of graph convolution, ``D^(-1/2) (A + loop I) D^(-1/2)`` (Kipf & Welling, ICLR 2017).

    Parameters
    ----------
    adjacency : CSR matrix of shape (n, n)
        ``adjacency[i, j]`` is the weight of the edge from i to j; no loops.
    loop : float
        Weight of the edge from each node to itself.

    Returns
    -------
    Links
        ``D`` holds what comes in, loops included; where nothing does, the row is zero.
    """
    incoming = sparse.csr_matrix(adjacency.T, dtype=np.float64)
    degree = np.asarray(incoming.sum(axis=1)).ravel() + loop
    root = np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    return _links(sparse.diags(root) @ incoming @ sparse.diags(root), loop * root**2)


def mean_of_neighbours(adjacency: Any, loop: float = 0.0) -> Links:
    """The weighted mean over the nodes that an edge comes from, as GraphSAGE takes it (Hamilton et al., NeurIPS 2017).

    With a `loop` of 1 the node itself counts as one of them: ``D^(-1) (A + I)``.
    """
    incoming = sparse.csr_matrix(adjacency.T, dtype=np.float64)
    degree = np.asarray(incoming.sum(axis=1)).ravel() + loop
    scale = np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)
    return _links(sparse.diags(scale) @ incoming, loop * scale)


def _links(matrix: Any, own: Array) -> Links:
    found = sparse.csr_matrix(matrix, dtype=np.float32)
    found.sort_indices()
    return Links(found, own.astype(np.float32))


def sample_links(matrix: Any, rows: Array, n_neighbors: int | None, rng: np.random.Generator) -> Any:
    """Some entries of some rows, scaled so that the product with anything is right on average.

    Parameters
    ----------
    matrix : CSR matrix of shape (n, n)
    rows : int array of shape (n_rows,)
    n_neighbors : int or None
        Entries of a row to keep, drawn without replacement; a row of fewer is kept as it is. None keeps all.
    rng : Generator

    Returns
    -------
    CSR matrix of shape (n_rows, n)
        Entries of a row that had m > n_neighbors are multiplied by ``m / n_neighbors``.
    """
    part = matrix[rows]
    if n_neighbors is None:
        return part
    counts = np.diff(part.indptr)
    owner = np.repeat(np.arange(len(rows)), counts)
    order = np.argsort(owner + 0.5 * rng.random(part.nnz))  # each row's entries in an order of chance
    place = np.arange(part.nnz) - np.repeat(part.indptr[:-1], counts)
    kept = order[place < n_neighbors]
    scale = np.maximum(counts / n_neighbors, 1.0).astype(part.dtype)
    owners = owner[kept]
    return sparse.csr_matrix((part.data[kept] * scale[owners], (owners, part.indices[kept])), shape=part.shape)


def local_links(links: Links, nodes: Array, hops: int, n_neighbors: int | None, rng: Any) -> tuple[Array, Any]:
    """What reaches some nodes over a number of hops.

    Parameters
    ----------
    links : Links
    nodes : int array of shape (n_nodes,)
        Without repetition.
    hops : int
    n_neighbors : int or None
        Neighbours to draw for each node, once; None takes all.
    rng : Generator

    Returns
    -------
    found : int array of shape (n_found,)
        Numbers of all nodes that take part, `nodes` first.
    taken : CSR matrix of shape (n_found, n)
        What each of them takes from nodes of the whole graph; rows of those that only give are empty.
    """
    found, front, parts = nodes, nodes, []
    seen = np.zeros(links.n, dtype=bool)
    seen[nodes] = True
    for _ in range(hops):
        parts.append(sample_links(links.matrix, front, n_neighbors, rng))
        reached = np.unique(parts[-1].indices)
        front = reached[~seen[reached]]
        seen[front] = True
        found = np.concatenate([found, front])
    rest = sparse.csr_matrix((len(found) - sum(p.shape[0] for p in parts), links.n), dtype=np.float32)
    return found, sparse.csr_matrix(sparse.vstack([*parts, rest], dtype=np.float32))
