"""Adaptation between graphs: a network trained on a labelled source graph and an unlabelled target graph.

How to add a method
-------------------
Most are one term beside the source's loss: write ``_term(fit)``, which gives a function or Module that turns the `GraphJoint`
of an update (features and outputs of nodes of both graphs, the share of the training that is done) into ``{"loss": ...,
parts to log}``; see ``algorithms/relation/grade.py``. The other hooks, from the least to the most:

``_usual``      the settings of the training where the user gives none
``_large``      parameters with which `transferkit run` tries it on a graph that is not to be held at once; None is not at all
``_network``    another network than layers and head; a subclass of `GraphChain` in a file of ``ops/nn``, with a ``spec``, so that
                the store can save it. Its ``stages(domain)`` may differ between the domains
``_links``      other matrices to multiply features with, by name, from an adjacency matrix
``_graphs``     the same with labels and features at hand
``_objective``  an `Objective` of one's own: a subclass of `GraphObjective` with several steps or other forward passes
``_finish``     after the training: what the report should know, into ``fit.notes``

Prediction is that of ``fit.network`` on links that `_links` makes, for the target and for any other graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ...core.constraints import Boolean, Either, Fulfils, Interval, Nothing, Options, RandomState, Rule
from ...core.errors import DomainError, ParamError
from ...core.graphs import GraphData, TargetGraph, check_graph, rows_and_graph
from ...core.protocols import Array, Domain
from ...ops.graphs.links import Links, convolution, mean_of_neighbours
from ...ops.nn.graph_layers import CONVOLUTIONS
from ...ops.nn.graph_network import GraphChain, GraphNetwork
from ..adaptation.target_scores import collapse, scores_of, some_numbers, tell_of_collapse
from ..answers.labels import Labels, find_labels
from ..networks.backbone import Group, weights_digest
from ..networks.estimator import Fit, NetworkEstimator, _has_proba, split_rows
from ..training.device import find_place
from ..training.freezing import FreezePlan, make_plan
from ..training.objective import Objective
from ..training.settings import Training
from .graph import Graph, NodeRows
from .inference import all_nodes, some_nodes
from .objective import GraphAlignment, GraphTerm

__all__ = ["CONV", "GRAPH_RULES", "GraphAdaptation", "GraphFit"]

# What the `_constraints` of every method begin with.
GRAPH_RULES: Mapping[str, Rule] = {
    "hidden": Interval(int, 1),
    "n_layers": Interval(int, 1),
    "dropout": Interval(float, 0, 1, closed="left"),
    "n_neighbors": Either(Nothing(), Interval(int, 1)),
    "symmetric": Boolean(),
    "training": Either(Nothing(), Fulfils("be a Training", lambda v: isinstance(v, Training))),
    "task": Options("auto", "classification", "multilabel"),
    "random_state": RandomState(),
}
CONV: Rule = Options(*CONVOLUTIONS)
_WATCHED = 20  # epochs at which both domains are looked at without labels
_TO_TELL = 10  # nodes a label, from which most probable labels say something


@dataclass(eq=False, kw_only=True)
class GraphFit(Fit):
    """What a method's objective is built from: `rows` and `held` are nodes of the source.

    Attributes
    ----------
    graphs : dict of str to Graph
        "source" and "target".
    target : NodeRows
        All nodes of the target, without labels.
    data : GraphData
        The checked input.
    """

    graphs: dict[str, Graph]
    target: NodeRows
    data: GraphData


class GraphAdaptation(NetworkEstimator):
    """A graph network adapted from a labelled source graph to an unlabelled target graph (protocol Transfer).

    A subclass writes ``_term``, or ``_objective``; what else it may write is at the top of this file.
    """

    conv: str = "gcn"
    hidden: int
    n_layers: int
    n_neighbors: int | None
    symmetric: bool
    trade_off: float = 1.0
    target_graph_: TargetGraph
    _constraints: ClassVar[Mapping[str, Rule]] = GRAPH_RULES
    _kinds: ClassVar[tuple[str, ...]] = ("classification", "multilabel")
    _accept_sparse: ClassVar[bool] = True
    _settings: ClassVar[Mapping[str, Any]] = {}
    _large: ClassVar[Mapping[str, Any] | None] = None

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None, edges: Any = None) -> Self:
        """Fit on labelled nodes of the source and unlabelled nodes of the target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_source, n_features)
            Features of the source's nodes.
        y : array-like of shape (n_source,), or table of 0 and 1 of shape (n_source, n_labels)
            Their classes, or several labels each.
        target : Domain
            The target's nodes with their ``edges``; not one of its labels is looked at.
        groups : array-like of shape (n_source,), optional
            The source domain of each node.
        edges : array of shape (2, n_edges) or sparse matrix of shape (n_source, n_source)
            The source's edges: from and to, or ``edges[i, j]`` as the weight of the edge from i to j.

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
        unlabelled = target.hide() if isinstance(target, Domain) else target
        data = check_graph(self, X, y, unlabelled, edges=edges, groups=groups, symmetric=self.symmetric)
        width = self.n_features_in_
        self._run(training, lambda seed: self._begin(where, data, training, seed))
        self.n_features_in_, self.target_graph_ = width, TargetGraph.of(data.Xt, data.At)
        return self

    def _begin(self, where: str, data: GraphData, training: Training, seed: int) -> GraphFit:
        """Labels, graphs and the network before training."""
        place = find_place(training.device, training.precision, training.channels_last)
        n = data.Xs.shape[0]
        labels = find_labels(where, data.ys, n, self.task)
        if labels.kind not in self._kinds:
            raise DomainError(f"{where}: y must be for {' or '.join(self._kinds)}. Got labels for {labels.kind}.")
        graphs, whole = self._graphs(data), self.n_neighbors is None
        rows = NodeRows(graphs["source"], np.arange(n), labels.encode(data.ys))
        train, held = split_rows(where, rows, data.ys, labels, training, seed)
        rows, kept = rows.take(train), rows.take(held)
        rows.whole = whole
        network = self._network(data.Xs.shape[1], labels)
        return GraphFit(
            network,  # type: ignore[arg-type]
            SimpleNamespace(name=f"graph:{self.conv}", fingerprint=weights_digest(network), kind="graph"),  # type: ignore[arg-type]
            labels,
            rows,
            kept,
            place,
            training,
            seed,
            data.ys[train],
            data.ys[held],
            graphs=graphs,
            target=NodeRows(graphs["target"], np.arange(data.Xt.shape[0]), whole=whole),
            data=data,
        )

    # What a method may say ----------------------------------------------------------------------------------------

    def _usual(self) -> Training:
        return Training(**self._settings)

    def _network(self, n_features: int, labels: Labels) -> GraphChain:  # type: ignore[override]
        """Layers and head before training."""
        return GraphNetwork(n_features, labels.n_outputs, self.hidden, self.n_layers, self.conv, self.dropout)

    def _links(self, adjacency: Any, domain: str) -> Mapping[str, Links]:
        """What features are multiplied with."""
        if self.conv == "mlp":
            return {}
        return {"mean": mean_of_neighbours(adjacency)} if self.conv == "sage" else {"gcn": convolution(adjacency)}

    def _graphs(self, data: GraphData) -> dict[str, Graph]:
        """Both graphs of a fit."""
        return {
            "source": Graph(data.Xs, self._links(data.As, "source"), "source"),
            "target": Graph(data.Xt, self._links(data.At, "target"), "target"),
        }

    def _objective(self, fit: GraphFit) -> Objective:  # type: ignore[override]
        return GraphAlignment(
            fit.network, fit.labels, fit.graphs, self.n_neighbors, self._term(fit), self.trade_off  # type: ignore[arg-type]
        )  # fmt: skip

    def _term(self, fit: GraphFit) -> GraphTerm:
        """What the method adds to the source's loss."""
        raise NotImplementedError(f"{type(self).__name__} must write _term or _objective.")

    def _plan(self, fit: Fit) -> FreezePlan:
        return make_plan(self._groups(fit), n_epochs=fit.training.n_epochs, batch_norm="train")

    def _groups(self, fit: Fit) -> tuple[Group, ...]:
        """The head, and all else."""
        found = []
        for part in ("body", "head"):
            params, modules = (
                tuple(n for n, _ in named if (n.partition(".")[0] == "head") == (part == "head"))
                for named in (fit.network.named_parameters(), fit.network.named_modules())
            )
            found.append(Group(part, params, modules))
        return tuple(found)

    def _all_streams(self, fit: GraphFit) -> Mapping[str, NodeRows]:  # type: ignore[override]
        streams = {"source": fit.rows, "target": fit.target}
        return dict(sorted(streams.items(), key=lambda item: -len(item[1])))  # type: ignore[return-value]

    # What is watched ----------------------------------------------------------------------------------------------

    def _judge(self, fit: GraphFit, objective: Objective) -> float:  # type: ignore[override]
        nodes = fit.held.nodes  # type: ignore[attr-defined]
        _, outputs = some_nodes(fit.network, fit.graphs["source"], nodes, fit.place, self.n_neighbors)  # type: ignore[arg-type]
        return fit.labels.score(fit.y_held, fit.labels.predict(outputs))

    def _validation(self, fit: GraphFit, objective: Objective) -> Callable[[], Any]:  # type: ignore[override]
        """Scores of the nodes that were held back, every epoch; label-free ones, which cost as much, at every twentieth of them."""
        judged, t = super()._validation(fit, objective), fit.training
        clock = {"update": 0, "n_updates": 1}
        t.callbacks = (*t.callbacks, lambda event, state: clock.update(state) if event == "update" else None)

        def scores() -> dict[str, float]:
            epoch = round(clock["update"] / clock["n_updates"] * t.n_epochs)
            watched = epoch % -(-t.n_epochs // _WATCHED) == 0 or epoch == t.n_epochs
            found = self._scores(fit)[0] if watched else {}
            return found if judged is None else {**found, "validation": judged()}

        return scores

    def _scores(self, fit: GraphFit) -> tuple[dict[str, float], Array]:
        """What can be said of both domains without a target label."""
        chosen = {
            "source": fit.rows.nodes[some_numbers(len(fit.rows.nodes))],  # type: ignore[attr-defined]
            "target": some_numbers(len(fit.graphs["target"])),
        }
        (z, outputs), (z_t, outputs_t) = (
            some_nodes(fit.network, fit.graphs[name], nodes, fit.place, self.n_neighbors)  # type: ignore[arg-type]
            for name, nodes in chosen.items()
        )
        assert fit.rows.y is not None
        y = fit.rows.y[torch.as_tensor(some_numbers(len(fit.rows.nodes)))]  # type: ignore[attr-defined]
        return scores_of(fit.labels, y, z, outputs, z_t, outputs_t)

    def _look_back(self, fit: GraphFit) -> None:  # type: ignore[override]
        scores, shares = self._scores(fit)
        assert fit.rows.y is not None
        part = some_numbers(len(fit.rows.nodes))  # type: ignore[attr-defined]
        known = NodeRows(fit.graphs["source"], part, fit.rows.y[torch.as_tensor(part)])
        n_target = len(some_numbers(len(fit.graphs["target"])))
        wrong = collapse(fit.labels, known, n_target, scores["source/score"], shares)
        if fit.labels.kind == "multilabel" and min(len(part), n_target) >= _TO_TELL * fit.labels.n_outputs:
            wrong["collapsed"] = scores["target/diversity"] < scores["source/diversity"] / 2
        fit.notes |= {"scores": scores, "target_shares": shares.tolist(), **wrong}
        tell_of_collapse(type(self).__name__, fit.notes, "nodes")

    # Use ----------------------------------------------------------------------------------------------------------

    def _answers(self, X: Any, edges: Any, method: str, domain: str = "target") -> tuple[Array, Array]:
        """Features and outputs of all nodes."""
        check_is_fitted(self, "network_")
        rows, adjacency = rows_and_graph(
            self, X, edges, method, symmetric=self.symmetric, target=domain == "target"
        )  # fmt: skip
        training = self._usual() if self.training is None else self.training
        place = find_place(training.device, training.precision, training.channels_last)
        place.put(self.network_)
        graph = self._graph_of(rows, adjacency, domain)
        return all_nodes(self.network_, graph, place, in_pieces=self.n_neighbors is not None)  # type: ignore[arg-type]

    def _graph_of(self, rows: Any, adjacency: Any, domain: str) -> Graph:
        """What the network is asked about."""
        return Graph(rows, self._links(adjacency, domain), domain)

    def predict(self, X: Any, edges: Any = None) -> Any:  # type: ignore[override]
        """Classes, or 0 and 1 a label, of the nodes of a graph.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features of all its nodes.
        edges : array of shape (2, n_edges) or sparse matrix of shape (n_samples, n_samples), optional
            Its edges; None where it is the target of the fit.
        """
        return self.labels_.predict(self._answers(X, edges, "predict")[1])

    @available_if(_has_proba)
    def predict_proba(self, X: Any, edges: Any = None) -> Array:  # type: ignore[override]
        """Probabilities of shape (n_samples, n_classes), in the order of ``classes_``; one a label for several labels."""
        return self.labels_.proba(self._answers(X, edges, "predict_proba")[1])

    @available_if(_has_proba)
    def decision_function(self, X: Any, edges: Any = None) -> Array:  # type: ignore[override]
        """The network's logits, of shape (n_samples, n_classes)."""
        return self._answers(X, edges, "decision_function")[1].astype(np.float64)

    def transform(self, X: Any, domain: str = "target", edges: Any = None) -> Array:  # type: ignore[override]
        """What the head gets, of shape (n_samples, n_features), for nodes of a graph of either domain."""
        if domain not in ("target", "source"):
            raise ParamError(f"{type(self).__name__}.transform: domain must be 'target' or 'source'. Got {domain!r}.")
        return self._answers(X, edges, "transform", domain)[0]

    def score(self, X: Any, y: Any, edges: Any = None, sample_weight: Any = None) -> float:  # type: ignore[override]
        """Accuracy (classes) or micro-averaged F1 (several labels)."""
        return self.labels_.score(y, self.predict(X, edges), sample_weight)
