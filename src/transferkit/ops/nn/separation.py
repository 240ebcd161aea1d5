"""Codes of nodes as normal distributions, the edges that they tell, and what two of them have in common."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .graph_layers import GraphLayer
from .propagate import GraphBatch

__all__ = ["Codes", "OwnEncoder", "common_part", "edge_loss"]

_MOST = 10.0  # of the logarithm of a standard deviation


@dataclass(frozen=True, eq=False)
class Codes:
    """Independent normal distributions, one a node and entry.

    Attributes
    ----------
    mean, log_std : tensor of shape (n_nodes, width)
    """

    mean: Tensor
    log_std: Tensor

    def at(self, nodes: Tensor) -> Codes:
        """Those of some nodes, standard deviations cut at exp(10)."""
        return Codes(self.mean[nodes], self.log_std[nodes].clamp(max=_MOST))

    def draw(self) -> Tensor:
        """A draw of each, which passes gradients to both parameters."""
        return self.mean + torch.randn_like(self.mean) * self.log_std.exp()

    def divergence(self) -> Tensor:
        """Kullback-Leibler divergence from the standard normal distribution: the sum over entries, the mean over nodes."""
        each = self.mean.square() + (2 * self.log_std).exp() - 1 - 2 * self.log_std
        return each.sum(dim=1).mean() / 2


class OwnEncoder(nn.Module):
    """Two graph convolutions without ReLU between them, from node features to `Codes`.

    Parameters
    ----------
    n_features, hidden, code : int
        Widths.
    links : str
        What the convolutions multiply with.
    """

    def __init__(self, n_features: int, hidden: int, code: int, links: str) -> None:
        super().__init__()
        self.first = GraphLayer(n_features, hidden, active=False, links=links)
        self.mean, self.log_std = (GraphLayer(hidden, code, active=False, links=links) for _ in range(2))

    def forward(self, batch: GraphBatch) -> Codes:
        """Codes of all nodes of the batch."""
        h = self.first(batch.x, batch)
        return Codes(self.mean(h, batch), self.log_std(h, batch))


def common_part(a: Tensor, b: Tensor) -> Tensor:
    """The mean square of the entries of ``A^T B``, with rows scaled to length 1 (Bousmalis et al., NIPS 2016).

    Parameters
    ----------
    a, b : tensor of shape (n_nodes, width)
        Two codes of the same nodes. The lengths of their rows are taken as fixed numbers: no gradient passes through them.

    Returns
    -------
    tensor of shape ()
        0 where the columns of both are orthogonal.
    """
    a, b = (v / (torch.linalg.vector_norm(v.detach(), dim=1, keepdim=True) + 1e-6) for v in (a.float(), b.float()))
    return (a.T @ b).square().mean()


def edge_loss(log_odds: Tensor, is_edge: Tensor) -> Tensor:
    """Cross-entropy of pairs, with edges and all other pairs counting half each.

    Parameters
    ----------
    log_odds : tensor of shape (n, m)
        Of an edge between two nodes.
    is_edge : bool tensor of shape (n, m)

    Returns
    -------
    tensor of shape ()
        With all pairs of a graph the loss of the variational graph autoencoder: ``n^2 / (2 n_others)`` times the mean
        cross-entropy that weighs edges by ``n_others / n_edges`` (Kipf & Welling, 2016). A kind that is not there adds 0.
    """
    each = functional.softplus(torch.where(is_edge, -log_odds, log_odds).float())
    n_edges = is_edge.sum()
    edges = (each * is_edge).sum()
    return (edges / n_edges.clamp(min=1) + (each.sum() - edges) / (is_edge.numel() - n_edges).clamp(min=1)) / 2
