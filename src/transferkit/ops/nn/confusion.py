"""Class confusion (Jin et al., ECCV 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["class_confusion"]


def class_confusion(logits: Tensor, temperature: float = 2.5) -> Tensor:
    """How much of every class's probability mass lies on rows of other classes.

    Parameters
    ----------
    logits : tensor of shape (batch, n_classes)
    temperature : float
        What the logits are divided by.

    Returns
    -------
    tensor of shape ()
        Mean over the classes, in [0, 1): 0 where every row has one class of probability 1.
    """
    n, k = logits.shape
    p = (logits.float() / temperature).softmax(dim=1)
    sure = 1 + torch.exp(-torch.special.entr(p.detach()).sum(dim=1))  # eq. 5
    weight = n * sure / sure.sum()
    confusion = (p * weight[:, None]).T @ p  # eq. 4
    confusion = confusion / confusion.sum(dim=1, keepdim=True)  # eq. 6
    return (confusion.sum() - confusion.trace()) / k  # eq. 7
