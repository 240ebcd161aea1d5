"""A head whose outputs are the inner products of embedded features with descriptions of the classes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["DescribedHead"]


class DescribedHead(nn.Module):
    """From features to one score a described class: ``s_c' M z - o_c``.

    Parameters
    ----------
    n_features, n_attributes, n_outputs : int
        Width of the features and of the descriptions, and number of classes.
    cosine : bool
        Whether embedded features are scaled to norm 1 first.

    Attributes
    ----------
    spec : dict
        The parameters, so that ``DescribedHead(**spec)`` is the same skeleton.
    embed : Linear
        M, without an offset.
    descriptions : Tensor of shape (n_outputs, n_attributes)
        Of the classes; not trained.
    offset : Tensor of shape (n_outputs,)
        Taken off; not trained, zero before it is set.
    """

    descriptions: Tensor
    offset: Tensor

    def __init__(self, n_features: int, n_attributes: int, n_outputs: int, cosine: bool = False) -> None:
        super().__init__()
        self.spec: dict[str, Any] = {
            "n_features": n_features, "n_attributes": n_attributes, "n_outputs": n_outputs, "cosine": cosine,
        }  # fmt: skip
        self.cosine = cosine
        self.embed = nn.Linear(n_features, n_attributes, bias=False)
        self.register_buffer("descriptions", torch.zeros(n_outputs, n_attributes))
        self.register_buffer("offset", torch.zeros(n_outputs))

    def forward(self, z: Tensor) -> Tensor:
        """Scores of shape (batch, n_outputs) from features of shape (batch, n_features)."""
        found = self.embed(z)
        if self.cosine:
            found = functional.normalize(found, dim=1)
        return functional.linear(found, self.descriptions) - self.offset
