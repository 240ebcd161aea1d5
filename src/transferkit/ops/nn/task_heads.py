"""A head for each of several tasks, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .heads import Head

__all__ = ["TaskHeads"]


class TaskHeads(nn.Module):
    """One `Head` a task.

    Parameters
    ----------
    n_features : int
        Width of what a head takes.
    outputs : sequence of int
        Outputs of each task.
    kind, dropout
        As of `Head`.
    apart : bool
        Whether each task has features of its own, one block after the other, or all take the same.

    Attributes
    ----------
    of_task : ModuleList
        By this name an objective tells what only one task's loss reaches.
    spec : dict
        The parameters, so that ``TaskHeads(**spec)`` is the same skeleton.
    """

    def __init__(
        self, n_features: int, outputs: Sequence[int], kind: str = "linear", dropout: float = 0.0, apart: bool = False
    ) -> None:
        super().__init__()
        self.spec: dict[str, Any] = {
            "n_features": n_features, "outputs": list(outputs), "kind": kind, "dropout": dropout, "apart": apart,
        }  # fmt: skip
        self.n_features, self.apart = n_features, apart
        self.of_task = nn.ModuleList(Head(n_features, n, kind, dropout) for n in outputs)

    def forward(self, z: Tensor) -> Tensor:
        """Outputs of all tasks, one block after the other, of shape (batch, sum(outputs))."""
        blocks = z.split(self.n_features, dim=1) if self.apart else [z] * len(self.of_task)
        return torch.cat([head(block) for head, block in zip(self.of_task, blocks)], dim=1)
