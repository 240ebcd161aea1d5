"""Dropout switched off for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

__all__ = ["without_dropout"]


@contextmanager
def without_dropout(module: nn.Module) -> Iterator[None]:
    """Within this context no dropout layer of a module drops anything, in training mode too.

    The layers' rates are set to zero: attention layers read them, so evaluation mode would not do.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from transferkit.ops.nn.dropout import without_dropout
    >>> with without_dropout(layer := nn.Dropout(0.9)):
    ...     layer(torch.ones(3))
    tensor([1., 1., 1.])
    >>> layer.p
    0.9
    """
    rates = [(m, m.p) for m in module.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    for layer, _ in rates:
        layer.p = 0.0
    try:
        yield
    finally:
        for layer, p in rates:
            layer.p = p
