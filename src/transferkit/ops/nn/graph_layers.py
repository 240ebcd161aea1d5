"""Layers of graph networks: convolution, mean of neighbours, attention, and none of these."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .propagate import GraphBatch, SparseMatrix, propagate, times

__all__ = ["CONVOLUTIONS", "LINKS_OF", "GraphLayer", "Stage", "attend", "entries", "pass_on"]

# By name of the layer, the links that it multiplies with: those of `transferkit.ops.graphs.links`.
LINKS_OF = {"gcn": "gcn", "sage": "mean", "gat": "gcn", "mlp": ""}
CONVOLUTIONS = tuple(LINKS_OF)


class Stage:
    """A step of a network between nodes, without weights of its own.

    Parameters
    ----------
    rule : callable
        ``rule(h, batch)`` gives features of shape (n_nodes, width).
    hops : int
        How far it sees.
    """

    def __init__(self, rule: Any, hops: int) -> None:
        self.rule, self.hops = rule, hops

    def __call__(self, h: Any, batch: GraphBatch) -> Tensor:
        found: Tensor = self.rule(h, batch)
        return found


def pass_on(links: str, h: Any, batch: GraphBatch) -> Tensor:
    """Features multiplied with links of that name once."""
    return propagate(batch.links[links], h)


def attend(ask: nn.Module, views: Sequence[Tensor] | Tensor) -> Tensor:
    """The mean of several features of each node, weighted by a softmax over what `ask` makes of each (one number a row)."""
    stacked = torch.stack(list(views), dim=1)
    found: Tensor = (stacked * ask(stacked).softmax(dim=1)).sum(dim=1)
    return found


class GraphLayer(nn.Module):
    """One layer, from node features to node features.

    Parameters
    ----------
    n_in, n_out : int
        Widths.
    conv : {"gcn", "sage", "gat", "mlp"}
        ``P H W + b`` with P the links "gcn" (Kipf & Welling, ICLR 2017); ``H W_own + P H W + b`` with P the links "mean"
        (GraphSAGE, Hamilton et al., NeurIPS 2017); attention over the entries of the links "gcn", loops included
        (Velickovic et al., ICLR 2018, one head); or ``H W + b``.
    active : bool
        Whether ReLU follows.
    dropout : float in [0, 1)
        Share of the outputs that is set to zero in training.
    links : str
        Other links to multiply with; "" is those that belong to `conv`.

    Attributes
    ----------
    hops : int
        How far it sees: 0 or 1.
    """

    def __init__(
        self, n_in: int, n_out: int, conv: str = "gcn", active: bool = True, dropout: float = 0.0, links: str = ""
    ) -> None:
        super().__init__()
        self.conv, self.active, self.links = conv, active, links or LINKS_OF[conv]
        self.hops = 0 if conv == "mlp" else 1
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_in, n_out)))
        self.bias = nn.Parameter(torch.zeros(n_out))
        if conv == "sage":
            self.own = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_in, n_out)))
        if conv == "gat":
            self.gives, self.takes = (nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, n_out))) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor | SparseMatrix, batch: GraphBatch) -> Tensor:
        """Features of shape (n_nodes, n_out) from those of shape (n_nodes, n_in), dense or sparse."""
        z = self.weigh(h)
        if self.conv in ("gcn", "sage"):
            z = propagate(batch.links[self.links], z)
        if self.conv == "sage":
            z = z + times(h, self.own)
        if self.conv == "gat":
            z = self._attend(z, batch.links[self.links])
        return self.finish(z)

    def parts(self) -> Sequence[Any]:
        """The same as stages of their own, where that saves weighing each node once for every neighbour."""
        if self.conv != "gcn":
            return [self]
        return [Stage(self.weigh, 0), Stage(partial(pass_on, self.links), 1), Stage(self.finish, 0)]

    def weigh(self, h: Tensor | SparseMatrix, batch: GraphBatch | None = None) -> Tensor:
        """The first part: ``h W``."""
        return times(h, self.weight)

    def finish(self, z: Tensor, batch: GraphBatch | None = None) -> Tensor:
        """The last part: the bias, ReLU and dropout."""
        z = z + self.bias
        return self.dropout(functional.relu(z) if self.active else z)

    def _attend(self, z: Tensor, links: SparseMatrix) -> Tensor:
        """A mean over the entries of each row, weighted by how much the pair of nodes asks for it."""
        taker, giver = entries(links)
        score = functional.leaky_relu((z @ self.gives[0])[giver] + (z @ self.takes[0])[taker], 0.2)
        n = z.shape[0]
        top = torch.full((n,), -torch.inf, device=z.device, dtype=score.dtype)
        top = top.scatter_reduce(0, taker, score.detach(), "amax")
        weight = torch.exp(score - top[taker])
        total = torch.zeros(n, device=z.device, dtype=weight.dtype).index_add(0, taker, weight)
        return torch.zeros_like(z).index_add(0, taker, z[giver] * (weight / total[taker])[:, None])


def entries(links: SparseMatrix) -> tuple[Tensor, Tensor]:
    """Row and column of every stored entry."""
    start = links.rows.crow_indices()
    rows = torch.arange(len(start) - 1, device=start.device)
    return torch.repeat_interleave(rows, start[1:] - start[:-1]), links.rows.col_indices().long()
