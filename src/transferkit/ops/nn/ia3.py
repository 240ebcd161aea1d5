"""(IA)^3: learned factors on keys, values and hidden activations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...core.errors import ParamError
from .layers import (
    attention,
    called,
    channel_dim,
    fused_qkv,
    is_attention,
    is_depthwise,
    is_weighted,
    joint_projection,
    mlp_outputs,
    n_inputs,
    n_outputs,
    per_channel,
    scale_inputs,
    scale_outputs,
)
from .structure import InputPart, Part, WeightPart, attach, find

__all__ = ["ia3"]


def ia3(
    module: nn.Module, *, outputs: str | Sequence[str] | None = None, inputs: str | Sequence[str] | None = None
) -> list[nn.Parameter]:
    """Multiply keys, values and hidden activations by one learned factor a feature.

    Parameters
    ----------
    module : Module
        Changed in place.
    outputs : str or list of str, optional
        Patterns of dense layers and convolutions whose outputs are scaled; of a layer that makes query, key and value in
        one (also of an attention that does so itself, such as torch's ``MultiheadAttention``), the key and the value.
    inputs : str or list of str, optional
        Patterns of dense layers and convolutions (not depthwise) whose inputs are scaled. Where `outputs` and `inputs`
        are both None: keys, values, and the hidden activations of feed-forward parts; in a network that has neither, the
        inputs of all dense layers and convolutions but the first, which sees the data.

    Returns
    -------
    list of Parameter
        The new ones.

    Raises
    ------
    ParamError
        If a pattern matches no such layer, or there is nothing to scale.

    Notes
    -----
    ``softmax(Q (l_k * K)^T) (l_v * V)`` and ``W_2 (l_ff * act(W_1 x))`` (Liu et al., section 3.3), all factors 1 at the
    start: d_k + d_v + d_ff parameters a block. For convolutional networks, of which the paper says nothing, the hidden
    activations are the inputs of inner convolutions; before a depthwise one the factor would be undone by the batch
    normalisation after it.

    On transformers' models this is `peft.IA3Config` with `target_modules` of both kinds and `feedforward_modules` the
    second; equal factors give equal outputs.

    References
    ----------
    Liu et al. Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning. NeurIPS 2022.
    https://arxiv.org/abs/2205.05638

    Examples
    --------
    >>> from torch import nn
    >>> from transferkit.ops.nn.edits import apply_edit
    >>> apply_edit(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), {"edit": "ia3"})
    ['2.ia3.scale']
    """
    usable = called(module)

    def able(layer: nn.Module) -> bool:
        return is_weighted(layer) and id(layer) in usable

    def inner(layer: nn.Module) -> bool:
        return able(layer) and not is_depthwise(layer)

    def outer(layer: nn.Module) -> bool:
        return able(layer) or is_attention(layer)

    where, kind = "apply_edit: ia3", "dense layers or convolutions"
    after = find(module, outputs, outer, where=where, kind=kind) if outputs is not None else []
    before = find(module, inputs, inner, where=where, kind=f"{kind} (not depthwise)") if inputs is not None else []
    if outputs is None and inputs is None:
        after, before = attention(module, "kv"), mlp_outputs(module)
        if not after and not before:
            before = find(module, able=inner)[1:]
    if not after and not before:
        raise ParamError(f"{where}: module must have an attention or two layers. Got {type(module).__name__}.")
    fused = fused_qkv(module)
    new: list[nn.Parameter] = []
    for name, layer in after:
        if is_attention(layer):
            new.append(_attached(layer, _AttentionScale(joint_projection(layer)[1].shape[1])))
            continue
        width = n_outputs(layer)
        fixed = width // 3 if name in fused else 0
        new.append(_attached(layer, _OutputScale(width, fixed, channel_dim(layer))))
    for _, layer in before:
        new.append(_attached(layer, _InputScale(n_inputs(layer), channel_dim(layer))))
    return new


def _attached(layer: nn.Module, part: _OutputScale | _InputScale | _AttentionScale) -> nn.Parameter:
    attach(layer, "ia3", part)
    return part.scale


class _OutputScale(Part):
    """Factors on a layer's outputs, without the first `fixed` of them (the query of a fused projection)."""

    def __init__(self, width: int, fixed: int, dim: int) -> None:
        super().__init__()
        self.fixed, self.dim = fixed, dim
        self.scale = nn.Parameter(torch.ones(width - fixed))

    def factors(self) -> Tensor:
        return torch.cat([self.scale.new_ones(self.fixed), self.scale])

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        return output * per_channel(self.factors(), output, self.dim)

    def can_merge(self, layer: nn.Module) -> bool:
        return True

    def merge(self, layer: nn.Module) -> None:
        scale_outputs(layer, self.factors())


class _AttentionScale(WeightPart):
    """Factors on key and value of an attention whose joint projection is read: scaled for the length of a call."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2 * width))

    def forward(self, x: nn.Module, output: None = None) -> dict[str, Tensor]:
        name, weight = joint_projection(x)
        value = self.scale.chunk(2)[1]
        factors = torch.cat([self.scale.new_ones(weight.shape[1]), self.scale])
        scaled = {name: weight * factors[:, None]}
        # timm's have biases of query and value only.
        for bias, factor in (("in_proj_bias", factors), ("v_bias", value)):
            if getattr(x, bias, None) is not None:
                scaled[bias] = getattr(x, bias) * factor
        return scaled


class _InputScale(InputPart):
    """Factors on a layer's inputs."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor, output: None = None) -> Tensor:
        return x * per_channel(self.scale, x, self.dim)

    def can_merge(self, layer: nn.Module) -> bool:
        return True

    def merge(self, layer: nn.Module) -> None:
        scale_inputs(layer, self.scale)
