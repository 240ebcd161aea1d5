"""Codes of nodes as normal distributions, the edges that they tell, and what two of them have in common."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .graph_layers import GraphLayer
from .propagate import GraphBatch

__all__ = ["OwnEncoder", "common_part", "divergence", "draw", "edge_loss"]


class OwnEncoder(nn.Module):
    """Two graph convolutions without ReLU between them, from node features to normal distributions.

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
        self.second = GraphLayer(hidden, 2 * code, active=False, links=links)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Means and logarithms of the standard deviations side by side, of shape (n_nodes, 2 * code)."""
        found: Tensor = self.second(self.first(batch.x, batch), batch)
        return found


def draw(mean: Tensor, log_std: Tensor) -> Tensor:
    """One draw from each normal distribution, which passes gradients to both parameters."""
    return mean + torch.randn_like(mean) * log_std.exp()


def divergence(mean: Tensor, log_std: Tensor) -> Tensor:
    """Kullback-Leibler divergence of independent normal distributions from the standard one.

    Parameters
    ----------
    mean, log_std : tensor of shape (n_views, n_nodes, width)

    Returns
    -------
    tensor of shape ()
        The sum over views and entries, the mean over nodes.
    """
    each = mean.square() + (2 * log_std).exp() - 1 - 2 * log_std
    return each.sum(dim=(0, 2)).mean() / 2


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
