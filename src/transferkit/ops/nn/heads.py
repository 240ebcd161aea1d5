"""Heads: from features to the outputs of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["HEADS", "DenseHead", "Head"]

HEADS = ("linear", "mlp", "adapter", "cosine", "conv")


class Head(nn.Module):
    """From features to outputs.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of input and output.
    kind : {"linear", "mlp", "adapter", "cosine", "conv"}
        One linear layer; a hidden layer as wide as the features (at most 512) before it; a residual bottleneck of an
        eighth of the width before it; the cosine to one direction an output, times a learned scale; or a 3x3 convolution
        with batch normalisation on an unpooled feature map, pooled, before a linear layer.
    dropout : float in [0, 1)
        Share of the features that is set to zero in training.
    batch_norm : bool
        Whether the features are standardised by batch normalisation first.

    Attributes
    ----------
    spec : dict
        The parameters, so that ``Head(**spec)`` is the same skeleton.
    """

    def __init__(
        self, n_features: int, n_outputs: int, kind: str = "linear", dropout: float = 0.0, batch_norm: bool = False
    ) -> None:
        super().__init__()
        self.spec: dict[str, Any] = {
            "n_features": n_features, "n_outputs": n_outputs, "kind": kind, "dropout": dropout, "batch_norm": batch_norm,
        }  # fmt: skip
        norm = nn.BatchNorm2d if kind == "conv" else nn.BatchNorm1d
        self.norm = norm(n_features) if batch_norm else nn.Identity()
        self.hidden: nn.Module = nn.Identity()
        width = n_features
        if kind == "mlp":
            width = min(n_features, 512)
            self.hidden = nn.Sequential(nn.Linear(n_features, width), nn.ReLU())
        elif kind == "adapter":
            self.hidden = _Residual(n_features)
        elif kind == "conv":
            width = min(n_features, 256)
            self.hidden = nn.Sequential(
                nn.Conv2d(n_features, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            )  # fmt: skip
        self.dropout = nn.Dropout(dropout)
        self.out: nn.Module = _Cosine(width, n_outputs) if kind == "cosine" else nn.Linear(width, n_outputs)

    def forward(self, z: Tensor) -> Tensor:
        """Outputs of shape (batch, n_outputs) from features of shape (batch, n_features); a map (..., height, width) for conv."""
        return self.out(self.dropout(self.hidden(self.norm(z))))


class DenseHead(nn.Module, ABC):
    """A head that takes more of a body than its output: maps, token states, boxes.

    Attributes
    ----------
    spec : dict
        The constructor's parameters as JSON, so that ``type(head)(**spec)`` is the same skeleton.
    """

    spec: dict[str, Any]

    @abstractmethod
    def read(self, body: nn.Module, x: Any) -> Any:
        """What `forward` takes, of a body and its input."""


class _Residual(nn.Module):
    """A bottleneck beside the identity; it adds nothing before training."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.down = nn.Linear(n_features, max(8, n_features // 8))
        self.up = nn.Linear(self.down.out_features, n_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, z: Tensor) -> Tensor:
        return z + self.up(functional.relu(self.down(z)))


class _Cosine(nn.Module):
    """Cosine classifier with a learned scale (Gidaris & Komodakis, CVPR 2018)."""

    def __init__(self, n_features: int, n_outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_outputs, n_features) / n_features**0.5)
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, z: Tensor) -> Tensor:
        return self.scale * functional.linear(functional.normalize(z, dim=1), functional.normalize(self.weight, dim=1))
