"""PairAlign: edges weighted by pairs of classes, classes by their shares, both so that predictions of both graphs agree."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...core.constraints import Interval, Options
from ...core.protocols import Array
from ...engine.graphs.estimator import GRAPH_RULES, GraphAdaptation, GraphFit
from ...engine.graphs.graph import Graph
from ...engine.graphs.inference import all_nodes
from ...engine.graphs.objective import GraphObjective
from ...engine.training.objective import Batch
from ...engine.training.settings import Training
from ...ops.graphs.edge_weights import weighted_links
from ...ops.graphs.pair_weights import as_shares, neighbour_ratios, pair_confusions, pair_shares, share_weights

CARD = {
    "class": "PairAlign",
    "protocol": "Transfer",
    "settings": ("unsupervised", "label_shift"),
    "tasks": ("classification",),
    "data": ("graph",),
    "needs": ("torch",),
    "cost": "epochs",
    "portfolio": (),
    "paper": "Liu, Zou, Zhao & Li. Pairwise Alignment Improves Graph Domain Adaptation. ICML 2024.",
    "url": "https://arxiv.org/abs/2403.01092",
}

__all__ = ["PairAlign"]


class PairAlign(GraphAdaptation):
    """Weight messages so that neighbours are of the classes that they have in the target, and losses by the target's classes.

    Parameters
    ----------
    weigh : {"both", "edges", "classes"}, default="both"
        What is weighted: PA-BOTH, PA-CSS and PA-LS in the paper.
    edge_penalty : float in (0, inf), default=0.01
        Pull of the pairs' weights to 1. The authors' code has 25, at which they hardly leave 1: what is fitted are products of
        shares, far below 1. Ours is their value for classes.
    class_penalty : float in (0, inf), default=0.01
        Pull of the classes' weights to 1.
    floor : float in [0, inf), default=0.0001
        Added to the shares of pairs before their ratio is taken, against extreme weights of rare ones.
    kept : float in [0, 1], default=0.0
        Share of an edge that keeps its weight; the rest is multiplied by the ratio.
    every : int in [1, inf), default=10
        Epochs after which the weights are found anew, and for the first time.
    conv : {"gcn", "sage"}, default="sage"
        Layers: GraphSAGE with the mean, or graph convolution.
    hidden : int in [1, inf), default=128
        Width of the layers.
    n_layers : int in [1, inf), default=3
        Layers before the linear one that gives classes.
    dropout : float in [0, 1), default=0.5
        Share of each layer's outputs that is set to zero in training.
    n_neighbors : int in [1, inf) or None, default=None
        None trains on whole graphs, one update an epoch. A number draws so many neighbours of every node anew for each update
        of ``training.batch_size`` nodes, and goes through the graph in pieces to predict: for graphs that do not fit.
    symmetric : bool, default=True
        Whether edges go both ways.
    training : Training, default=None
        Epochs, learning rate and all else; None is 400 epochs of Adam at 0.003, as in the authors' code, without its decay.
    task : {"auto", "classification", "multilabel"}, default="auto"
        What the labels are; "auto" takes a table of 0 and 1 for several labels of each node.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, dropout and all that is drawn.

    Attributes
    ----------
    network_ : GraphNetwork
        Layers and head, trained.
    target_graph_ : TargetGraph
        The target's edges, so that predictions for its nodes need not be told them again.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source; not there for several labels.
    history_ : list of dict
        One row an epoch: ``train/loss``; and in twenty of them what `GraphSourceOnly` lists without target labels.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        Kind of the layers, and the SHA-256 of the first weights.
    edge_weight_ : array of shape (n_classes, n_classes)
        Gamma, as last found: of the message to a node of a class (row) from one of a class (column).
    class_weight_ : array of shape (n_classes,)
        Beta, as last found: of the loss of a source node of a class.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.

    Notes
    -----
    With y a node's class as a unit vector and p what is predicted for it, let C be the mean of ``(p_i x p_j) (y_i x y_j)'``
    over the source's edges, q that of ``p_i x p_j`` over the target's, and m that of ``y_i x y_j`` over the source's. Weights of
    pairs are ``argmin_w |C w - q|^2 + edge_penalty |w - 1|^2`` with ``w >= 0`` and ``m . w = 1``, so that ``m w`` estimates the
    shares of pairs among the target's edges; ``gamma_ab = (m w)(b | a) / m(b | a)`` then multiplies the message to a node of
    class a from one of class b. Weights beta of classes are found in the same way from nodes instead of edges, as in `BBSE`
    and `RLLS`, and multiply the losses of source nodes.

    Predictions are taken without dropout (the authors' code never turns it off) and on the source's own nodes. In that code the
    weights of classes change nothing unless its option ``weight_CE_src`` is on, since the loss was averaged before; here
    they do what the paper says. The critic that the code can add is not here, nor the second layer of its classifier.
    With several labels a node, its labels share it alike, and predicted probabilities are made to sum to 1 for C and q.

    References
    ----------
    Liu, Zou, Zhao & Li. Pairwise Alignment Improves Graph Domain Adaptation. ICML 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, PairAlign, Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X, Xt = (y[:, None] + rng.normal(size=(40, 3)) for _ in range(2))
    >>> pairs = rng.integers(0, 40, size=(2, 400))
    >>> edges = pairs[:, y[pairs[0]] == y[pairs[1]]]
    >>> model = PairAlign(hidden=8, n_layers=2, training=Training(n_epochs=30, lr=0.05, optimizer="adam"))
    >>> model.fit(X, y, target=Domain(Xt, edges=edges), edges=edges).score(Xt, y) > 0.8
    True
    """

    _constraints: ClassVar = {
        "weigh": Options("both", "edges", "classes"),
        "edge_penalty": Interval(float, 0, closed="neither"),
        "class_penalty": Interval(float, 0, closed="neither"),
        "floor": Interval(float, 0),
        "kept": Interval(float, 0, 1),
        "every": Interval(int, 1),
        "conv": Options("gcn", "sage"),
        **GRAPH_RULES,
    }
    _test_params: ClassVar = {"conv": "gcn", "n_layers": 2, "dropout": 0.1, "every": 5}
    _settings: ClassVar = {
        "n_epochs": 400, "lr": 3e-3, "optimizer": "adam", "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0,
    }  # fmt: skip

    def __init__(
        self,
        weigh: str = "both",
        edge_penalty: float = 0.01,
        class_penalty: float = 0.01,
        floor: float = 1e-4,
        kept: float = 0.0,
        every: int = 10,
        conv: str = "sage",
        hidden: int = 128,
        n_layers: int = 3,
        dropout: float = 0.5,
        n_neighbors: int | None = None,
        symmetric: bool = True,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.weigh = weigh
        self.edge_penalty = edge_penalty
        self.class_penalty = class_penalty
        self.floor = floor
        self.kept = kept
        self.every = every
        self.conv = conv
        self.hidden = hidden
        self.n_layers = n_layers
        self.dropout = dropout
        self.n_neighbors = n_neighbors
        self.symmetric = symmetric
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: GraphFit) -> _Aligned:  # type: ignore[override]
        found = _Aligned(fit.network, fit.labels, fit.graphs, self.n_neighbors)  # type: ignore[arg-type]
        found.prepare(fit, self)
        return found

    def _finish(self, fit: GraphFit, objective: _Aligned) -> None:  # type: ignore[override]
        self.edge_weight_ = objective.edge_weight.cpu().numpy().copy()
        self.class_weight_ = objective.class_weight.cpu().numpy().copy()


class _Aligned(GraphObjective):
    """The weighted loss of the source on a weighted graph; the weights are state, with which a resumed training goes on."""

    edge_weight: Tensor
    class_weight: Tensor
    last: Tensor

    def prepare(self, fit: GraphFit, method: PairAlign) -> None:
        """Take what weighting needs."""
        k = fit.labels.n_outputs
        self.register_buffer("edge_weight", torch.ones(k, k, dtype=torch.float64))
        self.register_buffer("class_weight", torch.ones(k, dtype=torch.float64))
        self.register_buffer("last", torch.tensor(-1))  # epoch at which they were found
        self.fit, self.method, self.plain = fit, method, fit.graphs["source"]
        self.Y = np.eye(k)[fit.data.codes] if fit.labels.classes is not None else as_shares(fit.data.ys)
        self.Y[fit.held.nodes] = 0  # type: ignore[attr-defined]  # labels that judge an epoch shape no weight
        self.node_weight: Tensor | None = None

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        self._weigh(int(progress * self.fit.training.n_epochs + 1e-6))
        source = self.look(batch["source"], "source")
        assert source.y is not None
        assert self.node_weight is not None
        labels = self.labels.n_outputs if self.labels.kind == "multilabel" else 1  # summed over them, as in `loss_of`
        each = labels * self.labels.loss(source.outputs, source.y, "none")
        return {"loss": (self.node_weight[source.nodes] * each).mean()}

    def _weigh(self, epoch: int) -> None:
        """New weights, where it is time; and the source's graph and losses as the weights want them."""
        if epoch > 0 and epoch % self.method.every == 0 and int(self.last) != epoch:
            self._find()
            self.last.fill_(epoch)
        elif self.node_weight is not None:
            return
        ratios = self.edge_weight.cpu().numpy()
        links = {name: weighted_links(own, self.Y, ratios, self.method.kept) for name, own in self.plain.links.items()}
        self.graphs["source"] = self.fit.graphs["source"] = Graph(self.plain.X, links, "source")
        weight = np.where(self.Y.sum(axis=1) > 0, self.Y @ self.class_weight.cpu().numpy(), 1.0)
        self.node_weight = torch.as_tensor(weight, dtype=torch.float32, device=self.edge_weight.device)

    def _find(self) -> None:
        """Both weights from what is predicted now."""
        data, method, Y, k = self.fit.data, self.method, self.Y, self.Y.shape[1]
        counted = Y.sum(axis=1, keepdims=True) > 0  # nodes that have a label
        P, P_t = self._predicted("source") * counted, self._predicted("target")
        if method.weigh != "classes":
            m, seen = pair_shares(Y, data.As), pair_shares(P_t, data.At)
            C = pair_confusions(P, Y, data.As)
            w = share_weights(C, seen.ravel(), m.ravel(), method.edge_penalty).reshape(k, k)
            self.edge_weight.copy_(torch.as_tensor(neighbour_ratios(m, w, method.floor)))
        if method.weigh != "edges" and counted.any():
            C, m = P.T @ Y / counted.sum(), Y.sum(axis=0) / counted.sum()
            beta = share_weights(C, P_t.mean(axis=0), m, method.class_penalty)
            self.class_weight.copy_(torch.as_tensor(beta))

    def _predicted(self, name: str) -> Array:
        """Shares of all nodes of a graph in the classes."""
        graph, pieces = self.graphs[name], self.n_neighbors is not None
        found = self.labels.proba(all_nodes(self.network, graph, self.fit.place, in_pieces=pieces)[1])
        return found if self.labels.classes is not None else as_shares(found)
