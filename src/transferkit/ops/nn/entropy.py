"""The entropy of predictions."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["class_entropy", "mean_entropy", "row_entropy"]

_NOTHING = 1e-12  # a share below this counts as this: at 0 the entropy has no slope


def row_entropy(logits: Tensor) -> Tensor:
    """Entropy of each row's probabilities, in nats; its gradient is finite for rows that are sure.

    Parameters
    ----------
    logits : tensor of shape (batch, n_classes)

    Returns
    -------
    tensor of shape (batch,)
        In [0, log n_classes].
    """
    log_p = logits.float().log_softmax(dim=1)
    return -(log_p.exp() * log_p).sum(dim=1)


def mean_entropy(logits: Tensor) -> Tensor:
    """Mean of `row_entropy` over the rows, of shape ()."""
    return row_entropy(logits).mean()


def class_entropy(p: Tensor, dim: int = 0) -> Tensor:
    """Entropy of the mean probabilities over `dim`, in nats; its gradient is finite where a class has no share at all.

    Parameters
    ----------
    p : tensor of shape (..., batch, n_classes)
        Probabilities.
    dim : int, default=0
        The axis of the rows.
    """
    return torch.special.entr(p.mean(dim).clamp(min=_NOTHING)).sum(-1)
