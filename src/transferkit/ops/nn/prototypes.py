"""Prototypes of classes, and distances to them, for one task or many at once."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["class_means", "squared_distances"]


def class_means(z: Tensor, y: Tensor, n_classes: int) -> Tensor:
    """The mean of the rows of each class.

    Parameters
    ----------
    z : tensor of shape (..., n_rows, *shape)
        Features; leading axes count tasks.
    y : int tensor of shape (..., n_rows)
        Codes below `n_classes`.
    n_classes : int

    Returns
    -------
    tensor of shape (..., n_classes, *shape)
        Zero for a class without rows.
    """
    of_class = (y[..., None, :] == torch.arange(n_classes, device=y.device)[:, None]).to(z.dtype)
    weights = of_class / of_class.sum(-1, keepdim=True).clamp(min=1)
    return (weights @ z.flatten(y.ndim)).unflatten(-1, z.shape[y.ndim :])


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances of shape (..., n, m) between rows of shape (..., n, d) and (..., m, d)."""
    return (a * a).sum(-1)[..., :, None] - 2 * a @ b.transpose(-1, -2) + (b * b).sum(-1)[..., None, :]
