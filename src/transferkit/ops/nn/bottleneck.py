"""The layer that domains are aligned in: between a body and its head."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

__all__ = ["Bottleneck"]


class Bottleneck(nn.Module):
    """Linear, batch normalisation, ReLU: the features that deep domain adaptation works on.

    Parameters
    ----------
    n_features, width : int
        Width of input and output.

    Attributes
    ----------
    spec : dict
        The parameters, so that ``Bottleneck(**spec)`` is the same skeleton.
    """

    def __init__(self, n_features: int, width: int) -> None:
        super().__init__()
        self.spec: dict[str, Any] = {"n_features": n_features, "width": width}
        self.linear, self.norm, self.active = nn.Linear(n_features, width), nn.BatchNorm1d(width), nn.ReLU()

    def forward(self, z: Tensor) -> Tensor:
        """Features of shape (batch, width) from features of shape (batch, n_features)."""
        return self.active(self.norm(self.linear(z)))
