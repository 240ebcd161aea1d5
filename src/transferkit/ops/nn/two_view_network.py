"""A node's own features and those of its surroundings through networks of their own, then put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .graph_layers import GraphLayer
from .graph_network import GraphChain, Stage
from .propagate import GraphBatch, propagate

__all__ = ["TwoViewNetwork"]


class TwoViewNetwork(GraphChain):
    """Two layers for a node's own features, two for the mean of those that the links "near" name, and one for both together.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of input and output.
    hidden : int
        Width of the last layer, and of the second layers.
    wide : int
        Width of the first layers.
    dropout : float in [0, 1)
        Share of the first layers' outputs that is set to zero in training.

    Attributes
    ----------
    spec : dict
        The parameters.
    own, near : ModuleList
        The layers of both views.
    body : GraphLayer
        What puts them together.
    head : GraphLayer
        Linear.
    n_features : int
    """

    def __init__(
        self, n_features: int, n_outputs: int, hidden: int = 128, wide: int = 512, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.spec = {
            "n_features": n_features, "n_outputs": n_outputs, "hidden": hidden, "wide": wide, "dropout": dropout,
        }  # fmt: skip
        self.n_features, self.wide = hidden, wide
        self.own, self.near = (
            nn.ModuleList(
                [GraphLayer(n_features, wide, "mlp", True, dropout), GraphLayer(wide, hidden, "mlp", True, 0.0)]
            )
            for _ in range(2)
        )
        self.body = GraphLayer(2 * hidden, hidden, "mlp", True, 0.0)
        self.head = GraphLayer(hidden, n_outputs, "mlp", active=False)

    def stages(self, domain: str) -> Sequence[Any]:
        """Both views side by side, layer after layer; the last stage joins them."""
        return [Stage(self._first, 1), Stage(self._second, 0), self.body]

    def _first(self, h: Any, batch: GraphBatch) -> Tensor:
        near = self.near[0]
        mean = near.finish(propagate(batch.links["near"], near.weigh(h)))  # (P X) W is P (X W)
        return torch.cat([self.own[0](h, batch), mean], dim=1)

    def _second(self, h: Tensor, batch: GraphBatch) -> Tensor:
        one, other = h.split(self.wide, dim=1)
        return torch.cat([self.own[1](one, batch), self.near[1](other, batch)], dim=1)
