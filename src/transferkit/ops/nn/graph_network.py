"""Graph networks: layers that take features and edges, and a head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from .graph_layers import GraphLayer, Stage, pass_on
from .propagate import GraphBatch

__all__ = ["GraphChain", "GraphNetwork"]


class GraphChain(nn.Module, ABC):
    """What graph methods train and the store saves: stages that features go through, and a head.

    Each stage sees nodes one edge away at most; so a graph of any size goes through it one stage after the other, in
    pieces. A subclass is defined in a file of ``transferkit.ops.nn``.

    Attributes
    ----------
    spec : dict
        The constructor's parameters as JSON, so that ``type(network)(**spec)`` is the same skeleton.
    head : Module
        From features to outputs, with ``hops`` as a stage.
    n_features : int
        Width of what the head gets.
    """

    spec: dict[str, Any]
    head: GraphLayer
    n_features: int

    @abstractmethod
    def stages(self, domain: str) -> Sequence[Any]:
        """What features go through for "source" or "target", one after the other; the head is not among them."""

    def hops(self, domain: str) -> int:
        """How many edges away the farthest node is that has a say in an output."""
        return sum(stage.hops for stage in self.stages(domain)) + self.head.hops

    def features(self, batch: GraphBatch) -> Tensor:
        """What the head gets, of shape (n_nodes, n_features)."""
        return self.every(batch)[-1]

    def every(self, batch: GraphBatch) -> list[Tensor]:
        """What each stage gives, the features last."""
        found = [batch.x]
        for stage in self.stages(batch.domain):
            found.append(stage(found[-1], batch))
        return found[1:]

    def forward(self, batch: GraphBatch) -> Tensor:
        """Outputs of shape (n_nodes, n_outputs)."""
        return self.head(self.features(batch), batch)


class GraphNetwork(GraphChain):
    """Layers of one kind and one width.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of input and output.
    hidden : int
        Width of every layer.
    n_layers : int
        Layers before the head.
    conv : {"gcn", "sage", "gat", "mlp"}
        Kind of the layers.
    dropout : float in [0, 1)
        Share of the outputs of every active layer that is set to zero in training.
    active : bool
        Whether ReLU (and dropout) follows the last of them, too.
    head : {"linear", "conv"}
        Whether the head is a linear layer or one of `conv`.
    steps : mapping of str to int, optional
        For convolutions: how often a layer multiplies with the links "gcn", by domain, as in ``{"source": 0, "target": 10}``:
        ``ReLU(P^steps H W + b)``. None is once, everywhere. The head does so once.

    Attributes
    ----------
    spec : dict
        The parameters.
    body : ModuleList
    head : Module
    n_features : int
        Width of what the head gets.
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        hidden: int = 128,
        n_layers: int = 2,
        conv: str = "gcn",
        dropout: float = 0.0,
        active: bool = True,
        head: str = "linear",
        steps: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.spec = {
            "n_features": n_features, "n_outputs": n_outputs, "hidden": hidden, "n_layers": n_layers, "conv": conv,
            "dropout": dropout, "active": active, "head": head, "steps": None if steps is None else dict(steps),
        }  # fmt: skip
        self.n_features = hidden
        widths = [n_features, *[hidden] * n_layers]
        self.body = nn.ModuleList()
        for k in range(n_layers):
            on = active or k < n_layers - 1
            self.body.append(GraphLayer(widths[k], widths[k + 1], conv, on, dropout if on else 0.0))
        self.head = GraphLayer(hidden, n_outputs, conv if head == "conv" else "mlp", active=False)

    def stages(self, domain: str) -> Sequence[Any]:
        steps = self.spec["steps"]
        if steps is None:
            return list(self.body)
        found: list[Any] = []
        for layer in self.body:
            passes = [Stage(partial(pass_on, layer.links), 1)] * steps[domain]
            found += [Stage(layer.weigh, 0), *passes, Stage(layer.finish, 0)]
        return found
