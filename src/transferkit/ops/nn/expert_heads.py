"""Experts that tasks share through gates of their own (MMoE), before each task's head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .heads import Head

__all__ = ["ExpertHeads", "expert", "mixed"]


def expert(n_features: int, width: int) -> nn.Module:
    """A layer of ReLU units."""
    return nn.Sequential(nn.Linear(n_features, width), nn.ReLU())


def mixed(outputs: Sequence[Tensor], gate: nn.Module, z: Tensor) -> Tensor:
    """The experts' outputs, weighed by a softmax gate."""
    shares = torch.softmax(gate(z), dim=1)
    return torch.einsum("be,ebd->bd", shares, torch.stack(list(outputs)))


class ExpertHeads(nn.Module):
    """Experts, a gate a task, a head a task.

    Parameters
    ----------
    n_features : int
        Width of what comes in.
    outputs : sequence of int
        Outputs of each task.
    n_experts, width : int
        Number of experts, and their width.
    kind, dropout
        As of `Head`.

    Attributes
    ----------
    experts : ModuleList
        Shared by all tasks.
    of_task : ModuleList
        For each task its ``gate`` and its ``head``.
    spec : dict
        The parameters.
    """

    def __init__(
        self,
        n_features: int,
        outputs: Sequence[int],
        n_experts: int,
        width: int,
        kind: str = "linear",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.spec: dict[str, Any] = {
            "n_features": n_features, "outputs": list(outputs), "n_experts": n_experts, "width": width, "kind": kind,
            "dropout": dropout,
        }  # fmt: skip
        self.experts = nn.ModuleList(expert(n_features, width) for _ in range(n_experts))
        self.of_task = nn.ModuleList(
            nn.ModuleDict({"gate": nn.Linear(n_features, n_experts, bias=False), "head": Head(width, n, kind, dropout)})
            for n in outputs
        )

    def forward(self, z: Tensor) -> Tensor:
        """Outputs of all tasks, one block after the other."""
        found = [layer(z) for layer in self.experts]
        return torch.cat([own["head"](mixed(found, own["gate"], z)) for own in self.of_task], dim=1)
