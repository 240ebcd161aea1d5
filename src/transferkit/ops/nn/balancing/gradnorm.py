"""GradNorm: the tasks' gradients in the last shared layer get one length, longer for tasks that lag (Chen et al., ICML 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from ....core.constraints import Interval
from ....core.errors import ParamError
from .balancer import LossBalancer, Scene

__all__ = ["GradNorm"]


class GradNorm(LossBalancer):
    """``L = sum_i w_i L_i``, and ``|w_i n_i - mean(w n) r_i^alpha|`` is minimised over w (eq. 2, algorithm 1).

    Parameters
    ----------
    alpha : float >= 0, default=1.5
        How much more a task that lags gets; 0 makes all norms equal.

    Notes
    -----
    ``n_i`` is the norm of the gradient of L_i in W, the last shared weight (section 3.1), ``r_i`` the task's
    ``L_i(t) / L_i(0)`` over its mean. The target is a constant in the gradient, and so is n_i: the network does not learn
    from this loss. After every update the weights are lifted to 0.001 at least (the paper has no such bound) and scaled to
    sum to the number of tasks. They are learned by the network's optimizer at 25 times its rate (0.025, the authors',
    beside 0.001). A task without a label in a batch (the paper has none) has no part in its means and targets.
    """

    lr_scale: ClassVar[float] = 25.0
    first: Tensor
    rules: ClassVar = {"alpha": Interval(float, 0)}

    def __init__(self, kinds: Sequence[str], seed: int = 0, *, alpha: float = 1.5) -> None:
        super().__init__(kinds, seed)
        self.alpha = alpha
        self.weights = nn.Parameter(torch.ones(self.n_tasks))
        self.register_buffer("first", torch.zeros(self.n_tasks))  # 0: not seen yet

    def forward(self, losses: Tensor, scene: Scene) -> Tensor:
        """The weighted sum, and the loss of the weights."""
        own = losses.detach()
        with torch.no_grad():
            self.first.copy_(torch.where(self.first == 0, own, self.first))
            self.weights.clamp_(min=1e-3)
            self.weights.mul_(self.n_tasks / self.weights.sum())
        norms = self._norms(losses, scene.shared)
        here = (own != 0).to(own)  # 0: no label of the task in this batch
        n = here.sum().clamp_min(1)
        ratio = own / self.first.clamp_min(1e-12)
        pace = ratio / ((ratio * here).sum() / n).clamp_min(1e-12)
        scaled = self.weights * norms
        target = ((scaled * here).sum() / n * pace**self.alpha).detach()
        return (self.weights.detach() * losses).sum() + ((scaled - target).abs() * here).sum()

    def _norms(self, losses: Tensor, shared: Sequence[nn.Parameter]) -> Tensor:
        """Norms of the losses' gradients in the last shared weight."""
        last = [p for p in shared if p.requires_grad and p.ndim > 1][-1:]
        if not last:
            raise ParamError("balancing: 'gradnorm' must have a weight that all tasks share. Got none that trains.")
        found = [torch.autograd.grad(loss, last, retain_graph=True, allow_unused=True)[0] for loss in losses]
        return torch.stack([losses.new_zeros(()) if g is None else g.detach().norm() for g in found])
