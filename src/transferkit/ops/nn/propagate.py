"""Products of sparse matrices and features, with gradients: what passes along the edges of a graph."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

__all__ = ["GraphBatch", "SparseMatrix", "propagate", "sparse_matrix", "times"]


@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """A fixed sparse matrix, and its transpose for the way back.

    Attributes
    ----------
    rows, columns : CSR tensor of shape (n, m), and (m, n)
        The matrix and its transpose; None in its place where there is no way back.
    """

    rows: Tensor
    columns: Tensor | None

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix."""
        return int(self.rows.shape[0]), int(self.rows.shape[1])


def sparse_matrix(matrix: Any, device: torch.device | str = "cpu", grad: bool = True) -> SparseMatrix:
    """A scipy matrix as a fixed factor, in single precision; `grad` says whether gradients are to pass through it."""
    rows = sparse.csr_matrix(matrix)
    return SparseMatrix(_tensor(rows, device), _tensor(sparse.csr_matrix(rows.T), device) if grad else None)


def _tensor(matrix: Any, device: torch.device | str) -> Tensor:
    parts = (
        torch.as_tensor(np.require(part, requirements="W"))
        for part in (matrix.indptr, matrix.indices, matrix.data.astype("float32"))
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(*parts, size=matrix.shape, check_invariants=False).to(device)


class _Product(torch.autograd.Function):
    """The transpose is at hand, so the gradient is one more product and no sort of the entries."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, matrix: SparseMatrix) -> Tensor:
        ctx.matrix = matrix
        return matrix.rows @ h

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.matrix.columns @ grad.contiguous(), None


def propagate(matrix: SparseMatrix, h: Tensor) -> Tensor:
    """``matrix @ h``, of shape (n, width); the gradient is with respect to `h`, and in single precision throughout."""
    with torch.autocast(h.device.type, enabled=False):
        found: Tensor = _Product.apply(h.float().contiguous(), matrix)
    return found


def times(x: Tensor | SparseMatrix, weight: Tensor) -> Tensor:
    """``x @ weight`` for dense or sparse `x`."""
    return propagate(x, weight) if isinstance(x, SparseMatrix) else x @ weight


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """Nodes and what passes between them: a whole graph, or the surroundings of some nodes.

    Attributes
    ----------
    x : tensor or SparseMatrix of shape (n_nodes, n_features)
    links : mapping of str to SparseMatrix of shape (n_nodes, n_nodes)
        By name, what the network multiplies features with.
    nodes : int64 tensor of shape (n_nodes,)
        Their numbers in the graph.
    domain : {"source", "target"}
        For networks that treat them differently.
    """

    x: Any
    links: Mapping[str, SparseMatrix]
    nodes: Tensor
    domain: str = "target"

    def with_x(self, x: Any) -> GraphBatch:
        """The same nodes with other features."""
        return GraphBatch(x, self.links, self.nodes, self.domain)
