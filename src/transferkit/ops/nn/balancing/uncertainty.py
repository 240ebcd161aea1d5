"""Uncertainty weighting: each task's noise is learned, and noisy tasks count less (Kendall, Gal & Cipolla, CVPR 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .balancer import LossBalancer, Scene

__all__ = ["Uncertainty"]


class Uncertainty(LossBalancer):
    """``sum_i L_i / (c_i sigma_i^2) + log sigma_i`` with c = 2 for numbers and 1 for classes (eqs. 7 and 10).

    Notes
    -----
    ``s_i = log sigma_i^2`` is learned with the network, at its rate, from 0, as the paper advises. For a fixed loss the
    best is ``sigma_i^2 = 2 L_i / c_i``.
    """

    factor: Tensor

    def __init__(self, kinds: Sequence[str], seed: int = 0) -> None:
        super().__init__(kinds, seed)
        self.log_variance = nn.Parameter(torch.zeros(len(self.kinds)))
        self.register_buffer("factor", torch.tensor([0.5 if kind == "regression" else 1.0 for kind in self.kinds]))

    def forward(self, losses: Tensor, scene: Scene) -> Tensor:
        """The likelihood of all tasks."""
        return (self.factor * torch.exp(-self.log_variance) * losses + self.log_variance / 2).sum()
