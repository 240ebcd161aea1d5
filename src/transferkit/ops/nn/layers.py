"""What is known about layers: which can be edited exactly, how their weight lies, and what they do in a transformer."""

from __future__ import annotations

from collections.abc import Collection
from operator import attrgetter

import torch
from torch import Tensor, nn

from .structure import find, matches

__all__ = [
    "add_bias",
    "attention",
    "attention_outputs",
    "called",
    "channel_dim",
    "fused_qkv",
    "is_affine_norm",
    "is_attention",
    "is_conv",
    "is_conv_same",
    "is_depthwise",
    "is_embedding",
    "is_linear",
    "is_weighted",
    "joint_projection",
    "mlp_outputs",
    "n_inputs",
    "n_outputs",
    "per_channel",
    "scale_inputs",
    "scale_outputs",
    "weight_of",
]

# Last part of the name, as timm, torchvision and transformers have it.
_QUERY = ("query", "q_proj", "q_lin", "q", "to_q")
_KEY = ("key", "k_proj", "k_lin", "k", "to_k")
_VALUE = ("value", "v_proj", "v_lin", "v", "to_v")
_FUSED = ("qkv", "c_attn")
_ATTENTION_OUT = (
    "attn.proj", "attention.output.dense", "attention.o_proj", "self_attn.o_proj", "attention.out_lin",
    "attention.out_proj", "self_attn.out_proj", "self_attention.out_proj", "attn.o", "SelfAttention.o", "attn.c_proj",
)  # fmt: skip
_MLP_OUT = (
    "mlp*.fc2", "output.dense", "ffn.lin2", "mlp.c_proj", "mlp.down_proj", "feed_forward.output_dense",
    "DenseReluDense.wo", "layers.*.fc2", "layers.*.linear2", "layer.*.linear2", "mlp.3",
)  # fmt: skip


def is_linear(layer: nn.Module) -> bool:
    """Whether it is a dense layer: torch's ``Linear``, or ``Conv1D`` of transformers (the same with its weight turned)."""
    return (isinstance(layer, nn.Linear) and type(layer).forward is nn.Linear.forward) or _is_conv1d(layer)


def _is_conv1d(layer: nn.Module) -> bool:
    kind = type(layer)
    return kind.__name__ == "Conv1D" and kind.__module__.startswith("transformers.")


def is_conv(layer: nn.Module) -> bool:
    """Whether it is a 2-D convolution whose output is linear in its weight.

    timm's ``Conv2dSame`` is; its weight-standardised convolutions are not: nothing can be folded into their weight.
    """
    return isinstance(layer, nn.Conv2d) and (type(layer).forward is nn.Conv2d.forward or is_conv_same(layer))


def is_conv_same(layer: nn.Module) -> bool:
    """Whether it is timm's convolution with TensorFlow's padding, which depends on the size of its input."""
    return type(layer).__name__ == "Conv2dSame" and type(layer).__module__.startswith("timm.")


def is_attention(layer: nn.Module) -> bool:
    """Whether it is an attention that reads the weight of its joint projection itself, and calls no layer for it.

    torch's own is one (with inputs of one width), and those of timm that keep the biases apart (BEiT, EVA, Swin v2).
    """
    if isinstance(layer, nn.MultiheadAttention):
        return type(layer) is nn.MultiheadAttention and layer.in_proj_weight is not None
    qkv = getattr(layer, "qkv", None)
    return hasattr(layer, "q_bias") and isinstance(qkv, nn.Linear) and qkv.out_features == 3 * qkv.in_features


def joint_projection(attention: nn.Module) -> tuple[str, Tensor]:
    """Name, and value as it is now, of the (3 d, d) weight of query, key and value of an attention that `is_attention`."""
    name = "in_proj_weight" if isinstance(attention, nn.MultiheadAttention) else "qkv.weight"
    return name, attrgetter(name)(attention)


def is_depthwise(layer: nn.Module) -> bool:
    """Whether it is a convolution in which every channel sees itself only."""
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1


def is_embedding(layer: nn.Module) -> bool:
    """Whether it is a table of rows that looking up does not change."""
    return isinstance(layer, nn.Embedding) and type(layer).forward is nn.Embedding.forward and layer.max_norm is None


def is_affine_norm(layer: nn.Module) -> bool:
    """Whether it is a normalisation with a learned scale and shift."""
    kinds = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d)
    return isinstance(layer, kinds) and all(p is not None and p.dim() == 1 for p in (layer.weight, layer.bias))


def is_weighted(layer: nn.Module) -> bool:
    """Dense layers and convolutions."""
    return is_linear(layer) or is_conv(layer)


def called(module: nn.Module) -> set[int]:
    """Ids of the submodules that are called; of the layers within an attention that `is_attention` some are only read."""
    read = set()
    for layer in module.modules():
        if isinstance(layer, nn.MultiheadAttention):
            read.add(id(layer.out_proj))
        elif is_attention(layer):
            read.add(id(layer.qkv))
    return {id(m) for m in module.modules()} - read


def weight_of(layer: nn.Module) -> Tensor:
    """The weight with outputs first and inputs second (a view: writing to it writes to the layer)."""
    return layer.weight.detach().T if _is_conv1d(layer) else layer.weight.detach()


def n_inputs(layer: nn.Module) -> int:
    """Features or channels that a dense layer or a convolution takes."""
    return layer.in_channels if isinstance(layer, nn.Conv2d) else weight_of(layer).shape[1]


def n_outputs(layer: nn.Module) -> int:
    """Features or channels that a dense layer, a convolution or a normalisation gives."""
    if isinstance(layer, nn.MultiheadAttention):
        return layer.embed_dim
    if isinstance(layer, (nn.Linear, nn.Conv2d)) or _is_conv1d(layer):
        return weight_of(layer).shape[0]
    return layer.weight.numel()


def channel_dim(layer: nn.Module) -> int:
    """Which dimension of a layer's output its features or channels are, counted from 0 or, where negative, from the end."""
    kinds = (nn.Conv2d, nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.InstanceNorm2d)
    # Layer normalisations over the channels of images: timm and torchvision name them so, transformers has an attribute.
    first = type(layer).__name__ in ("LayerNorm2d", "LayerNormAct2d")
    return 1 if isinstance(layer, kinds) or first or getattr(layer, "data_format", "") == "channels_first" else -1


def add_bias(layer: nn.Module) -> None:
    """Give a dense layer or a convolution that has no bias one of zeros, and mark the layer by `grown_bias`."""
    if layer.bias is None:
        layer.grown_bias = True
        weight = layer.weight
        layer.bias = nn.Parameter(weight.new_zeros(n_outputs(layer)), requires_grad=weight.requires_grad)


def fused_qkv(module: nn.Module) -> set[str]:
    """Names of dense layers and 1x1 convolutions whose output is query, key and value, one after the other.

    Layers that interleave the three by head (MaxViT) or whose three parts differ in size (LeViT) are none of these.
    """
    names = set()
    for name, layer in find(module, able=is_weighted):
        if matches(name, _FUSED) and n_outputs(layer) == 3 * n_inputs(layer):
            parent = module.get_submodule(name.rpartition(".")[0])
            if not getattr(parent, "head_first", False):
                names.add(name)
    return names


def attention(module: nn.Module, parts: Collection[str]) -> list[tuple[str, nn.Module]]:
    """What makes the query ("q"), key ("k") or value ("v") of an attention: single and fused projections, torch's own."""
    wanted = [n for part, group in (("q", _QUERY), ("k", _KEY), ("v", _VALUE)) if part in parts for n in group]
    fused = fused_qkv(module)

    def makes(name: str, layer: nn.Module) -> bool:
        return is_attention(layer) or (is_weighted(layer) and (name in fused or matches(name, wanted)))

    usable = called(module)
    return [(n, m) for n, m in find(module) if id(m) in usable and makes(n, m)]


def attention_outputs(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Dense layers (and 1x1 convolutions) through which an attention's output leaves it; torch's attention as a whole."""
    usable = called(module)

    def ends(name: str, layer: nn.Module) -> bool:
        return isinstance(layer, nn.MultiheadAttention) or (_is_pointwise(layer) and matches(name, _ATTENTION_OUT))

    return [(n, m) for n, m in find(module) if id(m) in usable and ends(n, m)]


def mlp_outputs(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Second dense layers (or 1x1 convolutions) of feed-forward parts: what goes in is the hidden activation."""
    found = [(n, m) for n, m in find(module, able=_is_pointwise) if matches(n, _MLP_OUT)]
    return [(n, m) for n, m in found if not matches(n, _ATTENTION_OUT)]


def _is_pointwise(layer: nn.Module) -> bool:
    return is_linear(layer) or (is_conv(layer) and layer.kernel_size == (1, 1) and layer.groups == 1)


def per_channel(vector: Tensor, output: Tensor, dim: int) -> Tensor:
    """A vector shaped so that it meets the channels of an output."""
    if dim < 0:
        return vector
    return vector.view(-1, *([1] * (output.dim() - dim - 1)))


def scale_outputs(layer: nn.Module, scale: Tensor, shift: Tensor | None = None) -> None:
    """Write ``scale * layer(x) + shift`` into the layer's own weight and bias."""
    with torch.no_grad():
        if is_weighted(layer):
            weight = weight_of(layer)
            weight.mul_(scale.view(-1, *([1] * (weight.dim() - 1))))
        else:
            layer.weight.mul_(scale.view_as(layer.weight))
        if layer.bias is not None:
            layer.bias.mul_(scale.view_as(layer.bias))
        if shift is not None:
            add_bias(layer)
            layer.bias.add_(shift.view_as(layer.bias))


def scale_inputs(layer: nn.Module, scale: Tensor) -> None:
    """Write ``layer(scale * x)`` into the layer's own weight."""
    with torch.no_grad():
        weight = weight_of(layer)
        if isinstance(layer, nn.Conv2d) and layer.groups > 1:
            rows = scale.view(layer.groups, 1, -1).expand(-1, layer.out_channels // layer.groups, -1)
            weight.mul_(rows.reshape(layer.out_channels, -1, 1, 1))
        else:
            weight.mul_(scale.view(1, -1, *([1] * (weight.dim() - 2))))
