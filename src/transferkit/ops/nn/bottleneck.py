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
    dropout : float in [0, 1)
        Share of the output that is set to zero in training. The rest is divided by ``sqrt(1 - dropout)``, so that the square
        of a row's norm stays what it is on average (Xu et al., ICCV 2019); plain dropout divides by ``1 - dropout``.

    Attributes
    ----------
    spec : dict
        The parameters, so that ``Bottleneck(**spec)`` is the same skeleton.
    """

    def __init__(self, n_features: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.spec: dict[str, Any] = {"n_features": n_features, "width": width, "dropout": dropout}
        self.linear, self.norm, self.active = nn.Linear(n_features, width), nn.BatchNorm1d(width), nn.ReLU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, z: Tensor) -> Tensor:
        """Features of shape (batch, width) from features of shape (batch, n_features)."""
        z = self.dropout(self.active(self.norm(self.linear(z))))
        return z * (1 - self.dropout.p) ** 0.5 if self.dropout.training and self.dropout.p else z
