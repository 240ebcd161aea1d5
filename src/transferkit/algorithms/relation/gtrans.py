"""GTrans: the target graph itself is changed, features and edges, until a trained network finds it steady (source-free)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Interval
from ...core.errors import ParamError
from ...core.protocols import Array
from ...engine.graphs.graph import Graph
from ...engine.graphs.objective import GraphObjective
from ...engine.graphs.source_free import GRAPH_SOURCE_RULES, GraphSourceFree, GraphTargetFit
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.graphs.links import convolution
from ...ops.nn.soft_edges import SoftEdges, project_on_budget

CARD = {
    "class": "GTrans",
    "protocol": "ModelTransfer",
    "settings": ("source_free", "test_time"),
    "tasks": ("classification",),
    "data": ("graph",),
    "needs": ("torch",),
    "cost": "epochs",
    "portfolio": (),
    "paper": "Jin, Zhao, Ding, Liu, Tang & Shah. Empowering Graph Representation Learning with Test-Time Graph Transformation."
    " ICLR 2023.",
    "url": "https://openreview.net/forum?id=Lnxl5pr018",
}

__all__ = ["GTrans"]


class GTrans(GraphSourceFree):
    """Leave the network as it is, and learn changes of the graph under which losing an edge hardly moves its features.

    Parameters
    ----------
    source : estimator or GraphNetwork
        The trained model: a fitted method for graphs whose layers are convolutions, such as `GraphSourceOnly`, or its
        ``network_``. No node of the source is needed.
    classes : array-like of shape (n_classes,), default=None
        What the network's outputs stand for; None is what a fitted method knows, or 0, 1, 2, ...
    budget : float in [0, 1], default=0.1
        Share of the edges that may be taken away; 0 changes features only.
    drop : float in [0, 1), default=0.05
        Share of the edges that the other view of the graph lacks, drawn anew for every update.
    feature_steps : int in [1, inf), default=4
        Updates of the features for one of the edges.
    edge_rate : float in (0, inf), default=100.0
        Learning rate of the edges, in multiples of that of the features.
    n_samples : int in [1, inf), default=5
        Sets of edges that are tried at the end; the one of the lowest loss goes.
    symmetric : bool, default=True
        Whether edges go both ways; they are taken away both ways then.
    training : Training, default=None
        Epochs, learning rate and all else; None is 10 epochs, of `feature_steps` + 1 updates, of Adam at 0.001: few and small.
    random_state : int, RandomState or None, default=0
        Seed of all that is drawn.

    Attributes
    ----------
    features_change_ : float32 array of shape (n_target, n_features)
        What is added to the target's features.
    removed_edges_ : int array of shape (2, n_removed)
        Edges of the target that are taken away, from and to.
    network_ : GraphNetwork
        The source's network, as it was.
    target_graph_ : TargetGraph
        The target's edges before the change.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source.
    history_ : list of dict
        One row an epoch: ``train/loss`` (features) and ``edges/loss``; and in twenty of them ``target/entropy``,
        ``target/diversity``, ``target/largest_share`` of the graph before the change.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        Kind of the layers, and the SHA-256 of the source's weights.
    facts_ : dict
        What the report shows, with the target's scores and class shares before and after the change, ``collapsed``, and
        ``removed``, the share of the edges that are taken away.

    Notes
    -----
    Minimises ``mean_i (1 - cos(z_i, z'_i)) - mean_i (1 - cos(z_i, z"_i))`` over changes of features and weights of edges, with z
    what the last layer gets for the changed graph, z' the same without a share `drop` of its edges, and z" with the features
    dealt to other nodes. The network's weights stay. By turns, features take Adam steps, and edges one that is projected on
    weights in [0, 1] of which no more than `budget` is taken away in all. At the end whole edges go: those of the largest
    change, or a draw by their changes, whichever has the lowest loss.

    As by default in the authors' code, edges are only taken away; the paper also adds some, of a block of pairs drawn at
    random. There Adam begins anew for each update of the edges; here it does not. Rates, `budget`, `drop` and turns are that
    code's defaults; its authors tune them on validation graphs. For other graphs than that of the fit the network answers as it
    is: a change belongs to one graph. Memory holds four times the target's features, all of them dense.

    References
    ----------
    Jin, Zhao, Ding, Liu, Tang & Shah. Empowering Graph Representation Learning with Test-Time Graph Transformation. ICLR 2023.
    Rong, Huang, Xu & Huang. DropEdge: Towards Deep Graph Convolutional Networks on Node Classification. ICLR 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, GraphSourceOnly, GTrans, Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X, Xt = (y[:, None] + rng.normal(size=(40, 3)) for _ in range(2))
    >>> pairs = rng.integers(0, 40, size=(2, 400))
    >>> edges = pairs[:, y[pairs[0]] == y[pairs[1]]]
    >>> training = Training(n_epochs=20, lr=0.05, optimizer="adam")
    >>> source = GraphSourceOnly(hidden=8, training=training).fit(X, y, target=Domain(Xt, edges=edges), edges=edges)
    >>> model = GTrans(source).fit(Xt, edges=edges)
    >>> model.score(Xt, y) > 0.9, model.facts_["removed"] <= 0.1
    (True, True)
    """

    n_neighbors = None
    _constraints: ClassVar = {
        **{name: rule for name, rule in GRAPH_SOURCE_RULES.items() if name != "n_neighbors"},
        "budget": Interval(float, 0, 1),
        "drop": Interval(float, 0, 1, closed="left"),
        "feature_steps": Interval(int, 1),
        "edge_rate": Interval(float, 0, closed="neither"),
        "n_samples": Interval(int, 1),
    }
    _settings: ClassVar = {
        "n_epochs": 10, "lr": 1e-3, "optimizer": "adam", "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0,
    }  # fmt: skip

    def __init__(
        self,
        source: Any,
        classes: Any = None,
        budget: float = 0.1,
        drop: float = 0.05,
        feature_steps: int = 4,
        edge_rate: float = 100.0,
        n_samples: int = 5,
        symmetric: bool = True,
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.classes = classes
        self.budget = budget
        self.drop = drop
        self.feature_steps = feature_steps
        self.edge_rate = edge_rate
        self.n_samples = n_samples
        self.symmetric = symmetric
        self.training = training
        self.random_state = random_state

    def _objective(self, fit: GraphTargetFit) -> Objective:  # type: ignore[override]
        spec: Any = fit.network.spec
        if spec["conv"] != "gcn" or spec["steps"] is not None:
            raise ParamError(f"GTrans.fit: source must be of plain convolutions (conv='gcn'). Got {spec['conv']!r}.")
        found = _Changes(fit.network, fit.labels, {"target": fit.graph}, None)  # type: ignore[arg-type]
        found.prepare(SoftEdges(fit.adjacency, self.symmetric), self)
        return found

    def _finish(self, fit: GraphTargetFit, objective: Objective) -> None:  # type: ignore[override]
        assert isinstance(objective, _Changes)
        self.removed_edges_ = objective.settle(self.n_samples, fit.seed)
        self.features_change_ = objective.change.detach().cpu().numpy()
        fit.graph = self._changed(fit.graph.X, fit.adjacency)
        fit.notes["removed"] = self.removed_edges_.shape[1] / max(fit.adjacency.nnz, 1)

    def _changed(self, X: Any, adjacency: Any) -> Graph:
        """The target after the change."""
        ones = np.ones(self.removed_edges_.shape[1])
        gone = sparse.csr_matrix((ones, tuple(self.removed_edges_)), shape=adjacency.shape)
        left = adjacency - adjacency.multiply(gone)
        dense = X.toarray() if sparse.issparse(X) else np.asarray(X)
        return Graph(dense + self.features_change_, {"gcn": convolution(left)})

    def _graph_of(self, rows: Any, adjacency: Any, domain: str) -> Graph:
        if domain == "target" and self.target_graph_.holds(rows, adjacency):
            return self._changed(rows, adjacency)
        return super()._graph_of(rows, adjacency, domain)


class _Changes(GraphObjective):
    """The surrogate loss of a changed graph; only the change is trained."""

    def prepare(self, edges: SoftEdges, given: GTrans) -> None:
        """Take the edges, and how far and how fast they and the features may change."""
        self.edges, self.drop, self.feature_steps, self.rate = edges, given.drop, given.feature_steps, given.edge_rate
        self.most = int(given.budget * edges.n_free)
        # In units of the edges' rate, so that one learning rate does for both.
        self.gone = nn.Parameter(torch.zeros(edges.n_free))
        self.change = nn.Parameter(torch.zeros(self.graphs["target"].X.shape))

    def frozen(self) -> Sequence[nn.Module]:
        return (self.network,)

    def steps(self) -> Sequence[Step]:
        features = Step("train", self._of_features, [self.change], repeat=self.feature_steps)
        return [features, Step("edges", self._of_edges, [self.gone])] if self.most else [features]

    def _of_features(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        return {"loss": self._surrogate(self.change, self._within_budget().detach())}

    def _of_edges(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        return {"loss": self._surrogate(self.change.detach(), self._within_budget())}

    def _within_budget(self) -> Tensor:
        """Degrees to which edges are gone; what the last step moved out of the budget is moved back first."""
        with torch.no_grad():
            self.gone.copy_(project_on_budget(self.rate * self.gone, self.most) / self.rate)
        return self.rate * self.gone

    def _surrogate(self, change: Tensor, gone: Tensor) -> Tensor:
        first: Any = next(iter(self.network.body))  # type: ignore[arg-type]
        whole = self.graphs["target"].whole(change.device)
        h = first.weigh(whole.x) + change @ first.weight
        links = self.edges.links(gone)
        z = self._embed(h, links)
        less, dealt = self._embed(h, self.edges.links(gone, self.drop)), self._embed(h[torch.randperm(len(h))], links)
        return functional.cosine_similarity(z, dealt).mean() - functional.cosine_similarity(z, less).mean()

    def _embed(self, h: Tensor, links: tuple[Tensor, Tensor]) -> Tensor:
        """What the head gets, from what the first layer makes of each node alone."""
        for k, layer in enumerate(self.network.body):  # type: ignore[arg-type]
            h = layer.finish(self.edges.pass_on(layer.weigh(h) if k else h, links))
        return h

    @torch.no_grad()
    def settle(self, n_samples: int, seed: int) -> Array:
        """Whole edges that go, of shape (2, n_removed): the largest degrees, or a draw by them, whichever has the lower loss."""
        gone = self._within_budget()
        largest = torch.zeros_like(gone).index_fill(0, torch.topk(gone, self.most).indices, 1.0) * (gone > 0)
        tried = [largest, *(torch.bernoulli(gone) for _ in range(n_samples - 1))]
        losses = []
        for part in tried:
            torch.manual_seed(seed)  # one draw of the other views for all of them
            losses.append(float(self._surrogate(self.change, part)) if part.sum() <= self.most else np.inf)
        taken = tried[int(np.argmin(losses))][self.edges.free] > 0
        return torch.stack([self.edges.start, self.edges.end])[:, taken].cpu().numpy()
