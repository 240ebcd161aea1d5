"""LoRA: a learned low-rank change on top of frozen weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Boolean, Either, Interval, Nothing
from ...core.errors import ParamError
from .layers import (
    attention,
    called,
    fused_qkv,
    is_attention,
    is_conv,
    is_depthwise,
    is_embedding,
    is_weighted,
    joint_projection,
    n_inputs,
    n_outputs,
    weight_of,
)
from .structure import Part, WeightPart, attach, check_option, find

__all__ = ["lora"]

_QKV = ("q", "k", "v")


def lora(
    module: nn.Module,
    *,
    rank: int = 8,
    alpha: float | None = None,
    dropout: float = 0.0,
    rank_stabilized: bool = False,
    layers: str | Sequence[str] | None = None,
    parts: Sequence[str] | None = ("q", "v"),
) -> list[nn.Parameter]:
    """Add ``scale * B A x`` to the output of layers, with ``A`` of shape (rank, d_in) and ``B`` of shape (d_out, rank).

    Parameters
    ----------
    module : Module
        Changed in place.
    rank : int >= 1, default=8
        Rank of the change.
    alpha : float > 0, optional
        ``scale = alpha / rank``; None is `rank`, so that the scale is 1.
    dropout : float in [0, 1), default=0
        Share of the input of ``A`` that is dropped in training; not for embeddings, must be 0 for projections
        that an attention reads.
    rank_stabilized : bool, default=False
        ``scale = alpha / sqrt(rank)`` (rsLoRA).
    layers : str or list of str, optional
        Patterns of layer names: dense layers, 2-D convolutions that are not depthwise, embeddings, and, by the name of the
        attention, projections that an attention reads without calling them (``nn.MultiheadAttention``; timm's BEiT, EVA
        and Swin v2). None: the attention projections that `parts` names; in a network without attention all dense layers
        and convolutions.
    parts : list of {"q", "k", "v"}, optional
        Which projections are adapted by default, and which slices of a projection that makes all three at once; the other
        slices stay untouched. None takes all three and adapts a fused projection as one.

    Returns
    -------
    list of Parameter
        The new ones.

    Raises
    ------
    ParamError
        If an option is out of its range or `layers` matches nothing that can be adapted.

    Notes
    -----
    ``h = W x + scale * B A x`` (Hu et al., eq. 3). ``A`` starts with Kaiming-uniform numbers and ``B`` with zeros, so that
    the outputs are unchanged at the start; rank * (d_in + d_out) parameters a dense layer. A k x k convolution with g
    groups has, in every group, a convolution to `rank` channels of the layer's own geometry, and a 1 x 1 convolution back:
    rank * (d_in * k * k + d_out) parameters. For an embedding ``A`` starts with zeros and ``B`` with normal numbers, as in
    the authors' code. In a depthwise convolution the change has no fewer parameters than the weight: it is skipped.

    On transformers' models this is `peft.LoraConfig` with the same `r`, `lora_alpha`, `lora_dropout`, `use_rslora`; equal
    weights give equal outputs. peft adapts a fused projection only as one, and shares ``A`` among the groups of a
    convolution.

    References
    ----------
    Hu et al. LoRA: Low-Rank Adaptation of Large Language Models. ICLR 2022. https://arxiv.org/abs/2106.09685
    Kalajdzievski. A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA. 2023. https://arxiv.org/abs/2312.03732

    Examples
    --------
    >>> from torch import nn
    >>> from transferkit.ops.nn.edits import apply_edit
    >>> apply_edit(nn.Sequential(nn.Linear(4, 3)), {"edit": "lora", "rank": 2})
    ['0.lora.down.weight', '0.lora.up.weight']
    """
    check_option("lora", "rank", rank, Interval(int, 1))
    check_option("lora", "alpha", alpha, Either(Nothing(), Interval(float, 0, closed="neither")))
    check_option("lora", "dropout", dropout, Interval(float, 0, 1, closed="left"))
    check_option("lora", "rank_stabilized", rank_stabilized, Boolean())
    if parts is not None and (isinstance(parts, str) or not parts or any(p not in _QKV for p in parts)):
        raise ParamError(f"apply_edit: parts of lora must be None or a list out of 'q', 'k', 'v'. Got {parts!r}.")
    scale = (rank if alpha is None else alpha) / (math.sqrt(rank) if rank_stabilized else rank)
    fused = fused_qkv(module)
    new: list[nn.Parameter] = []
    for name, layer in _chosen(module, layers, parts):
        part: Part
        if is_embedding(layer):
            part = _EmbeddingLoRA(layer, rank, scale)
        elif is_attention(layer):
            if dropout:
                what = f"for {name}, an attention that shows no inputs of its projections"
                raise ParamError(f"apply_edit: dropout of lora must be 0 {what}. Got {dropout!r}.")
            part = _AttentionLoRA(joint_projection(layer)[1].shape[1], rank, scale, parts)
        elif is_conv(layer):
            part = _ConvLoRA(layer, rank, scale, dropout)
        elif name in fused and parts is not None:
            part = _SliceLoRA(layer, rank, scale, dropout, [p for p in _QKV if p in parts])
        else:
            part = _LinearLoRA(n_inputs(layer), n_outputs(layer), rank, scale, dropout)
        attach(layer, "lora", part)
        new.extend(part.parameters())
    return new


def _able(layer: nn.Module) -> bool:
    return (is_weighted(layer) and not is_depthwise(layer)) or is_embedding(layer) or is_attention(layer)


def _chosen(module: nn.Module, layers: Any, parts: Sequence[str] | None) -> list[tuple[str, nn.Module]]:
    usable = called(module)
    if layers is not None:
        kind = "dense layers, convolutions (not depthwise), embeddings or attentions with a joint weight of their own"
        return find(module, layers, lambda m: id(m) in usable and _able(m), where="apply_edit: lora", kind=kind)
    found = [(n, m) for n, m in attention(module, parts or _QKV) if _able(m)]
    return found or find(module, able=lambda m: id(m) in usable and _able(m) and not is_embedding(m))


class _LoRA(Part):
    """What all have in common: they read the layer's input, and fold into its weight."""

    reads_input = True

    def can_merge(self, layer: nn.Module) -> bool:
        return True


class _LinearLoRA(_LoRA):
    """For dense layers."""

    def __init__(self, d_in: int, d_out: int, rank: int, scale: float, dropout: float) -> None:
        super().__init__()
        self.scale = scale
        self.dropout = nn.Dropout(dropout)
        self.down = nn.Linear(d_in, rank, bias=False)
        self.up = nn.Linear(rank, d_out, bias=False)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)

    def delta(self, x: Tensor) -> Tensor:
        return self.scale * self.up(self.down(self.dropout(x)))

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        return output + self.delta(x)

    def change(self) -> Tensor:
        """The change of the weight, of shape (d_out, d_in)."""
        return self.scale * self.up.weight @ self.down.weight

    def merge(self, layer: nn.Module) -> None:
        with torch.no_grad():
            weight_of(layer).add_(self.change())


class _SliceLoRA(_LoRA):
    """For dense layers that make query, key and value in one: one pair of matrices for each slice that is adapted."""

    def __init__(self, layer: nn.Module, rank: int, scale: float, dropout: float, parts: Sequence[str]) -> None:
        super().__init__()
        width = n_outputs(layer) // 3
        for part in parts:
            self.add_module(part, _LinearLoRA(n_inputs(layer), width, rank, scale, dropout))

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        slices = list(output.chunk(3, dim=-1))
        for part, pair in self.named_children():
            k = _QKV.index(part)
            slices[k] = slices[k] + pair.delta(x)
        return torch.cat(slices, dim=-1)

    def merge(self, layer: nn.Module) -> None:
        with torch.no_grad():
            for part, pair in self.named_children():
                weight_of(layer).chunk(3)[_QKV.index(part)].add_(pair.change())


class _AttentionLoRA(WeightPart):
    """For an attention's joint projection that is read, whose weight is changed for the length of a call."""

    def __init__(self, width: int, rank: int, scale: float, parts: Sequence[str] | None) -> None:
        super().__init__()
        self.slices = {"qkv": slice(None)} if parts is None else {}
        for k, part in enumerate(_QKV):
            if parts is not None and part in parts:
                self.slices[part] = slice(k * width, (k + 1) * width)
        for part in self.slices:
            self.add_module(part, _LinearLoRA(width, 3 * width if part == "qkv" else width, rank, scale, 0.0))

    def forward(self, x: nn.Module, output: None = None) -> dict[str, Tensor]:
        name, weight = joint_projection(x)
        weight = weight.clone()
        for part, rows in self.slices.items():
            weight[rows] = weight[rows] + self.get_submodule(part).change()
        return {name: weight}


class _ConvLoRA(_LoRA):
    """For convolutions: `rank` channels a group, by the layer's own kernel size, stride, padding and dilation."""

    def __init__(self, layer: nn.Conv2d, rank: int, scale: float, dropout: float) -> None:
        super().__init__()
        self.scale, self.groups = scale, layer.groups
        self.dropout = nn.Dropout(dropout)
        extra = {} if layer.padding_mode == "zeros" else {"padding_mode": layer.padding_mode}
        self.down = type(layer)(
            layer.in_channels, rank * layer.groups, layer.kernel_size, stride=layer.stride, padding=layer.padding,
            dilation=layer.dilation, groups=layer.groups, bias=False, **extra,
        )  # fmt: skip
        self.up = nn.Conv2d(rank * layer.groups, layer.out_channels, 1, groups=layer.groups, bias=False)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        return output + self.scale * self.up(self.down(self.dropout(x)))

    def merge(self, layer: nn.Module) -> None:
        with torch.no_grad():
            down = self.down.weight.unflatten(0, (self.groups, -1)).flatten(2)  # groups, rank, d_in/groups * k * k
            up = self.up.weight.unflatten(0, (self.groups, -1)).flatten(2)  # groups, d_out/groups, rank
            weight_of(layer).add_(self.scale * (up @ down).reshape(layer.weight.shape))


class _EmbeddingLoRA(_LoRA):
    """For embeddings: ``A`` is a table with `rank` columns."""

    def __init__(self, layer: nn.Embedding, rank: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.padding_idx = layer.padding_idx
        self.down = nn.Parameter(torch.zeros(layer.num_embeddings, rank))
        self.up = nn.Parameter(torch.randn(layer.embedding_dim, rank))

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        return output + self.scale * functional.embedding(x, self.down, self.padding_idx) @ self.up.T

    def merge(self, layer: nn.Module) -> None:
        with torch.no_grad():
            weight_of(layer).add_(self.scale * self.down @ self.up.T)
