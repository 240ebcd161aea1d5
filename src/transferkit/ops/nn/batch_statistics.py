"""Mean and variance of what a batch normalisation is given, over many batches."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["BatchMoments", "has_statistics"]


def has_statistics(module: nn.Module) -> bool:
    """Whether it is a batch normalisation that predicts with statistics of its own."""
    return isinstance(module, _BatchNorm) and module.track_running_stats


class BatchMoments:
    """Mean and variance of each channel, exact over all batches.

    Attributes
    ----------
    n : int
        Values of each channel that were seen.
    mean, var : tensor of shape (n_channels,)
        Of these, in double precision; the variance divides by n, as a batch is normalised in training.
    batch : list of tuple
        What a batch gave until `add`: how many values, their mean and variance. Empty it to forget a batch that did not
        come through.
    """

    def __init__(self) -> None:
        self.n, self.mean, self._squares = 0, torch.zeros(()), torch.zeros(())
        self.batch: list[tuple[int, Tensor, Tensor]] = []

    @property
    def var(self) -> Tensor:
        return self._squares / self.n

    def look(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """A forward pre-hook: takes down the moments of an input of shape (batch, n_channels, ...)."""
        x = inputs[0].detach()
        x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        var, mean = torch.var_mean(x, dim=[d for d in range(x.ndim) if d != 1], correction=0)
        self.batch.append((x.numel() // x.shape[1], mean.cpu().double(), var.cpu().double()))

    def add(self) -> None:
        """Take the batch in, by Chan, Golub & LeVeque's update, which has no difference of large sums."""
        for m, mean, var in self.batch:
            gap, n = mean - self.mean, self.n + m
            self._squares = self._squares + var * m + gap.square() * self.n * m / n
            self.mean, self.n = self.mean + gap * m / n, n
        self.batch = []

    def write(self, layer: Any) -> None:
        """Make them the statistics of a batch normalisation."""
        layer.running_mean.copy_(self.mean)
        layer.running_var.copy_(self.var)
