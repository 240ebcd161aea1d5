"""Who is reached from whom in a few steps along the edges, without drawing any walk."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

__all__ = ["k_step_transitions"]


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


def _rows_to_one(matrix: Any) -> Any:
    total = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    return sparse.csr_matrix(sparse.diags(scale) @ matrix)
