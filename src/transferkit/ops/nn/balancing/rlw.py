"""Random loss weighting: weights drawn anew with every update (Lin, Ye & Zhang, TMLR 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from .balancer import LossBalancer, Scene

__all__ = ["RLW"]


class RLW(LossBalancer):
    """``lambda = softmax(normal numbers)``, times the number of tasks so that the sum is that of equal weights."""

    def forward(self, losses: Tensor, scene: Scene) -> Tensor:
        """The weighted sum."""
        normal = torch.as_tensor(self.drawn(scene.progress).normal(size=self.n_tasks), dtype=losses.dtype)
        return (self.n_tasks * torch.softmax(normal, dim=0).to(losses.device) * losses).sum()
