"""A critic that tells two domains apart, and its loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Discriminator", "domain_accuracy", "domain_loss"]


class Discriminator(nn.Module):
    """Two hidden layers; one logit a row, positive for the source.

    Parameters
    ----------
    n_features : int
        Width of its input.
    hidden : int
        Width of both layers.
    batch_norm : bool
        Whether each is followed by batch normalisation, over the rows of both domains.
    """

    def __init__(self, n_features: int, hidden: int = 1024, batch_norm: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (n_features, hidden):
            layers += [nn.Linear(width, hidden), *([nn.BatchNorm1d(hidden)] if batch_norm else []), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, 1))

    def forward(self, z: Tensor) -> Tensor:
        """Logits of shape (batch,)."""
        return self.layers(z)[:, 0]


def domain_loss(logits: Tensor, n_source: int, weight: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of the domains, each counting half.

    Parameters
    ----------
    logits : tensor of shape (batch,)
        Of the source's rows first.
    n_source : int
        How many of them are the source's.
    weight : tensor of shape (batch,), optional
        Of each row; scaled to sum to 1 within each domain.

    Returns
    -------
    tensor of shape ()
    """
    is_source = torch.zeros_like(logits)
    is_source[:n_source] = 1.0
    each = functional.binary_cross_entropy_with_logits(logits.float(), is_source.float(), reduction="none")
    if weight is None:
        return (each[:n_source].mean() + each[n_source:].mean()) / 2
    s, t = weight[:n_source], weight[n_source:]
    return (each[:n_source] @ (s / s.sum()) + each[n_source:] @ (t / t.sum())) / 2


def domain_accuracy(logits: Tensor, n_source: int) -> Tensor:
    """Share of the rows whose domain the critic tells, each domain counting half; 1/2 is full confusion."""
    with torch.no_grad():
        right = torch.cat([logits[:n_source] > 0, logits[n_source:] <= 0]).float()
        return (right[:n_source].mean() + right[n_source:].mean()) / 2
