"""Experts of all tasks beside experts of one task each, in layers (CGC and PLE), before each task's head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .expert_heads import expert, mixed
from .heads import Head

__all__ = ["ExtractionHeads"]


class ExtractionHeads(nn.Module):
    """Layers of shared and own experts, then a head a task.

    Parameters
    ----------
    n_features : int
        Width of what comes in.
    outputs : sequence of int
        Outputs of each task.
    n_layers : int
        Layers of experts.
    n_shared, n_own : int
        Experts of all tasks, and of each task, in a layer.
    width : int
        Of an expert.
    kind, dropout
        As of `Head`.

    Attributes
    ----------
    spec : dict
        The parameters.

    Notes
    -----
    Only what lies after the last shared gate is one task's own: its experts and gate of the last layer, and its head. What a
    task's experts of an earlier layer put out reaches every task through the shared gate there.
    """

    def __init__(
        self, n_features: int, outputs: Sequence[int], n_layers: int, n_shared: int, n_own: int, width: int,
        kind: str = "linear", dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.spec: dict[str, Any] = {
            "n_features": n_features, "outputs": list(outputs), "n_layers": n_layers, "n_shared": n_shared, "n_own": n_own,
            "width": width, "kind": kind, "dropout": dropout,
        }  # fmt: skip
        m = len(outputs)
        self.layers = nn.ModuleList(
            _Layer(width if k else n_features, m, n_shared, n_own, width) for k in range(n_layers - 1)
        )
        last = width if n_layers > 1 else n_features
        self.shared = nn.ModuleList(expert(last, width) for _ in range(n_shared))
        self.of_task = nn.ModuleList(
            nn.ModuleDict(
                {
                    "experts": nn.ModuleList(expert(last, width) for _ in range(n_own)),
                    "gate": nn.Linear(last, n_shared + n_own, bias=False),
                    "head": Head(width, n, kind, dropout),
                }
            )
            for n in outputs
        )

    def forward(self, z: Tensor) -> Tensor:
        """Outputs of all tasks, one block after the other."""
        streams = [z] * (len(self.of_task) + 1)  # of each task, and the shared one
        for layer in self.layers:
            streams = layer(streams)
        common = [layer(streams[-1]) for layer in self.shared]
        found = []
        for own, x in zip(self.of_task, streams):
            experts = [*common, *(layer(x) for layer in own["experts"])]
            found.append(own["head"](mixed(experts, own["gate"], x)))
        return torch.cat(found, dim=1)


class _Layer(nn.Module):
    """A layer before the last: the shared stream sees all experts, a task's sees the shared ones and its own."""

    def __init__(self, n_features: int, n_tasks: int, n_shared: int, n_own: int, width: int) -> None:
        super().__init__()
        self.shared = nn.ModuleList(expert(n_features, width) for _ in range(n_shared))
        self.apart = nn.ModuleList(
            nn.ModuleList(expert(n_features, width) for _ in range(n_own)) for _ in range(n_tasks)
        )
        self.gates = nn.ModuleList(nn.Linear(n_features, n_shared + n_own, bias=False) for _ in range(n_tasks))
        self.gate = nn.Linear(n_features, n_shared + n_tasks * n_own, bias=False)

    def forward(self, streams: list[Tensor]) -> list[Tensor]:
        common = [layer(streams[-1]) for layer in self.shared]
        apart = [[layer(x) for layer in own] for own, x in zip(self.apart, streams)]
        tasks = [mixed([*common, *own], gate, x) for own, gate, x in zip(apart, self.gates, streams)]
        return [*tasks, mixed([*common, *(e for own in apart for e in own)], self.gate, streams[-1])]
