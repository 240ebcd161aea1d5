"""Two views of one graph through the same weights, and attention between them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .graph_layers import GraphLayer, Stage, attend
from .graph_network import GraphChain
from .propagate import GraphBatch, propagate

__all__ = ["DualGraphNetwork"]


class DualGraphNetwork(GraphChain):
    """Graph convolutions over the links "gcn" and "global" with shared weights; attention says how much of each a node takes.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of input and output.
    hidden : int
        Width of every layer.
    n_layers : int
        Convolutions; all but the last are followed by ReLU and dropout.
    dropout : float in [0, 1)
        Share of the outputs of those that is set to zero in training.

    Attributes
    ----------
    spec : dict
        The parameters.
    body : ModuleList
    ask : Linear
        How much a view says to a node, before the softmax over the two.
    head : GraphLayer
        Linear.
    n_features : int
    """

    def __init__(
        self, n_features: int, n_outputs: int, hidden: int = 128, n_layers: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.spec = {
            "n_features": n_features, "n_outputs": n_outputs, "hidden": hidden, "n_layers": n_layers, "dropout": dropout,
        }  # fmt: skip
        self.n_features = hidden
        widths = [n_features, *[hidden] * n_layers]
        self.body = nn.ModuleList()
        for k in range(n_layers):
            on = k < n_layers - 1
            self.body.append(GraphLayer(widths[k], widths[k + 1], "gcn", on, dropout if on else 0.0))
        self.ask = nn.Linear(hidden, 1)
        self.head = GraphLayer(hidden, n_outputs, "mlp", active=False)

    def stages(self, domain: str) -> Sequence[Any]:
        """Both views side by side, layer after layer; the last stage joins them."""
        both = [Stage(partial(self._both, layer, k == 0), 1) for k, layer in enumerate(self.body)]
        return [*both, Stage(self._join, 0)]

    def _both(self, layer: GraphLayer, is_first: bool, h: Any, batch: GraphBatch) -> Tensor:
        halves = (layer.weigh(h),) * 2 if is_first else (layer.weigh(half) for half in h.chunk(2, dim=1))
        views = zip(("gcn", "global"), halves)
        return torch.cat([layer.finish(propagate(batch.links[name], z)) for name, z in views], dim=1)

    def _join(self, h: Tensor, batch: GraphBatch) -> Tensor:
        return attend(self.ask, h.chunk(2, dim=1))
