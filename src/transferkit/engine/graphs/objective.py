"""The objective of graph methods: the loss of the source's nodes, and a term that sees nodes of both graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ...ops.nn.graph_network import GraphChain
from ...ops.nn.propagate import GraphBatch
from ..answers.labels import Labels
from ..training.objective import Batch, Objective, Step, Stream
from .graph import Graph, drawn_generator

__all__ = ["GraphAlignment", "GraphJoint", "GraphObjective", "GraphTerm", "Nodes"]


@dataclass(frozen=True, eq=False)
class Nodes:
    """The nodes of an update that come from one graph, after a forward pass.

    Attributes
    ----------
    z, outputs : tensor of shape (n_nodes, n_features), and (n_nodes, n_outputs)
        Features and outputs.
    y : tensor of shape (n_nodes,) or (n_nodes, n_outputs), or None
        Encoded labels; None for the target.
    nodes : int64 tensor of shape (n_nodes,)
        Their numbers in the graph.
    batch : GraphBatch
        What the network saw: these nodes and more.
    at : int64 tensor of shape (n_nodes,)
        Their places in `batch`.
    every : list of tensor of shape (n_seen, width)
        What each stage of the network gave, for all nodes of `batch`.
    """

    z: Tensor
    outputs: Tensor
    y: Tensor | None
    nodes: Tensor
    batch: GraphBatch
    at: Tensor
    every: list[Tensor]

    def __len__(self) -> int:
        return len(self.at)

    @property
    def layers(self) -> list[Tensor]:
        """What each stage gave for these nodes, of shape (n_nodes, width)."""
        return [h[self.at] for h in self.every]


@dataclass(frozen=True, eq=False)
class GraphJoint:
    """Nodes of both graphs after one forward pass of each."""

    source: Nodes
    target: Nodes

    @property
    def n(self) -> int:
        """Nodes of the source."""
        return len(self.source)

    @property
    def z(self) -> Tensor:
        """Features, the source's first."""
        return torch.cat([self.source.z, self.target.z])

    @property
    def outputs(self) -> Tensor:
        """Outputs, the source's first."""
        return torch.cat([self.source.outputs, self.target.outputs])


class GraphTerm(Protocol):
    """What a method adds to the source's loss. A term that is a Module is trained with the network."""

    def __call__(self, joint: GraphJoint, progress: float) -> Mapping[str, Tensor]:
        """``"loss"``, which is added `trade_off` times, and parts that are only logged."""


class GraphObjective(Objective):
    """What graph methods share: a network, both graphs, and the way from a batch's node numbers to features.

    Parameters
    ----------
    network : GraphChain
        What is trained.
    labels : Labels
        Which loss.
    graphs : mapping of str to Graph
        "source" and "target", the names of the streams.
    n_neighbors : int or None
        Neighbours drawn for each node; None where every update sees whole graphs.
    """

    def __init__(
        self, network: GraphChain, labels: Labels, graphs: Mapping[str, Graph], n_neighbors: int | None
    ) -> None:
        super().__init__()
        self.network, self.labels, self.graphs, self.n_neighbors = network, labels, dict(graphs), n_neighbors

    def seen(self, stream: Stream, name: str) -> tuple[GraphBatch, Tensor, Tensor, Tensor | None]:
        """What the network gets for a stream: a batch, the places of the stream's nodes in it, their numbers and labels."""
        whole = stream.x.ndim == 2
        nodes, y = (stream.x[0], None if stream.y is None else stream.y[0]) if whole else (stream.x, stream.y)
        graph = self.graphs[name]
        if whole:
            return graph.whole(nodes.device), nodes, nodes, y
        numbers, at = np.unique(nodes.cpu().numpy(), return_inverse=True)  # a short stream may begin anew in a batch
        hops = self.network.hops(graph.domain)
        batch = graph.around(numbers, hops, self.n_neighbors, drawn_generator(), nodes.device)
        return batch, torch.as_tensor(at, device=nodes.device), nodes, y

    def look(self, stream: Stream, name: str) -> Nodes:
        """The forward pass of a stream's nodes."""
        batch, at, nodes, y = self.seen(stream, name)
        every = self.network.every(batch)
        return Nodes(every[-1][at], self.network.head(every[-1], batch)[at], y, nodes, batch, at, every)

    def task(self, nodes: Nodes) -> Tensor:
        """The mean loss of nodes with labels."""
        assert nodes.y is not None
        return self.loss_of(nodes.outputs, nodes.y)

    def loss_of(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Mean cross-entropy over nodes; or binary ones, summed over the labels as AdaGCN's authors have it."""
        labels = self.labels.n_outputs if self.labels.kind == "multilabel" else 1
        return labels * self.labels.loss(outputs, y)

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """The source's loss alone."""
        return {"loss": self.task(self.look(batch["source"], "source"))}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)


class GraphAlignment(GraphObjective):
    """``L = L_source + trade_off * L_term``.

    Parameters
    ----------
    term : GraphTerm
        The method.
    trade_off : float
        Its weight.
    """

    def __init__(
        self,
        network: GraphChain,
        labels: Labels,
        graphs: Mapping[str, Graph],
        n_neighbors: int | None,
        term: GraphTerm | nn.Module,
        trade_off: float = 1.0,
    ) -> None:
        super().__init__(network, labels, graphs, n_neighbors)
        self.term, self.trade_off = term, trade_off

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        joint = GraphJoint(*(self.look(batch[name], name) for name in ("source", "target")))
        task, parts = self.task(joint.source), dict(self.term(joint, progress))
        transfer = parts.pop("loss")
        return {"loss": task + self.trade_off * transfer, "task": task, "transfer": transfer, **parts}
