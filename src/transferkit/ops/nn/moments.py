"""Distances between the moments of two batches."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["coral_loss"]


def coral_loss(a: Tensor, b: Tensor) -> Tensor:
    """``|C_a - C_b|_F^2 / (4 d^2)``, with unbiased covariances (Sun & Saenko 2016, eqs. 1-3).

    Parameters
    ----------
    a, b : tensor of shape (n_rows, d)
        At least two rows each.

    Returns
    -------
    tensor of shape ()
    """
    return (_covariance(a) - _covariance(b)).square().sum() / (4 * a.shape[1] ** 2)


def _covariance(z: Tensor) -> Tensor:
    z = z.float()
    z = z - z.mean(dim=0)
    with torch.autocast(z.device.type, enabled=False):  # differences of products want single precision
        return z.T @ z / (len(z) - 1)
