"""Quadratic penalties on parameters."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["half_squares"]


def half_squares(tensors: Iterable[Tensor]) -> Tensor:
    """Half the sum of all squares, in single precision; its gradient is the tensors themselves.

    Examples
    --------
    >>> import torch
    >>> from transferkit.ops.nn.penalties import half_squares
    >>> half_squares([torch.tensor([1.0, 2.0]), torch.tensor([[3.0]])]).item()
    7.0
    """
    return sum((t.float().square().sum() for t in tensors), start=torch.zeros(())) / 2
