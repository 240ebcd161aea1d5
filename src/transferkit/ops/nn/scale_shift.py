"""SSF: a learned scale and shift of every feature after every layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .layers import called, channel_dim, is_affine_norm, is_weighted, n_outputs, per_channel, scale_outputs
from .structure import Part, attach, find

__all__ = ["scale_shift"]


def scale_shift(module: nn.Module, *, layers: str | Sequence[str] | None = None) -> list[nn.Parameter]:
    """Follow dense layers, convolutions and normalisations by ``scale * z + shift``, one of each a feature or channel.

    Parameters
    ----------
    module : Module
        Changed in place.
    layers : str or list of str, optional
        Patterns of layer names; None is every dense layer, convolution and normalisation with a scale and shift of its
        own.

    Returns
    -------
    list of Parameter
        The new ones.

    Raises
    ------
    ParamError
        If there is no such layer.

    Notes
    -----
    ``y = gamma * x + beta`` (Lian et al., eq. 4), 2 d parameters a layer with d outputs. Where the paper draws gamma from
    N(1, 0.02) and beta from N(0, 0.02), they start as 1 and 0 here, so that the outputs are unchanged at the start. Both
    fold into the layer (eq. 5). A joint projection that an
    attention reads instead of calling it (torch's own, timm's BEiT, EVA and Swin v2) is left out. Normalisations of timm
    that have their activation built in are scaled before it.

    References
    ----------
    Lian et al. Scaling & Shifting Your Features: A New Baseline for Efficient Model Tuning. NeurIPS 2022.
    https://arxiv.org/abs/2210.08823

    Examples
    --------
    >>> from torch import nn
    >>> from transferkit.ops.nn.edits import apply_edit
    >>> apply_edit(nn.Sequential(nn.Linear(2, 3)), {"edit": "scale_shift"})
    ['0.ssf.scale', '0.ssf.shift']
    """
    usable = called(module)

    def able(layer: nn.Module) -> bool:
        return id(layer) in usable and (is_weighted(layer) or is_affine_norm(layer))

    kind = "dense layers, convolutions or normalisations with scale and shift"
    new: list[nn.Parameter] = []
    for _, layer in find(module, layers or "*", able, where="apply_edit: scale_shift", kind=kind):
        part = _ScaleShift(n_outputs(layer), channel_dim(layer)).to(layer.weight)
        inner = {"drop", "act"} <= layer._modules.keys()
        part.of_parent = inner
        attach(layer.drop if inner else layer, "ssf", part)
        new.extend(part.parameters())
    return new


class _ScaleShift(Part):
    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.scale = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        scale, shift = (per_channel(v, output, self.dim) for v in (self.scale, self.shift))
        return output * scale + shift

    def can_merge(self, layer: nn.Module) -> bool:
        return True

    def merge(self, layer: nn.Module) -> None:
        scale_outputs(layer, self.scale, self.shift)
