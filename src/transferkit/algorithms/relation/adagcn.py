"""AdaGCN: graph convolutions whose features a Wasserstein critic finds near to each other on both graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.constraints import Interval
from ...engine.answers.labels import Labels
from ...engine.graphs.estimator import GRAPH_RULES, GraphAdaptation, GraphFit
from ...engine.graphs.objective import GraphObjective
from ...engine.training.objective import Batch, Step
from ...engine.training.settings import Training
from ...ops.nn.graph_network import GraphNetwork

CARD = {
    "class": "AdaGCN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("graph",),
    "needs": ("torch",),
    "cost": "epochs",
    "portfolio": (),
    "paper": "Dai et al. Graph Transfer Learning via Adversarial Domain Adaptation with Graph Convolution. TKDE 2023.",
    "url": "https://arxiv.org/abs/1909.01541",
}

__all__ = ["AdaGCN"]


class AdaGCN(GraphAdaptation):
    """Train graph convolutions that serve the source's classes and shorten the Wasserstein distance between the domains.

    Parameters
    ----------
    trade_off : float in [0, inf), default=1.0
        Weight of the distance.
    penalty : float in [0, inf), default=10.0
        Weight of the critic's slope: how far it is from 1.
    n_steps : int in [1, inf), default=10
        Updates of the critic for one of the network.
    critic : int in [1, inf), default=16
        Width of the critic's hidden layer.
    smoothing : int in [1, inf), default=1
        How often each layer passes features along the edges; the authors' improved convolution (IGCN) has 10.
    hidden : int in [1, inf), default=128
        Width of the layers.
    n_layers : int in [1, inf), default=2
        Layers before the linear one that gives classes.
    dropout : float in [0, 1), default=0.3
        Share of each layer's outputs that is set to zero in training.
    n_neighbors : int in [1, inf) or None, default=None
        None trains on whole graphs, one update an epoch. A number draws so many neighbours of every node anew for each update
        of ``training.batch_size`` nodes, and goes through the graph in pieces to predict: for graphs that do not fit.
    symmetric : bool, default=True
        Whether edges go both ways.
    training : Training, default=None
        Epochs, learning rate and all else; None is 400 epochs of Adam at 0.0015 with weight decay
        0.00005, rates and decay being the authors'.
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
        One row an epoch: ``train/task``, ``train/transfer`` (the distance), ``critic/distance``, ``critic/penalty``; and in
        twenty of them what `GraphSourceOnly` lists of both domains without target labels.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        Kind of the layers, and the SHA-256 of the first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.

    Notes
    -----
    The critic f ascends ``W = mean f(z_s) - mean f(z_t)`` under a penalty on its slope, ``(|grad f| - 1)^2``, at the nodes of
    both graphs and at points between pairs of them; then the network descends ``L_source + trade_off * W`` (Wasserstein
    distance by its dual, Gulrajani et al.'s penalty). The critic has one hidden layer with tanh. Several labels a node, as the
    authors' citation graphs have them, are learned by one binary cross-entropy each.

    In the authors' code the layers are 1000, 100 and 16 wide, and smoothing is in the first of them only. They draw anew for
    dropout at each of the critic's updates; here these share one pass of the graphs, which costs a tenth. Pairs are drawn
    at random, not taken in the order of the nodes.

    References
    ----------
    Dai, Wu, Xiao, Shen & Wang. Graph Transfer Learning via Adversarial Domain Adaptation with Graph Convolution. IEEE
    Transactions on Knowledge and Data Engineering 35, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import AdaGCN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X, Xt = (y[:, None] + rng.normal(size=(40, 3)) for _ in range(2))
    >>> pairs = rng.integers(0, 40, size=(2, 400))
    >>> edges = pairs[:, y[pairs[0]] == y[pairs[1]]]
    >>> model = AdaGCN(0.1, hidden=8, training=Training(n_epochs=20, lr=0.05, optimizer="adam"))
    >>> model.fit(X, y, target=Domain(Xt, edges=edges), edges=edges).score(Xt, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "trade_off": Interval(float, 0),
        "penalty": Interval(float, 0),
        "n_steps": Interval(int, 1),
        "critic": Interval(int, 1),
        "smoothing": Interval(int, 1),
        **GRAPH_RULES,
    }
    _test_params: ClassVar = {"n_steps": 2, "trade_off": 0.1, "dropout": 0.0}
    _settings: ClassVar = {
        "n_epochs": 400, "lr": 1.5e-3, "optimizer": "adam", "weight_decay": 5e-5, "schedule": "constant", "warmup": 0.0,
    }  # fmt: skip

    def __init__(
        self,
        trade_off: float = 1.0,
        penalty: float = 10.0,
        n_steps: int = 10,
        critic: int = 16,
        smoothing: int = 1,
        hidden: int = 128,
        n_layers: int = 2,
        dropout: float = 0.3,
        n_neighbors: int | None = None,
        symmetric: bool = True,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.trade_off = trade_off
        self.penalty = penalty
        self.n_steps = n_steps
        self.critic = critic
        self.smoothing = smoothing
        self.hidden = hidden
        self.n_layers = n_layers
        self.dropout = dropout
        self.n_neighbors = n_neighbors
        self.symmetric = symmetric
        self.training = training
        self.task = task
        self.random_state = random_state

    def _network(self, n_features: int, labels: Labels) -> GraphNetwork:  # type: ignore[override]
        steps = {"source": self.smoothing, "target": self.smoothing}
        return GraphNetwork(n_features, labels.n_outputs, self.hidden, self.n_layers, dropout=self.dropout, steps=steps)

    def _objective(self, fit: GraphFit) -> _Wasserstein:  # type: ignore[override]
        critic = nn.Sequential(nn.Linear(self.hidden, self.critic), nn.Tanh(), nn.Linear(self.critic, 1))
        found = _Wasserstein(fit.network, fit.labels, fit.graphs, self.n_neighbors)  # type: ignore[arg-type]
        found.critic, found.settings = critic, (self.trade_off, self.penalty, self.n_steps)
        return found


class _Wasserstein(GraphObjective):
    """The critic estimates, then the features shorten."""

    critic: nn.Module
    settings: tuple[float, float, int]
    _kept: tuple[float, tuple[Tensor, Tensor]] | None = None

    def steps(self) -> Sequence[Step]:
        return [
            Step("critic", self._estimate, list(self.critic.parameters()), self.settings[2]),
            Step("train", self._shorten, list(self.network.parameters())),
        ]

    def _features(self, batch: Batch, progress: float) -> tuple[Tensor, Tensor]:
        """Of both graphs, without gradient; whole graphs pass once for all updates of the critic at one of the network."""
        whole = batch["source"].x.ndim == 2
        if whole and self._kept is not None and self._kept[0] == progress:
            return self._kept[1]
        with torch.no_grad():
            z, z_t = (self.look(batch[name], name).z.float() for name in ("source", "target"))
        self._kept = progress, (z, z_t)
        return z, z_t

    def _estimate(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        z, z_t = self._features(batch, progress)
        with torch.autocast(z.device.type, enabled=False):
            distance, penalty = self._distance(z, z_t), _slope_penalty(self.critic, z, z_t)
        return {"loss": self.settings[1] * penalty - distance, "distance": distance, "penalty": penalty}

    def _shorten(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        self._kept = None
        source, target = (self.look(batch[name], name) for name in ("source", "target"))
        task, distance = self.task(source), self._distance(source.z, target.z)
        return {"loss": task + self.settings[0] * distance, "task": task, "transfer": distance}

    def _distance(self, z: Tensor, z_t: Tensor) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            return self.critic(z.float()).mean() - self.critic(z_t.float()).mean()


def _slope_penalty(critic: nn.Module, z: Tensor, z_t: Tensor) -> Tensor:
    """How far the critic's slope is from 1, at the nodes of both graphs and between pairs of them."""
    n = max(len(z), len(z_t))
    a, b = (v[torch.randint(len(v), (n,), device=v.device)] for v in (z, z_t))
    mix = torch.rand(n, 1, device=z.device)
    points = torch.cat([z, z_t, mix * a + (1 - mix) * b]).requires_grad_()
    (slope,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return (torch.linalg.vector_norm(slope, dim=1) - 1).square().mean()
