"""FAMO: all losses fall at one pace, known from the losses alone (Liu, Feng, Stone & Liu, NeurIPS 2023)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from ....core.constraints import Interval
from .balancer import LossBalancer, Scene

__all__ = ["FAMO"]

_LEAST = 1e-8


class FAMO(LossBalancer):
    """Descends on ``c sum_i z_i log L_i``, z = softmax(xi); xi follows what the update did to the losses (algorithm 1).

    Parameters
    ----------
    decay : float >= 0, default=0.001
        Pulls xi to 0; the paper's gamma, for which the authors' code has 0.001 or 0.01 by data set.

    Notes
    -----
    ``c = 1 / sum_i (z_i / L_i)`` makes the weights of the losses sum to 1 (section 3.2). After the update the same batch
    goes through the network once more, forward only, and xi descends on
    ``z . (log L(before) - log L(after)) + decay / 2 |xi|^2``, whose gradient is that of algorithm 1, line 6. As in the
    authors' code xi has the network's kind of optimizer, at 25 times its rate (0.025 beside 0.001). A task without a
    labelled row in the batch, whose loss is 0, is left out of that update. Their cut at norm 1 is the training's ``clip``.
    """

    lr_scale: ClassVar[float] = 25.0
    rules: ClassVar = {"decay": Interval(float, 0)}

    def __init__(self, kinds: Sequence[str], seed: int = 0, *, decay: float = 0.001) -> None:
        super().__init__(kinds, seed)
        self.decay = decay
        self.logits = nn.Parameter(torch.zeros(self.n_tasks))
        self._before: list[Tensor] = []  # of the pieces of this update's batch, in order
        self._seen = -1.0

    def forward(self, losses: Tensor, scene: Scene) -> Tensor:
        """The weighted logarithms."""
        if scene.progress != self._seen:
            self._before, self._seen = [], scene.progress
        values = losses.clamp_min(_LEAST)
        z = torch.softmax(self.logits.detach(), dim=0) * (losses.detach() > 0)
        self._before.append(values.detach().log())
        return (z * values.log()).sum() / (z / values.detach()).sum().clamp_min(_LEAST)

    def after(self) -> Callable[[Tensor], Tensor]:
        """The loss of xi."""

        def loss(losses: Tensor) -> Tensor:
            change = self._before.pop(0) - losses.detach().clamp_min(_LEAST).log()
            return (torch.softmax(self.logits, dim=0) * change).sum() + self.decay / 2 * self.logits.square().sum()

        return loss
