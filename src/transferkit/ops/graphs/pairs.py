"""Edges of a graph and nodes to set against them, drawn at random: what embeddings of nodes learn from."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.protocols import Array

__all__ = ["NodePairs"]


class NodePairs:
    """Edges and other nodes of one graph, drawn.

    Parameters
    ----------
    adjacency : CSR matrix of shape (n, n)
        Weights of the edges, no stored zeros.
    power : float
        Other nodes are drawn by their degree to this power; 3/4 is that of word2vec and LINE.
    """

    def __init__(self, adjacency: Any, power: float = 0.75) -> None:
        self.adjacency = adjacency
        self._edges = np.cumsum(adjacency.data)
        self._nodes = np.cumsum(np.asarray(adjacency.sum(axis=1)).ravel() ** power)

    def draw(self, n: int, n_negatives: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Draw with replacement.

        Parameters
        ----------
        n : int
            Edges.
        n_negatives : int
            Other nodes for each of them.
        rng : Generator

        Returns
        -------
        start, end : int array of shape (n,)
            Of edges, drawn by weight; of length 0 where there is no edge.
        others : int array of shape (n, n_negatives)
        """
        if not len(self._edges):
            none = np.empty(0, dtype=np.int64)
            return none, none, none.reshape(0, n_negatives)
        entry = _by_weight(self._edges, n, rng)
        start = np.searchsorted(self.adjacency.indptr, entry, side="right") - 1
        others = _by_weight(self._nodes, n * n_negatives, rng).reshape(n, n_negatives)
        return start, self.adjacency.indices[entry].astype(np.int64), others


def _by_weight(total: Array, n: int, rng: np.random.Generator) -> Array:
    found = np.searchsorted(total, rng.random(n) * total[-1], side="right")
    return np.minimum(found, len(total) - 1)
