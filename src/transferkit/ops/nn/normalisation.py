"""The normalisation layers of a network: their scales and shifts, and the dropout that is no part of them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

__all__ = ["affine_parameters", "dropouts"]

_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def affine_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Scales and shifts of batch, layer, group, instance and RMS normalisation, in the order of the layers.

    Examples
    --------
    >>> from torch import nn
    >>> from transferkit.ops.nn.normalisation import affine_parameters
    >>> [tuple(p.shape) for p in affine_parameters(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))]
    [(3,), (3,)]
    """
    return [p for m in module.modules() if isinstance(m, _NORMS) for p in m.parameters(recurse=False)]


def dropouts(module: nn.Module) -> Sequence[nn.Module]:
    """Layers that drop at random in training mode."""
    return [m for m in module.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
