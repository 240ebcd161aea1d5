"""Which channels of a layer matter: how much the loss rises when each of them is silenced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .feature_maps import changed_output

__all__ = ["channel_attention", "loss_rises", "map_distance"]

_AT_ONCE = 512  # rows that pass through what follows the layer at once


def loss_rises(
    run: Callable[[Any], Tensor],
    layer: nn.Module,
    x: Any,
    losses: Callable[[Tensor], Tensor],
    n_channels: int,
    axis: int,
) -> Tensor:
    """Mean loss of a batch with one channel of a layer's output set to zero, less that with all, for each channel.

    Parameters
    ----------
    run : callable
        ``run(x)`` gives outputs of shape (batch, n_outputs); the layer runs in it once.
    layer : Module
        Its output has the batch on axis 0 and the channels on `axis`.
    x : tensor or mapping
        One batch.
    losses : callable
        One loss a row from outputs of shape (batch, n_outputs).
    n_channels, axis : int
        Of the layer's output.

    Returns
    -------
    tensor of shape (n_channels,)

    Notes
    -----
    Behind a convolution without bias this is the filter set to zero. What comes before the layer is computed once for many
    channels: the layer's output is repeated, each copy with another channel silenced, where what follows takes a longer
    batch to the same outputs; otherwise the channels go one by one.
    """
    with torch.no_grad():
        outputs = run(x)
        n, base = len(outputs), losses(outputs).mean()
        at_once = max(1, _AT_ONCE // n) if _repeats(run, layer, x, outputs) else 1
        rises = []
        for start in range(0, n_channels, at_once):
            silent = range(start, min(start + at_once, n_channels))

            def silence(z: Tensor, silent: range = silent) -> Tensor:
                copies = z.repeat(len(silent), *[1] * (z.ndim - 1)).unflatten(0, (len(silent), n)).movedim(axis + 1, 2)
                for k, channel in enumerate(silent):
                    copies[k, :, channel] = 0
                return copies.movedim(2, axis + 1).flatten(0, 1)

            with changed_output(layer, silence):
                changed = run(x)
            each = torch.stack([losses(part).mean() for part in changed.chunk(len(silent))])
            rises.append(each - base)
        return torch.cat(rises)


def _repeats(run: Callable[[Any], Tensor], layer: nn.Module, x: Any, outputs: Tensor) -> bool:
    """Whether a layer's output given twice makes the network's outputs come twice."""
    try:
        with changed_output(layer, lambda z: torch.cat([z, z])):
            twice = run(x)
    except (RuntimeError, ValueError, IndexError):  # something beside the layer knows how many rows there are
        return False
    return twice.shape[0] == 2 * len(outputs) and torch.allclose(
        twice, torch.cat([outputs, outputs]), rtol=1e-3, atol=1e-4
    )


def channel_attention(rises: Tensor) -> Tensor:
    """Weights of the channels, which sum to 1: the softmax of a fifth of the standardised rises.

    Examples
    --------
    >>> import torch
    >>> from transferkit.ops.nn.channel_attention import channel_attention
    >>> channel_attention(torch.zeros(4))
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    spread = rises.std(correction=0)
    standard = (rises - rises.mean()) / torch.where(spread > 0, spread, 1.0)
    return torch.softmax(standard / 5, dim=0)


def map_distance(now: Tensor, known: Tensor, weights: Tensor, axis: int) -> Tensor:
    """Squared distance of two feature maps, weighted by channel: a mean over rows and positions, in single precision.

    Parameters
    ----------
    now, known : tensor
        Of one shape, with the batch on axis 0 and the channels on `axis`.
    weights : tensor of shape (n_channels,)
        Sum to 1; equal weights give the plain sum over channels.

    Returns
    -------
    tensor of shape ()
    """
    squares = (now.float() - known.float()).square().movedim(axis, -1).flatten(0, -2).mean(dim=0)
    return len(weights) * (squares @ weights)
