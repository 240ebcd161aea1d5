"""Two views of one graph, each through convolutions of its own, and attention between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .graph_layers import GraphLayer, Stage, attend
from .graph_network import GraphChain
from .propagate import GraphBatch

__all__ = ["VIEWS", "LocalGlobalNetwork"]

VIEWS = ("local", "global")  # the names of the links


class LocalGlobalNetwork(GraphChain):
    """Two convolutions over the links "local", two over "global"; attention says how much of each a node takes.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of input and output.
    hidden : int
        Width of each view's first layer.
    code : int
        Width of each view's second layer, and of the features.
    dropout : float in [0, 1)
        Share of the first layers' outputs that is set to zero in training.

    Attributes
    ----------
    spec : dict
        The parameters.
    first, second : ModuleList
        The layers of both views: with ReLU, and without.
    ask : Linear
        How much a view says to a node, before the softmax over the two.
    head : GraphLayer
        Linear.
    n_features : int
    """

    def __init__(
        self, n_features: int, n_outputs: int, hidden: int = 128, code: int = 16, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.spec = {
            "n_features": n_features, "n_outputs": n_outputs, "hidden": hidden, "code": code, "dropout": dropout,
        }  # fmt: skip
        self.n_features = code
        self.first = nn.ModuleList([GraphLayer(n_features, hidden, dropout=dropout, links=name) for name in VIEWS])
        self.second = nn.ModuleList([GraphLayer(hidden, code, active=False, links=name) for name in VIEWS])
        self.ask = nn.Linear(code, 1)
        self.head = GraphLayer(code, n_outputs, "mlp", active=False)

    def stages(self, domain: str) -> Sequence[Any]:
        """Hidden layers of both views side by side, their codes side by side, and what attention makes of these."""
        return [Stage(self._first, 1), Stage(self._second, 1), Stage(self._join, 0)]

    def _first(self, h: Any, batch: GraphBatch) -> Tensor:
        return torch.cat([layer(h, batch) for layer in self.first], dim=1)

    def _second(self, h: Tensor, batch: GraphBatch) -> Tensor:
        return torch.cat([layer(half, batch) for layer, half in zip(self.second, h.chunk(2, dim=1))], dim=1)

    def _join(self, h: Tensor, batch: GraphBatch) -> Tensor:
        return attend(self.ask, h.chunk(2, dim=1))
