"""What a detector puts out, as one tensor; its layers for classes and boxes are its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .heads import DenseHead

__all__ = ["DetectionHead"]


class DetectionHead(DenseHead):
    """Logits and boxes side by side. It has no parameters.

    Attributes
    ----------
    spec : dict
        Empty.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spec = {}

    def read(self, body: Any, x: Tensor) -> Tensor:
        """Tensor of shape (batch, n_queries, n_logits + 4)."""
        found = body.detect(x)
        return torch.cat([found.logits, found.pred_boxes], dim=2)

    def forward(self, z: Tensor) -> Tensor:
        """The same."""
        return z
