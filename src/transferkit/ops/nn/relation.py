"""A learned comparison of two embeddings (Sung et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Relation"]

_MAPS = 64  # channels of a block, as in the paper


class Relation(nn.Module):
    """How much two embeddings belong together.

    Parameters
    ----------
    shape : sequence of int
        Of one embedding: (n_features,), or a map (n_channels, height, width).
    width : int
        Of the hidden layer.

    Notes
    -----
    For maps, which are joined along their channels: two blocks of a 3x3 convolution with 64 filters, batch normalisation, ReLU
    and 2x2 pooling (where a map still has two pixels a side), then the hidden layer with ReLU, and one output (paper, figure 2).
    For vectors, which are joined: the hidden layer and the output (figure 3).
    """

    def __init__(self, shape: Sequence[int], width: int = 8) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n, *sides = shape
        n *= 2
        if sides:
            for _ in range(2):
                layers += [nn.Conv2d(n, _MAPS, 3, padding=1), nn.BatchNorm2d(_MAPS), nn.ReLU()]
                n = _MAPS
                if min(sides) >= 2:
                    layers.append(nn.MaxPool2d(2))
                    sides = [s // 2 for s in sides]
            layers.append(nn.Flatten())
            n *= sides[0] * sides[1]
        self.compare = nn.Sequential(*layers, nn.Linear(n, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scores of shape (n_pairs,), the sigmoid of which is the relation, of pairs of shape (n_pairs, *shape)."""
        found: Tensor = self.compare(torch.cat([a, b], dim=1))[:, 0]
        return found
