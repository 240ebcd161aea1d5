"""The entropy of predictions."""

from __future__ import annotations

from torch import Tensor

__all__ = ["mean_entropy", "row_entropy"]


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
