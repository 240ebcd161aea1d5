"""Scaling and shifting of frozen layers: one factor a kernel, one shift a neuron (meta-transfer learning)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from .layers import called
from .structure import find

__all__ = ["kernel_scale"]


def kernel_scale(module: nn.Module, *, layers: str | Sequence[str] | None = None) -> list[nn.Parameter]:
    """Give convolutions and dense layers ``(W * scale) x + (b + shift)``.

    Parameters
    ----------
    module : Module
        Changed in place.
    layers : str or list of str, optional
        Patterns of layer names; None is all of them.

    Returns
    -------
    list of Parameter
        The scales and shifts.

    Raises
    ------
    ParamError
        If there is no such layer.

    Notes
    -----
    ``SS(X; W, b; S1, S2) = (W * S1) X + (b + S2)`` (Sun et al. 2019, eq. 5), S1 one number for each pair of an output and an
    input channel of a convolution, S2 one for each output; they start as 1 and 0, so that the outputs are unchanged. The paper
    has convolutions only; a dense layer has one scale and one shift for each output here.

    References
    ----------
    Sun, Liu, Chua & Schiele. Meta-Transfer Learning for Few-Shot Learning. CVPR 2019. https://arxiv.org/abs/1812.02391

    Examples
    --------
    >>> from torch import nn
    >>> from transferkit.ops.nn.edits import apply_edit
    >>> net = nn.Sequential(nn.Conv2d(2, 3, 5))
    >>> apply_edit(net, {"edit": "kernel_scale"}), tuple(net[0].scale.shape)
    (['0.scale', '0.shift'], (3, 2, 1, 1))
    """
    usable = called(module)

    def able(layer: nn.Module) -> bool:
        return id(layer) in usable and type(layer) in _SCALED

    new: list[nn.Parameter] = []
    kind = "convolutions or dense layers"
    for _, layer in find(module, layers or "*", able, where="apply_edit: kernel_scale", kind=kind):
        weight: Any = layer.weight
        pairs = weight.shape[:2] if weight.ndim > 2 else (len(weight), 1)
        # The layer keeps its weights, name and hooks, and computes with what lies beside them from now on.
        layer.__class__ = _SCALED[type(layer)]
        layer.scale = nn.Parameter(weight.new_ones(*pairs, *[1] * (weight.ndim - 2)))
        layer.shift = nn.Parameter(weight.new_zeros(len(weight)))
        new += [layer.scale, layer.shift]
    return new


class _Scaled(nn.Module):
    weight: Tensor
    bias: Tensor | None
    scale: nn.Parameter
    shift: nn.Parameter

    def _moved(self) -> tuple[Tensor, Tensor]:
        return self.weight * self.scale, self.shift if self.bias is None else self.bias + self.shift


class _ScaledConv1d(_Scaled, nn.Conv1d):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, *self._moved())


class _ScaledConv2d(_Scaled, nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, *self._moved())


class _ScaledLinear(_Scaled, nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, *self._moved())


_SCALED: dict[type, type] = {nn.Conv1d: _ScaledConv1d, nn.Conv2d: _ScaledConv2d, nn.Linear: _ScaledLinear}
