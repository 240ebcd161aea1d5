"""Several heads on the same features that predict with the mean of their probabilities."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .bottleneck import Bottleneck
from .heads import Head

__all__ = ["HeadMean", "mean_log_proba"]


class HeadMean(nn.Module):
    """Heads for classes, as one a source domain; the output is the logarithm of the mean of their probabilities.

    Parameters
    ----------
    n_heads : int
    n_features, n_outputs : int
        Width of input and output.
    kind : {"linear", "mlp", "adapter", "cosine"}
    dropout : float in [0, 1)
        Both as in `Head`.
    width : int, optional
        Of a bottleneck of each head's own before it; None is none.

    Attributes
    ----------
    spec : dict
        The parameters, so that ``HeadMean(**spec)`` is the same skeleton.
    necks : ModuleList
        Identities where there is no width.
    heads : ModuleList of Head
    """

    def __init__(
        self,
        n_heads: int,
        n_features: int,
        n_outputs: int,
        kind: str = "linear",
        dropout: float = 0.0,
        width: int | None = None,
    ) -> None:
        super().__init__()
        self.spec: dict[str, Any] = {
            "n_heads": n_heads, "n_features": n_features, "n_outputs": n_outputs, "kind": kind, "dropout": dropout,
            "width": width,
        }  # fmt: skip
        last = n_features if width is None else width
        self.necks = nn.ModuleList(
            [nn.Identity() if width is None else Bottleneck(n_features, width) for _ in range(n_heads)]
        )
        self.heads = nn.ModuleList([Head(last, n_outputs, kind, dropout) for _ in range(n_heads)])

    def each(self, z: Tensor) -> Tensor:
        """Logits of every head, of shape (n_heads, batch, n_outputs)."""
        return torch.stack([head(neck(z)) for neck, head in zip(self.necks, self.heads)])

    def forward(self, z: Tensor) -> Tensor:
        """Logarithms of probabilities, of shape (batch, n_outputs)."""
        return mean_log_proba(self.each(z))


def mean_log_proba(logits: Tensor) -> Tensor:
    """The logarithm of the mean over the first axis of the probabilities over the last one."""
    return logits.float().log_softmax(dim=-1).logsumexp(dim=0) - math.log(len(logits))
