"""Who is reached from whom in a few steps along the edges, without drawing any walk."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from .links import Links
from .random_walks import positive_information

__all__ = ["k_step_transitions", "near_nodes"]


def k_step_transitions(adjacency: Any, n_steps: int) -> Any:
    """Shares in which the nodes one to k steps away are reached, nearer ones counting more.

    Parameters
    ----------
    adjacency : CSR matrix of shape (n, n)
        Weights of the edges.
    n_steps : int
        How far.

    Returns
    -------
    CSR matrix of shape (n, n), float64
        ``sum_k T^k / k`` with T the probabilities of one step, the diagonal left out, and rows that sum to 1 or are empty
        (the proximity of Shen, Dai, Chung, Lu & Choi, AAAI 2020).
    """
    step = _rows_to_one(sparse.csr_matrix(adjacency, dtype=np.float64))
    power = found = step
    for k in range(2, n_steps + 1):
        power = sparse.csr_matrix(power @ step)
        found = found + power / k
    found = sparse.csr_matrix(found)
    found.setdiag(0)
    found.eliminate_zeros()
    return _rows_to_one(found)


def near_nodes(adjacency: Any, n_steps: int) -> Links:
    """The mean over the nodes that a node meets more often than chance would have it, weighted by how much.

    Parameters
    ----------
    adjacency : CSR matrix of shape (n, n)
    n_steps : int
        How far, as in `k_step_transitions`.

    Returns
    -------
    Links
        Positive pointwise mutual information of `k_step_transitions`; rows sum to 1 or are empty.
    """
    near = _rows_to_one(positive_information(k_step_transitions(adjacency, n_steps)))
    return Links(near.astype(np.float32), np.zeros(near.shape[0], dtype=np.float32))


def _rows_to_one(matrix: Any) -> Any:
    total = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    return sparse.csr_matrix(sparse.diags(scale) @ matrix)
