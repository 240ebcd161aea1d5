"""Terms of continual learning: a pull towards what mattered, old rows played again, and the pass that finds what matters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...ops.nn.continual import anchored_squares, grow_importance
from ..answers.labels import Labels
from ..inputs.rows import move
from ..networks.network import Network
from ..training.objective import Batch
from .estimator import TaskFit

__all__ = ["Anchored", "Replayed", "mean_over_rows", "tensors_of"]


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Copies of the parameters on the CPU, by name."""
    return {name: p.detach().cpu().clone() for name, p in module.named_parameters()}


class Anchored(nn.Module):
    """``factor * sum_i importance_i (w_i - anchor_i)^2``, logged as ``known``.

    Parameters
    ----------
    network : Network
        Whose parameters ``w`` are.
    anchors, importance : mapping of str to tensor
        By the name of a parameter; what is new since has no importance.
    factor : float
    """

    def __init__(
        self, network: Network, anchors: Mapping[str, Tensor], importance: Mapping[str, Tensor], factor: float
    ) -> None:
        super().__init__()
        self.factor = factor
        self.params = dict(network.named_parameters())  # in a dict they belong to the network only
        # They follow from the tasks before, so a checkpoint can do without them.
        for prefix, tensors in (("anchor", anchors), ("importance", importance)):
            grown = grow_importance(tensors, self.params)
            for k, name in enumerate(self.params):
                self.register_buffer(f"{prefix}_{k}", grown[name], persistent=False)

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """The anchors, or the importance, by the name of a parameter."""
        return {name: getattr(self, f"{prefix}_{k}") for k, name in enumerate(self.params)}

    def forward(self, batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
        value = anchored_squares(self.params, self.tensors("anchor"), self.tensors("importance"))
        return {"known": self.factor * value}


class Replayed:
    """``factor`` times the loss on the rows of the stream "memory", logged as ``memory``."""

    def __init__(self, network: Network, labels: Labels, factor: float) -> None:
        self.network, self.labels, self.factor = network, labels, factor

    def __call__(self, batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
        old = batch["memory"]
        assert old.y is not None
        return {"memory": self.factor * self.labels.loss(self.network(old.x), old.y)}


def mean_over_rows(
    fit: TaskFit, n_rows: int, of_row: Callable[[Tensor, list[nn.Parameter], int, float], list[Tensor]]
) -> dict[str, Tensor]:
    """The mean of something over rows of the task, one after the other, by the name of a parameter that trains.

    Parameters
    ----------
    fit : TaskFit
        After the training.
    n_rows : int
        How many rows are looked at, drawn by the fit's seed; all where there are fewer.
    of_row : callable
        ``of_row(outputs, params, y, draw)``: of the outputs of one row, the parameters, the row's label and a number of
        [0, 1), tensors shaped as the parameters.

    Returns
    -------
    dict of str to tensor
        On the CPU; the network is in evaluation mode meanwhile.
    """
    network, rows = fit.network, fit.rows
    rng = np.random.default_rng([fit.seed, 1])
    chosen = rng.permutation(len(rows))[:n_rows]
    draws = rng.random(len(chosen))
    named = {name: p for name, p in network.named_parameters() if p.requires_grad}
    params: list[Any] = list(named.values())
    modes = {m: m.training for m in network.modules()}
    network.eval()
    total = [torch.zeros_like(p) for p in params]
    for stream, draw in zip(rows.batches([np.array([k]) for k in chosen]), draws):
        x = rows.preprocess.finish(move(stream.x, fit.place.device), training=False, generator=None)
        assert stream.y is not None
        found = of_row(network(fit.place.arrange(x))[0], params, int(stream.y[0]), float(draw))
        for own, value in zip(total, found):
            own.add_(value)
    for m, mode in modes.items():
        m.training = mode
    return {name: (value / len(chosen)).cpu() for name, value in zip(named, total)}
