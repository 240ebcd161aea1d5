"""Tiny learners of tasks in double precision, for the theorems of meta-learners."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from transferkit.engine.answers.labels import Labels
from transferkit.engine.backbones import load_backbone
from transferkit.engine.networks.network import Network
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.edits import apply_edit
from transferkit.ops.nn.heads import Head


class _Double(Labels):
    """The loss in double precision, which else is float32 whatever the network is."""

    def loss(self, outputs: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        rule = functional.cross_entropy if self.kind == "classification" else functional.mse_loss
        return rule(outputs, y, reduction=reduction)


CLASSES = _Double("classification", 3, np.arange(3))
NUMBERS = _Double("regression", 1, None, np.zeros(1), np.ones(1))


def network(labels: Labels = CLASSES, hidden: str = "hidden=4", task_norm: bool = True) -> Network:
    """Four features, a hidden layer, and a head; with the statistics of the task where it has batch normalisation."""
    torch.manual_seed(0)
    backbone = load_backbone(f"small:mlp?{hidden}", sample=np.zeros(4))
    found = Network(backbone, Head(backbone.n_features, labels.n_outputs)).double()
    if task_norm and apply_edit(found.body, {"edit": "task_norm"}):
        found.edits.append({"edit": "task_norm"})
    return found


def stream(labels: Labels = CLASSES, n_tasks: int = 3, k_shot: int = 2, n_query: int = 3) -> Stream:
    """Episodes with support first."""
    torch.manual_seed(1)
    units = 3 if labels.kind == "classification" else 1
    n = units * (k_shot + n_query)
    x = torch.randn(n_tasks, n, 4, dtype=torch.float64)
    if labels.kind == "classification":
        places = torch.arange(units)
        y = torch.cat([places.repeat_interleave(k_shot), places.repeat_interleave(n_query)]).repeat(n_tasks, 1)
    else:
        y = torch.sin(x.sum(2, keepdim=True)) * torch.randn(n_tasks, 1, 1, dtype=torch.float64)
    return Stream(x, y, torch.arange(n_tasks))


def gradient(learner: Any, batch: Stream) -> Tensor:
    """The gradient that the loop would take, of all parameters in one row."""
    params = [p for p in learner.parameters() if p.requires_grad]
    loss = learner._loss({"tasks": batch}, 0.0)["loss"]
    found = torch.autograd.grad(loss, params, allow_unused=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).ravel() for p, g in zip(params, found)])


def slopes_along(learner: Any, batch: Stream, step: float = 1e-6) -> tuple[Tensor, Tensor]:
    """The slope of the loss along three random directions: by the gradient, and by central differences."""
    params, by_gradient = list(learner.parameters()), gradient(learner, batch)
    torch.manual_seed(2)
    directions = torch.randn(3, len(by_gradient), dtype=torch.float64)
    found = []
    with torch.no_grad():
        for direction in directions:
            parts = direction.split([p.numel() for p in params])
            sides = []
            for move in (step, -2 * step):
                for p, part in zip(params, parts):
                    p.add_(move * part.view_as(p))
                sides.append(learner._loss({"tasks": batch}, 0.0)["loss"])
            for p, part in zip(params, parts):
                p.add_(step * part.view_as(p))
            found.append((sides[0] - sides[1]) / (2 * step))
    return directions @ by_gradient, torch.stack(found)
