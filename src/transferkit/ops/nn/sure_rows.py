"""Rows whose answers are sure enough to learn from, and what is taken of them."""

from __future__ import annotations

import math

from torch import Tensor

__all__ = ["entropy_limit", "mean_over"]


def entropy_limit(share: float, n_classes: int) -> float:
    """Entropy below which a row is sure: this share of the largest one, ``log n_classes``, in nats."""
    return share * math.log(n_classes)


def mean_over(each: Tensor, used: Tensor) -> Tensor:
    """Mean of `each`, of shape (batch,), over the rows that are `used` (bool); 0, with a gradient of 0, where none is."""
    return (each * used).sum() / used.sum().clamp_min(1)
