"""Sliced Wasserstein distance between two batches, differentiable (Rabin et al. 2011; Lee et al., CVPR 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["sliced_wasserstein"]


def sliced_wasserstein(a: Tensor, b: Tensor, n_projections: int = 128) -> Tensor:
    """Mean over random directions of the squared 2-Wasserstein distance of both batches' projections.

    Parameters
    ----------
    a, b : tensor of shape (n_rows, n_features)
        As many rows in each: in one dimension the cheapest plan then pairs them in their order.
    n_projections : int
        Directions, uniform on the sphere, from torch's generator; one is enough where there is one feature.

    Returns
    -------
    tensor of shape ()
    """
    a, b = a.float(), b.float()
    if a.shape[1] > 1:
        directions = torch.randn(a.shape[1], n_projections, device=a.device)
        directions = directions / directions.norm(dim=0)
        with torch.autocast(a.device.type, enabled=False):  # small differences want single precision
            a, b = a @ directions, b @ directions
    return (a.sort(dim=0).values - b.sort(dim=0).values).square().mean()
