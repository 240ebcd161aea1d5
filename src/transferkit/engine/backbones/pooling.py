"""A transformer with its pooling: token vectors become one vector a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.errors import ParamError

__all__ = ["POOLINGS", "TransformerBody"]

POOLINGS = ("mean", "cls", "max", "last", "pooler", "logits", "mean_sqrt")


class TransformerBody(nn.Module):
    """A transformers network, pooled.

    Parameters
    ----------
    model : Module
        Of the library transformers.
    pooling : sequence of str
        Joined along the features. ``"mean"``, ``"max"``, ``"mean_sqrt"`` (sum over the root of the number) of all tokens
        that are no padding, or of all places of a map; ``"cls"``, ``"last"``: the first, the last such token;
        ``"pooler"``: the network's own pooling layer; ``"logits"``: what its classifier puts out.
    input_name : str
        Name of the argument that takes a plain tensor.
    after : Module, optional
        Layers on top.
    l2 : bool, default=False
        Whether each row is divided by its norm at the end.
    """

    def __init__(
        self,
        model: nn.Module,
        pooling: Sequence[str],
        input_name: str = "input_ids",
        after: nn.Module | None = None,
        l2: bool = False,
    ) -> None:
        super().__init__()
        for mode in pooling:
            if mode not in POOLINGS:
                raise ParamError(f"load_backbone: pooling must be of {', '.join(POOLINGS)}. Got {mode!r}.")
        self.model = model
        self.after = nn.Identity() if after is None else after
        self.pooling, self.input_name, self.l2 = tuple(pooling), input_name, l2

    def forward(self, x: Any) -> Tensor:
        """Features of shape (batch, n_features)."""
        output = self.model(**x) if isinstance(x, Mapping) else self.model(**{self.input_name: x})
        mask = x.get("attention_mask") if isinstance(x, Mapping) else None
        z = self.after(torch.cat([_pool(output, mode, mask) for mode in self.pooling], dim=1))
        return functional.normalize(z, dim=1) if self.l2 else z


def _pool(output: Any, mode: str, mask: Tensor | None) -> Tensor:
    if mode == "logits":
        return output.logits
    if mode == "pooler":
        if getattr(output, "pooler_output", None) is None:
            raise ParamError("load_backbone: pooling must be another than 'pooler' for this network, which has none.")
        return output.pooler_output.flatten(1)
    tokens = output.last_hidden_state
    if tokens.ndim == 4:  # a convolutional network's map
        tokens = tokens.flatten(2).transpose(1, 2)
    if mask is None or mask.shape != tokens.shape[:2]:
        mask = tokens.new_ones(tokens.shape[:2])
    if mode == "cls":
        return tokens[:, 0]
    if mode == "last":
        return tokens[torch.arange(len(tokens), device=tokens.device), mask.sum(dim=1).long() - 1]
    if mode == "max":
        return tokens.masked_fill(mask[:, :, None] == 0, -torch.inf).amax(dim=1)
    weight = mask[:, :, None].to(tokens.dtype)
    number = weight.sum(dim=1)
    return (tokens * weight).sum(dim=1) / (number if mode == "mean" else number.sqrt())
