"""GradVac: gradients are turned until their angles are the usual ones between these tasks (Wang et al., ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from ....core.constraints import Interval
from .balancer import GradientBalancer

__all__ = ["GradVac"]


class GradVac(GradientBalancer):
    """Where the cosine of two gradients is below its moving average, the one is turned to it (eq. 2, algorithm 1).

    Parameters
    ----------
    beta : float in (0, 1], default=0.5
        Share of an update in the moving average; LibMTL's 0.5. The paper takes 0.01 for its long trainings.

    Notes
    -----
    The averages start at 0, so that the first update is that of `PCGrad`, and take in every angle (eq. 3), where LibMTL
    takes in only those below the average. Angles are those of all shared parameters together, where the paper also looks
    at each layer.
    """

    target: Tensor
    rules: ClassVar = {"beta": Interval(float, 0, 1, closed="right")}

    def __init__(self, kinds: Sequence[str], seed: int = 0, *, beta: float = 0.5) -> None:
        super().__init__(kinds, seed)
        self.beta = beta
        self.register_buffer("target", torch.zeros(self.n_tasks, self.n_tasks))

    def direction(self, jacobian: Tensor) -> Tensor:
        """The sum of the turned gradients."""
        rng, m = self.drawn(self.progress), len(jacobian)
        gram = (jacobian @ jacobian.T).double().cpu()
        share, target = torch.eye(m, dtype=torch.float64), self.target.double().cpu()
        length = gram.diagonal().clamp_min(0).sqrt()
        for i in range(m):
            for j in rng.permutation(m):
                own = (share[i] @ gram @ share[i]).clamp_min(0).sqrt()
                if j == i or own * length[j] <= 0:
                    continue
                cosine = (share[i] @ gram[j] / (own * length[j])).clamp(-1, 1)
                wanted = target[i, j]
                if cosine < wanted:
                    turn = wanted * (1 - cosine**2).sqrt() - cosine * (1 - wanted**2).sqrt()
                    share[i, j] += own * turn / (length[j] * (1 - wanted**2).sqrt().clamp_min(1e-6))
                target[i, j] = (1 - self.beta) * wanted + self.beta * cosine
        self.target.copy_(target)
        return share.sum(dim=0).to(jacobian) @ jacobian
