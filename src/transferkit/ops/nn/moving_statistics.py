"""The moving statistics of batch normalisation: left alone for a while, or moved by a given share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from torch import nn

__all__ = ["moving_statistics", "without_moving_statistics"]


@contextmanager
def moving_statistics(module: nn.Module, momentum: float) -> Iterator[None]:
    """Batches move the statistics of every batch normalisation inside by this share; 1 takes over the last batch's."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    before = [m.momentum for m in norms]
    for norm in norms:
        norm.momentum = momentum
    try:
        yield
    finally:
        for norm, own in zip(norms, before):
            norm.momentum = own


def without_moving_statistics(module: nn.Module) -> AbstractContextManager[None]:
    """Batches are normalised by their own statistics, and the moving ones stay."""
    return moving_statistics(module, 0.0)
