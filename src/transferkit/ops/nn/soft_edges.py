"""Edges that can be taken away by degrees: normalised convolution with weights that gradients pass through."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["SoftEdges", "project_on_budget"]


class SoftEdges(nn.Module):
    """The edges of a graph, each of which is there to a degree.

    Parameters
    ----------
    adjacency : CSR matrix of shape (n, n)
        ``adjacency[i, j]`` is the weight of the edge from i to j; no loops.
    symmetric : bool
        Whether both directions of an edge are there to one degree.

    Attributes
    ----------
    n_free : int
        Number of degrees.
    """

    start: Tensor
    end: Tensor
    free: Tensor
    weight: Tensor

    def __init__(self, adjacency: Any, symmetric: bool = True) -> None:
        super().__init__()
        entries = adjacency.tocoo()
        start, end = entries.row.astype(np.int64), entries.col.astype(np.int64)
        self.n = adjacency.shape[0]
        free = np.arange(len(start))
        if symmetric:
            free = np.unique(np.minimum(start, end) * self.n + np.maximum(start, end), return_inverse=True)[1]
        self.n_free = int(free.max(initial=-1)) + 1
        for name, part in (("start", start), ("end", end), ("free", free)):
            self.register_buffer(name, torch.as_tensor(part), persistent=False)
        self.register_buffer("weight", torch.as_tensor(entries.data, dtype=torch.float32), persistent=False)

    def pass_on(self, z: Tensor, links: tuple[Tensor, Tensor]) -> Tensor:
        """Features multiplied with `links`, in single precision, as `propagate` does."""
        (values, own), z = links, z.float()
        return own[:, None] * z + torch.zeros_like(z).index_add(0, self.end, z[self.start] * values[:, None])

    def links(self, gone: Tensor, drop: float = 0.0) -> tuple[Tensor, Tensor]:
        """``D^(-1/2) (A + I) D^(-1/2)`` where edges are taken away.

        Parameters
        ----------
        gone : tensor of shape (n_free,)
            To which degree each edge is: 0 not at all, 1 wholly.
        drop : float
            Share of the entries that are left out besides, drawn at random.

        Returns
        -------
        values, own : tensor of shape (n_entries,), and (n,)
            Of the edges and of the loops.
        """
        weight = self.weight * (1 - gone)[self.free]
        if drop:
            weight = weight * (torch.rand(len(weight), device=weight.device) >= drop)
        root = (1 + torch.zeros(self.n, device=weight.device).index_add(0, self.end, weight)).rsqrt()
        return weight * root[self.start] * root[self.end], root**2


def project_on_budget(values: Tensor, most: float) -> Tensor:
    """The nearest values in [0, 1] whose sum is at most `most`: ``clamp(values - mu, 0, 1)``, mu found by bisection."""
    if values.clamp(0, 1).sum() <= most:
        return values.clamp(0, 1)
    low, high = values.new_zeros(()), values.max()  # at mu = 0 the sum is too large, at the largest value it is 0
    for _ in range(50):
        middle = (low + high) / 2
        too_many = (values - middle).clamp(0, 1).sum() > most
        low, high = torch.where(too_many, middle, low), torch.where(too_many, high, middle)
    return (values - high).clamp(0, 1)
