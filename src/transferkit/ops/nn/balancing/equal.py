"""Equal weights: the sum of the losses."""

from __future__ import annotations

from torch import Tensor

from .balancer import LossBalancer, Scene

__all__ = ["Equal"]


class Equal(LossBalancer):
    """``L = sum_i L_i``."""

    def forward(self, losses: Tensor, scene: Scene) -> Tensor:
        """The sum."""
        return losses.sum()
