"""Steps of Adam as a function of the start: for a task that is learned while nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.func import grad

__all__ = ["adam_steps"]

_MEAN, _SQUARE, _EPS = 0.9, 0.999, 1e-8  # as Kingma & Ba have them


def adam_steps(
    loss: Callable[[dict[str, Tensor]], Tensor], start: Mapping[str, Tensor], n_steps: int, lr: float
) -> dict[str, Tensor]:
    """Weights after steps of Adam (Kingma & Ba, ICLR 2015, algorithm 1), not differentiable.

    Parameters
    ----------
    loss : callable
        Of the weights; may be under `torch.func.vmap`.
    start : mapping of str to tensor
        Not changed.
    n_steps : int
    lr : float
    """
    weights = {k: w.detach() for k, w in start.items()}
    mean = {k: torch.zeros_like(w) for k, w in weights.items()}
    square = dict(mean)
    for step in range(1, n_steps + 1):
        slopes = {k: g.detach() for k, g in grad(loss)(weights).items()}
        mean = {k: _MEAN * mean[k] + (1 - _MEAN) * g for k, g in slopes.items()}
        square = {k: _SQUARE * square[k] + (1 - _SQUARE) * g * g for k, g in slopes.items()}
        rate, spread = lr / (1 - _MEAN**step), (1 - _SQUARE**step) ** 0.5
        weights = {k: w - rate * mean[k] / (square[k].sqrt() / spread + _EPS) for k, w in weights.items()}
    return weights
