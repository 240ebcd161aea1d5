"""A2GNN: the source's features are not propagated at all, the target's often, and the two are drawn together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.answers.labels import Labels
from ...engine.graphs.estimator import GRAPH_RULES, GraphAdaptation, GraphFit
from ...engine.graphs.objective import GraphJoint
from ...engine.training.settings import Training
from ...ops.nn.graph_network import GraphNetwork

CARD = {
    "class": "A2GNN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("graph",),
    "needs": ("torch",),
    "cost": "epochs",
    "portfolio": (),
    "paper": "Liu et al. Rethinking Propagation for Unsupervised Graph Domain Adaptation. AAAI 2024.",
    "url": "https://arxiv.org/abs/2402.05660",
}

__all__ = ["A2GNN"]


class A2GNN(GraphAdaptation):
    """Share the weights of a network between the graphs, but not how often features pass along the edges.

    Parameters
    ----------
    source_steps : int in [0, inf), default=0
        How often a layer passes features along the source's edges.
    target_steps : int in [0, inf), default=30
        How often along the target's. The authors' code has 30; PyGDA takes 10 on the citation graphs.
    trade_off : float in [0, inf), default=5.0
        Weight of the discrepancy between the domains.
    n_drawn : int in [2, inf), default=1000
        Nodes of each domain that one estimate of the discrepancy compares, drawn with repetition.
    n_draws : int in [1, inf), default=5
        Estimates an update, averaged.
    hidden : int in [1, inf), default=128
        Width of the layers.
    n_layers : int in [1, inf), default=1
        Layers before the convolution that gives classes.
    dropout : float in [0, 1), default=0.0
        Share of each layer's outputs that is set to zero in training.
    n_neighbors : int in [1, inf) or None, default=None
        None trains on whole graphs, one update an epoch. A number draws so many neighbours of every node anew for each update
        of ``training.batch_size`` nodes, and goes through the graph in pieces to predict: for graphs that do not fit.
    symmetric : bool, default=True
        Whether edges go both ways.
    training : Training, default=None
        Epochs, learning rate and all else; None is 200 epochs of Adam at 0.005 with weight decay
        0.005, as in the authors' code.
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
        One row an epoch: ``train/task`` and ``train/transfer`` (the discrepancy); and in twenty of them what
        `GraphSourceOnly` lists of both domains without target labels.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        Kind of the layers, and the SHA-256 of the first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.

    Notes
    -----
    With ``P = D^(-1/2) (A + I) D^(-1/2)``, a layer is ``ReLU(P^k H W + b)`` with k = `source_steps` or `target_steps`, and what
    follows gives classes by one more convolution, on both graphs. Minimises ``L_source + trade_off * MMD^2``, the
    discrepancy being between the layers' features of drawn nodes, with the sum of five Gaussian kernels whose widths are 1/4
    to 4 times the mean squared distance, as in the authors' code. They keep the epoch with the smallest loss; here it is
    ``training.keep`` that says which.

    At first the discrepancy outweighs the source's loss, and nearly all of the target's nodes are given one class: from DBLP to
    ACM (one topic a paper) for the first 30 epochs, in which the source's accuracy is below 0.6, too. It leaves that by itself,
    and a training that is cut short ends there.

    The passes of a layer come before its bias, so that at no step of either domain do they change it. With `n_neighbors`, an
    update sees `target_steps` + 1 hops of drawn neighbours, most of a graph soon: take few steps then.

    References
    ----------
    Liu, Fang, Zhang, Gu, Zhou, Wang & Bu. Rethinking Propagation for Unsupervised Graph Domain Adaptation. AAAI 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import A2GNN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X, Xt = (y[:, None] + rng.normal(size=(40, 3)) for _ in range(2))
    >>> pairs = rng.integers(0, 40, size=(2, 400))
    >>> edges = pairs[:, y[pairs[0]] == y[pairs[1]]]
    >>> given = {"target_steps": 1, "trade_off": 0.1, "n_drawn": 40, "n_draws": 1}
    >>> model = A2GNN(**given, hidden=8, training=Training(n_epochs=20, lr=0.05, optimizer="adam"))
    >>> model.fit(X, y, target=Domain(Xt, edges=edges), edges=edges).score(Xt, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "source_steps": Interval(int, 0),
        "target_steps": Interval(int, 0),
        "trade_off": Interval(float, 0),
        "n_drawn": Interval(int, 2),
        "n_draws": Interval(int, 1),
        **GRAPH_RULES,
    }
    _test_params: ClassVar = {"target_steps": 1, "trade_off": 1.0, "n_drawn": 60, "n_draws": 1}
    _settings: ClassVar = {
        "n_epochs": 200, "lr": 5e-3, "optimizer": "adam", "weight_decay": 5e-3, "schedule": "constant", "warmup": 0.0,
    }  # fmt: skip

    def __init__(
        self,
        source_steps: int = 0,
        target_steps: int = 30,
        trade_off: float = 5.0,
        n_drawn: int = 1000,
        n_draws: int = 5,
        hidden: int = 128,
        n_layers: int = 1,
        dropout: float = 0.0,
        n_neighbors: int | None = None,
        symmetric: bool = True,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source_steps = source_steps
        self.target_steps = target_steps
        self.trade_off = trade_off
        self.n_drawn = n_drawn
        self.n_draws = n_draws
        self.hidden = hidden
        self.n_layers = n_layers
        self.dropout = dropout
        self.n_neighbors = n_neighbors
        self.symmetric = symmetric
        self.training = training
        self.task = task
        self.random_state = random_state

    def _network(self, n_features: int, labels: Labels) -> GraphNetwork:  # type: ignore[override]
        steps = {"source": self.source_steps, "target": self.target_steps}
        given = (n_features, labels.n_outputs, self.hidden, self.n_layers)
        return GraphNetwork(*given, dropout=self.dropout, head="conv", steps=steps)

    def _term(self, fit: GraphFit) -> _Discrepancy:
        return _Discrepancy(self.n_drawn, self.n_draws)


class _Discrepancy:
    """The maximum mean discrepancy between nodes drawn with repetition, the mean of several estimates."""

    def __init__(self, n_drawn: int, n_draws: int) -> None:
        self.n_drawn, self.n_draws = n_drawn, n_draws

    def __call__(self, joint: GraphJoint, progress: float) -> Mapping[str, Tensor]:
        found = []
        for _ in range(self.n_draws):
            z, z_t = (
                nodes.z[torch.randint(len(nodes), (self.n_drawn,), device=nodes.z.device)]
                for nodes in (joint.source, joint.target)
            )
            found.append(_mmd(z, z_t))
        return {"loss": torch.stack(found).mean()}


def _mmd(z: Tensor, z_t: Tensor) -> Tensor:
    """With the sum of five Gaussian kernels; each is the square of the next wider one, so that one exponential does."""
    z, z_t = z.float(), z_t.float()
    both = torch.cat([z, z_t]).detach()
    width = 2 * (both.square().sum(dim=1).mean() - both.mean(dim=0).square().sum())  # the mean squared distance
    width = width.clamp(min=1e-12)

    def mean(a: Tensor, b: Tensor) -> Tensor:
        distance = (a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2 * a @ b.T).clamp(min=0)
        kernel = total = torch.exp(-distance / (4 * width))
        for _ in range(4):
            kernel = kernel * kernel
            total = total + kernel
        return total.mean()

    with torch.autocast(z.device.type, enabled=False):  # differences of products want single precision
        return mean(z, z) + mean(z_t, z_t) - 2 * mean(z, z_t)
