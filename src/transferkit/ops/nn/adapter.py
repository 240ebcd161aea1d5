"""Adapters: small networks inserted into a frozen one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Either, Interval, Nothing, Options
from ...core.errors import ParamError
from .layers import (
    attention_outputs,
    called,
    channel_dim,
    is_conv,
    is_conv_same,
    is_weighted,
    mlp_outputs,
    n_outputs,
)
from .structure import Part, attach, check_option, find

__all__ = ["adapter"]

_KINDS = ("houlsby", "pfeiffer", "parallel", "series")
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}


def adapter(
    module: nn.Module,
    *,
    kind: str | None = None,
    size: int = 64,
    activation: str = "gelu",
    layers: str | Sequence[str] | None = None,
) -> list[nn.Parameter]:
    """Insert bottleneck adapters into transformers, or residual 1x1 adapters into convolutional networks.

    Parameters
    ----------
    module : Module
        Changed in place.
    kind : {"houlsby", "pfeiffer", "parallel", "series"}, optional
        Bottlenecks after attention and feed-forward parts, or after feed-forward parts only; 1x1 convolutions beside, or
        after, convolutions with larger kernels. None: "houlsby" where the network has attention or feed-forward parts,
        "parallel" where it has convolutions instead.
    size : int >= 1, default=64
        Width of the bottleneck; without effect on the residual kinds.
    activation : {"gelu", "relu"}, default="gelu"
        Of the bottleneck.
    layers : str or list of str, optional
        Patterns of the layers (dense or convolution) after which, or beside which, an adapter comes instead.

    Returns
    -------
    list of Parameter
        The new ones.

    Raises
    ------
    ParamError
        If an option is out of its range, or the network has no place for that kind.

    Notes
    -----
    Bottleneck: ``h + W_up act(W_down h + b) + c`` on the output of the last dense layer of a part, before it is added to
    the residual stream (Houlsby et al., figure 2); 2 d m + d + m parameters with size m. Houlsby et al. start with small
    numbers, near the identity; here ``W_up`` and c are zero, so that the outputs are unchanged at the start. They also
    train the normalisations: choose those in the freeze plan. Bottlenecks cannot be folded away.

    Residual, in parallel: ``W * x + A x`` with a 1x1 convolution A at the layer's stride and groups (Rebuffi et al. 2018,
    eq. 2), C_in * C_out / groups parameters; in series: ``y + A y``, C_out^2 parameters (2017). A starts at zero; both
    fold into the convolution. The papers' domain-specific batch normalisation is a matter of the freeze plan.

    References
    ----------
    Houlsby et al. Parameter-Efficient Transfer Learning for NLP. ICML 2019. https://arxiv.org/abs/1902.00751
    Pfeiffer et al. AdapterFusion. EACL 2021. https://arxiv.org/abs/2005.00247
    Rebuffi, Bilen & Vedaldi. Learning multiple visual domains with residual adapters. NeurIPS 2017.
    Rebuffi, Bilen & Vedaldi. Efficient parametrization of multi-domain deep neural networks. CVPR 2018.

    Examples
    --------
    >>> from torch import nn
    >>> from transferkit.ops.nn.edits import apply_edit
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    >>> apply_edit(net, {"edit": "adapter"})
    ['0.adapter.weight']
    """
    check_option("adapter", "kind", kind, Either(Nothing(), Options(*_KINDS)))
    check_option("adapter", "size", size, Interval(int, 1))
    check_option("adapter", "activation", activation, Options(*_ACTIVATIONS))
    bottleneck = bool(mlp_outputs(module)) if kind is None and layers is None else kind not in ("parallel", "series")
    usable = called(module)
    if bottleneck:
        if layers is not None:
            where, what = "apply_edit: adapter", "dense layers or convolutions"
            chosen = find(module, layers, lambda m: is_weighted(m) and id(m) in usable, where=where, kind=what)
        else:
            chosen = mlp_outputs(module) + (attention_outputs(module) if kind != "pfeiffer" else [])
    else:
        chosen = _convolutions(module, layers, grouped=kind != "series")
    if not chosen:
        raise ParamError(
            f"apply_edit: layers of adapter must be given for a network without attention, feed-forward parts or "
            f"convolutions. Got {layers!r} for {type(module).__name__} with kind={kind!r}."
        )
    new: list[nn.Parameter] = []
    for _, layer in chosen:
        part: Part
        if bottleneck:
            part = _Bottleneck(n_outputs(layer), size, _ACTIVATIONS[activation](), channel_dim(layer))
        else:
            part = _Series(layer) if kind == "series" else _Parallel(layer)
        attach(layer, "adapter", part)
        new.extend(part.parameters())
    return new


def _convolutions(module: nn.Module, layers: Any, *, grouped: bool) -> list[tuple[str, nn.Module]]:
    def able(layer: nn.Module) -> bool:
        # A border that is not zero would reach the 1x1 convolution as well.
        return is_conv(layer) and layer.padding_mode == "zeros" and (grouped or layer.groups == 1)

    if layers is not None:
        what = "convolutions with zero padding" + ("" if grouped else " and one group")
        return find(module, layers, able, where="apply_edit: adapter", kind=what)
    return find(module, able=lambda m: able(m) and max(m.kernel_size) > 1)


class _Bottleneck(Part):
    """Down, activation, up, added."""

    def __init__(self, width: int, size: int, activation: nn.Module, dim: int) -> None:
        super().__init__()
        self.down: nn.Module = nn.Linear(width, size) if dim < 0 else nn.Conv2d(width, size, 1)
        self.activation = activation
        self.up: nn.Module = nn.Linear(size, width) if dim < 0 else nn.Conv2d(size, width, 1)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        return output + self.up(self.activation(self.down(output)))


class _Parallel(Part):
    """A 1x1 convolution that sees what the middle of the layer's kernel sees."""

    reads_input = True

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer = {
            "kernel": layer.kernel_size, "stride": layer.stride, "dilation": layer.dilation, "padding": layer.padding,
            "groups": layer.groups, "same": is_conv_same(layer),
        }  # fmt: skip
        self.weight = nn.Parameter(torch.zeros(layer.out_channels, layer.in_channels // layer.groups, 1, 1))

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        borders: list[int] = []
        for axis in (1, 0):  # functional.pad wants the last dimension first; a negative border crops
            size, stride = x.shape[2 + axis], self.layer["stride"][axis]
            start = self._middle(axis, size)
            end = start + (output.shape[2 + axis] - 1) * stride + 1
            borders += [-start, end - size]
        seen = functional.pad(x, borders) if any(borders) else x
        return output + functional.conv2d(seen, self.weight, stride=self.layer["stride"], groups=self.layer["groups"])

    def _middle(self, axis: int, size: int) -> int:
        """Where in the input the middle of the kernel lies for the first output."""
        kernel, stride, dilation = (self.layer[key][axis] for key in ("kernel", "stride", "dilation"))
        padding = self.layer["padding"]
        if self.layer["same"]:
            reach = (math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1
            left = max(reach - size, 0) // 2
        elif padding == "same":
            left = (kernel - 1) * dilation // 2
        else:
            left = 0 if padding == "valid" else padding[axis]
        return kernel // 2 * dilation - left

    def can_merge(self, layer: nn.Module) -> bool:
        return True

    def merge(self, layer: nn.Module) -> None:
        row, column = (k // 2 for k in layer.kernel_size)
        with torch.no_grad():
            layer.weight[:, :, row, column].add_(self.weight[:, :, 0, 0])


class _Series(Part):
    """A 1x1 convolution of the layer's output, added to it."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(layer.out_channels, layer.out_channels, 1, 1))

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        return output + functional.conv2d(output, self.weight)

    def can_merge(self, layer: nn.Module) -> bool:
        return True

    def merge(self, layer: nn.Module) -> None:
        mix = self.weight[:, :, 0, 0]
        with torch.no_grad():
            layer.weight.add_((mix @ layer.weight.flatten(1)).view_as(layer.weight))
            if layer.bias is not None:
                layer.bias.add_(mix @ layer.bias)
