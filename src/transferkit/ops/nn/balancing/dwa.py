"""Dynamic weight average: tasks whose loss falls slowly count more (Liu, Johns & Davison, CVPR 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from ....core.constraints import Interval
from .balancer import LossBalancer, Scene

__all__ = ["DWA"]


class DWA(LossBalancer):
    """``lambda_k = K exp(w_k / T) / sum_i exp(w_i / T)`` with ``w_k = L_k(t - 1) / L_k(t - 2)`` (eq. 7).

    Parameters
    ----------
    temperature : float > 0, default=2.0
        The paper's T; large is near equal weights.

    Notes
    -----
    ``L_k(t)`` is the mean over the updates of epoch t; ``w_k`` is 1 in the first two epochs.
    """

    sums: Tensor
    means: Tensor
    counts: Tensor
    rules: ClassVar = {"temperature": Interval(float, 0, closed="neither")}

    def __init__(self, kinds: Sequence[str], seed: int = 0, *, temperature: float = 2.0) -> None:
        super().__init__(kinds, seed)
        self.temperature = temperature
        self.register_buffer("sums", torch.zeros(self.n_tasks))
        self.register_buffer("means", torch.zeros(2, self.n_tasks))  # of the last epoch, and the one before
        self.register_buffer(
            "counts", torch.zeros(2, dtype=torch.int64)
        )  # losses in `sums`, and the epoch that it is of

    @property
    def weights(self) -> Tensor:
        """Of shape (n_tasks,); they sum to n_tasks."""
        ready = int(self.counts[1]) >= 2
        w = self.means[0] / self.means[1].clamp_min(1e-12) if ready else torch.ones_like(self.sums)
        return self.n_tasks * torch.softmax(w / self.temperature, dim=0)

    def forward(self, losses: Tensor, scene: Scene) -> Tensor:
        """The weighted sum."""
        if scene.epoch != int(self.counts[1]):
            self.means.copy_(torch.stack([self.sums / self.counts[0].clamp_min(1), self.means[0]]))
            self.sums.zero_()
            self.counts.copy_(torch.tensor([0, scene.epoch]))
        self.sums += losses.detach()
        self.counts[0] += 1
        return (self.weights * losses).sum()
