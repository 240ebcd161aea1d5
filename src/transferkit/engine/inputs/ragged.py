"""Batches of texts of many lengths: short ones need not be padded to the longest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["by_length", "take_rows"]


def by_length(forward: Callable[[Any], Tensor], x: Any, size: int = 8) -> Tensor:
    """Outputs for a batch that passes through the network in pieces of similar length, each without needless padding.

    Parameters
    ----------
    forward : callable
        ``forward(x)`` gives one row of outputs a row of inputs, none depending on the others.
    x : tensor or mapping of tensors
        A mapping with ``attention_mask``, padded on the right, is cut into pieces on a CPU, where work grows with every
        token. Anything else goes through as it is.
    size : int, default=8
        Rows of a piece.

    Returns
    -------
    Tensor
        ``forward(x)`` up to rounding, in the order of the rows.
    """
    mask = x.get("attention_mask") if isinstance(x, Mapping) else None
    if mask is None or mask.device.type != "cpu":
        return forward(x)
    lengths, width = mask.sum(dim=1), mask.shape[1]
    order = torch.argsort(lengths, stable=True)
    parts = []
    for rows in torch.split(order, size):
        longest = max(1, int(lengths[rows].max()))
        part = take_rows(x, rows)
        parts.append(forward({k: v[:, :longest] if v.ndim > 1 and v.shape[1] == width else v for k, v in part.items()}))
    return torch.cat(parts)[torch.argsort(order)]


def take_rows(x: Any, rows: Tensor) -> Any:
    """Some rows of a batch, in that order."""
    return x[rows] if isinstance(x, Tensor) else {name: value[rows] for name, value in x.items()}
