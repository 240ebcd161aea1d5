"""Toys for methods that learn one task after the other: an objective without a loop, and two tasks that disagree."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from transferkit import Domain, Naive
from transferkit.engine.lifelong.estimator import TaskFit
from transferkit.engine.training.settings import Training

TRAINING = Training(n_epochs=12, batch_size=16, lr=0.03, schedule="constant", weight_decay=0.0, progress=False)


def disagreeing(seed: int = 0, n: int = 80) -> list[Domain]:
    """The same classes in other places: what the second task says of the first's rows is wrong."""
    rng = np.random.default_rng(seed)
    tasks = []
    for k in range(2):
        y = np.arange(n) % 2
        X = 0.4 * rng.normal(size=(n, 6)).astype(np.float32)
        X[:, k] += 2.0  # where the task lies
        X[:, 2] += np.where(y == k, 2.0, -2.0)  # and what tells its classes apart, the other way round
        tasks.append(Domain(X, np.array(["no", "yes"])[y], name=f"task {k}"))
    return tasks


@cache
def naive_on_disagreeing() -> float:
    """What plain training keeps of the first of the disagreeing tasks."""
    return accuracies(Naive("small:mlp?hidden=16", training=TRAINING), disagreeing())[0]


def accuracies(model: Any, tasks: list[Domain], *, told: bool = False) -> list[float]:
    """Learn all tasks, then the accuracy on each."""
    for task in tasks:
        model.partial_fit(task)
    return [model.score(t.X, t.y, task=t.name if told else None) for t in tasks]


def second_task(model: Any, tasks: list[Domain], look: Callable[[TaskFit], Any]) -> Any:
    """Learn the first task, and give what `look` finds in the fit of the second, before its training."""
    model.partial_fit(tasks[0])
    where = f"{type(model).__name__}.partial_fit"
    task = tasks[1]
    fit = model._begin(where, task.name, task.X, np.asarray(task.y), model._checked_settings(where, True), 1)
    fit.kept["seed_"] = model.seed_
    model._begin_task(fit)
    return look(fit)


def linear_body(d: int) -> nn.Module:
    """Features that are the rows themselves: a network with it is a linear one."""
    return nn.Sequential(nn.Identity(), Same(d))


class Same(nn.Module):
    """The identity with one weight that does nothing, since a body has weights."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0 * self.unused
