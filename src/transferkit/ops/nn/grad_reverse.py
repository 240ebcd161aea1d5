"""Gradient reversal: the layer that turns a minimisation into a min-max game (Ganin & Lempitsky, ICML 2015)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

__all__ = ["grad_reverse", "reversal_weight"]


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * grad, None


def grad_reverse(x: Tensor, weight: float = 1.0) -> Tensor:
    """The identity, whose gradient is multiplied by ``-weight``.

    Parameters
    ----------
    x : tensor
    weight : float
        What stands behind the layer descends at full rate, what stands before it climbs at this one.

    Returns
    -------
    tensor
    """
    found: Tensor = _Reverse.apply(x, weight)
    return found


def reversal_weight(progress: float, sharpness: float = 10.0) -> float:
    """Ganin & Lempitsky's schedule of the reversal: ``2 / (1 + exp(-sharpness * progress)) - 1``, from 0 towards 1.

    Parameters
    ----------
    progress : float in [0, 1]
        Share of the updates that are done.
    sharpness : float
        Their gamma.

    Returns
    -------
    float
    """
    return 2.0 / (1.0 + math.exp(-sharpness * progress)) - 1.0
