"""Geometric loss: the geometric mean, in which only relative changes count (Chennupati et al., CVPR workshops 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from .balancer import LossBalancer, Scene

__all__ = ["GLS"]


class GLS(LossBalancer):
    """``L = (prod_i L_i)^(1 / n)`` (eq. 1).

    Notes
    -----
    A task without a labelled row in the batch, whose loss is 0, is left out of that update; a loss below 1e-8 counts as that.
    """

    def forward(self, losses: Tensor, scene: Scene) -> Tensor:
        """The geometric mean."""
        here = losses.detach() > 0
        return torch.exp((torch.log(losses.clamp_min(1e-8)) * here).sum() / here.sum().clamp_min(1))
