"""Source-free adaptation between graphs: a trained graph network and the target's graph, and not one node of the source.

How to add a method
-------------------
Write ``_objective(fit)``, a `GraphObjective` on the stream "target", which has no labels. ``fit.network`` is a copy of the
source's network, ``fit.rows`` the target's nodes, ``fit.graph`` their graph and ``fit.adjacency`` its edges.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from ...core.constraints import Either, Fulfils, Nothing, Rule
from ...core.errors import DomainError, ParamError
from ...core.graphs import TargetGraph, as_adjacency
from ...core.protocols import Array
from ...ops.graphs.links import Links, convolution, mean_of_neighbours
from ...ops.nn.graph_network import GraphNetwork
from ..adaptation.target_scores import some_numbers
from ..answers.labels import Labels
from ..networks.backbone import weights_digest
from ..networks.estimator import Fit
from ..source_free.collapse import note_collapse, scores_of
from ..source_free.source_model import clone_with_source
from ..training.device import find_place
from ..training.settings import Training
from .estimator import GRAPH_RULES, GraphAdaptation
from .graph import Graph, NodeRows
from .inference import some_nodes

__all__ = ["GRAPH_SOURCE_RULES", "GraphSourceFree", "GraphTargetFit"]

# What the `_constraints` of every such method begin with.
GRAPH_SOURCE_RULES: Mapping[str, Rule] = {
    "source": Fulfils(
        "be a fitted method for graphs whose layers are of one kind, or its network",
        lambda v: isinstance(v, (GraphAdaptation, GraphNetwork)),
    ),
    "classes": Either(Nothing(), Fulfils("be one name for each output", lambda v: np.ndim(v) == 1 and len(v) > 0)),
    **{name: GRAPH_RULES[name] for name in ("n_neighbors", "symmetric", "training", "random_state")},
}


@dataclass(eq=False, kw_only=True)
class GraphTargetFit(Fit):
    """What a method's objective is built from: `rows` are all nodes of the target, without labels.

    Attributes
    ----------
    graph : Graph
        The target.
    adjacency : CSR matrix of shape (n_target, n_target)
        Its edges.
    """

    graph: Graph
    adjacency: Any


class GraphSourceFree(GraphAdaptation):
    """A trained graph network adapted to an unlabelled graph (protocol ModelTransfer, with ``edges``)."""

    source: Any
    classes: Any
    task = "classification"
    _constraints: ClassVar[Mapping[str, Rule]] = GRAPH_SOURCE_RULES

    def fit(self, X: Any, y: Any = None, *, edges: Any = None) -> Self:  # type: ignore[override]
        """Adapt the source's network to the target's graph.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_target, n_features)
            Features of the target's nodes.
        y : ignored
            No label is looked at; it is there so that the method fits where scikit-learn passes one.
        edges : array of shape (2, n_edges) or sparse matrix of shape (n_target, n_target)
            The target's edges: from and to, or ``edges[i, j]`` as the weight of the edge from i to j.

        Returns
        -------
        self : object
            The fitted method.

        Raises
        ------
        ParamError, DomainError, TrainingError
            Naming what cannot be used, or why the training stopped.
        """
        where = f"{type(self).__name__}.fit"
        training = self._checked_training(where)
        if training.validation > 0:
            raise ParamError(f"{where}: training.validation must be 0: there are no labels. Got {training.validation}.")
        network, labels = _read_source(where, self.source, self.classes)
        try:
            rows = validate_data(self, X, accept_sparse="csr", dtype=[np.float64, np.float32])
        except ValueError as err:
            raise DomainError(f"{where}: X must be usable rows. Got: {err}") from err
        width = network.spec["n_features"]
        if rows.shape[1] != width:
            raise DomainError(f"{where}: X must have {width} features, as the source's. Got {rows.shape[1]}.")
        adjacency = as_adjacency(f"{where}: edges", edges, rows.shape[0], symmetric=self.symmetric)
        graph = Graph(rows, _links_of(network, adjacency))
        self._run(training, lambda seed: self._start(network, labels, graph, adjacency, training, seed))
        self.n_features_in_, self.target_graph_ = width, TargetGraph.of(rows, adjacency)
        return self

    def _start(
        self, network: GraphNetwork, labels: Labels, graph: Graph, adjacency: Any, training: Training, seed: int
    ) -> GraphTargetFit:
        place = find_place(training.device, training.precision, training.channels_last)
        rows = NodeRows(graph, np.arange(len(graph)))
        held, none = rows.take(np.arange(0)), np.empty(0)
        rows.whole = self.n_neighbors is None
        name = f"graph:{network.spec['conv']}"
        backbone = SimpleNamespace(name=name, fingerprint=weights_digest(network), kind="graph")
        common = (network, backbone, labels, rows, held, place, training, seed, none, none)
        fit = GraphTargetFit(*common, graph=graph, adjacency=adjacency)  # type: ignore[arg-type]
        place.put(network)
        fit.notes["scores_before"], shares = self._scores(fit)
        fit.notes["target_shares_before"] = shares.tolist()
        return fit

    def _links(self, adjacency: Any, domain: str) -> Mapping[str, Links]:
        return _links_of(self.network_, adjacency)  # type: ignore[arg-type]

    def _all_streams(self, fit: Fit) -> Mapping[str, NodeRows]:
        return {"target": fit.rows}  # type: ignore[dict-item]

    def _scores(self, fit: GraphTargetFit) -> tuple[dict[str, float], Array]:  # type: ignore[override]
        """What can be said of the network's answers for nodes without labels, and the classes' shares among these."""
        nodes = some_numbers(len(fit.graph))
        _, outputs = some_nodes(fit.network, fit.graph, nodes, fit.place, self.n_neighbors)  # type: ignore[arg-type]
        return scores_of(fit.labels.proba(outputs))

    def _look_back(self, fit: GraphTargetFit) -> None:  # type: ignore[override]
        scores, shares = self._scores(fit)
        note_collapse(type(self).__name__, fit.notes, scores, shares, len(fit.graph), "nodes")

    def __sklearn_clone__(self) -> Any:
        return clone_with_source(self)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags


def _read_source(where: str, source: Any, classes: Any) -> tuple[GraphNetwork, Labels]:
    """A copy of the source's network, and what its outputs stand for."""
    network, labels = source, None
    if isinstance(source, GraphAdaptation):
        network, labels = getattr(source, "network_", None), getattr(source, "labels_", None)
        name = type(source).__name__
        if network is None or labels is None:
            raise ParamError(f"{where}: source must be fitted. Got {name} before its fit.")
        if not isinstance(network, GraphNetwork):
            raise ParamError(
                f"{where}: source must have layers of one kind. Got {name} with a {type(network).__name__}."
            )
        if labels.kind != "classification":
            raise ParamError(f"{where}: source must be a classifier. Got {name} for several labels a node.")
    n = network.spec["n_outputs"]
    names = labels.classes if classes is None and labels is not None else np.arange(n) if classes is None else classes
    names = np.asarray(names)
    if len(names) != n or len(np.unique(names)) != n:
        raise ParamError(
            f"{where}: classes must be {n} different names, one for each output. Got {names.tolist()[:10]}."
        )
    return copy.deepcopy(network).requires_grad_(True).eval(), Labels("classification", n, names)


def _links_of(network: GraphNetwork, adjacency: Any) -> Mapping[str, Links]:
    """What a network multiplies features with."""
    conv = network.spec["conv"]
    if conv == "mlp":
        return {}
    return {"mean": mean_of_neighbours(adjacency)} if conv == "sage" else {"gcn": convolution(adjacency)}
