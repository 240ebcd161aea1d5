"""ACDNE: own features and those of the surroundings, near where walks meet, and alike for a critic on both graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.constraints import Interval
from ...engine.answers.labels import Labels
from ...engine.graphs.estimator import GRAPH_RULES, GraphAdaptation, GraphFit
from ...engine.graphs.objective import GraphAlignment, GraphJoint, Nodes
from ...engine.training.settings import Training
from ...ops.graphs.links import Links
from ...ops.graphs.transitions import near_nodes
from ...ops.nn.discriminator import Discriminator, domain_loss
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight
from ...ops.nn.propagate import propagate
from ...ops.nn.two_view_network import TwoViewNetwork

CARD = {
    "class": "ACDNE",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("graph",),
    "needs": ("torch",),
    "cost": "epochs",
    "portfolio": (),
    "paper": "Shen, Dai, Chung, Lu & Choi. Adversarial Deep Network Embedding for Cross-Network Node Classification. AAAI 2020.",
    "url": "https://doi.org/10.1609/aaai.v34i03.5692",
}

__all__ = ["ACDNE"]


class ACDNE(GraphAdaptation):
    """Put a node's features and its surroundings' through two networks, and make the result alike on both graphs.

    Parameters
    ----------
    trade_off : float in [0, inf), default=1.0
        Weight of the adversarial part.
    pair_weight : float in [0, inf), default=0.1
        Weight of keeping nodes near that are near along edges.
    n_steps : int in [1, inf), default=3
        How many edges away the surroundings of a node reach.
    critic : int in [1, inf), default=128
        Width of the critic's two hidden layers.
    wide : int in [1, inf), default=512
        Width of the first layers.
    hidden : int in [1, inf), default=128
        Width of the second layers and of the features.
    dropout : float in [0, 1), default=0.5
        Share of the first layers' outputs that is set to zero in training.
    n_neighbors : int in [1, inf) or None, default=None
        None trains on whole graphs, one update an epoch. A number draws so many nodes of each one's surroundings anew for each
        update of ``training.batch_size`` nodes, and goes through the graph in pieces to predict.
    symmetric : bool, default=True
        Whether edges go both ways.
    training : Training, default=None
        Epochs, learning rate and all else; None is 200 epochs of Adam at 0.001 with weight decay 0.001, as in PyGDA, and the
        rate falls as in DANN, as in the authors' code.
    task : {"auto", "classification", "multilabel"}, default="auto"
        What the labels are; "auto" takes a table of 0 and 1 for several labels of each node.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, dropout and drawn nodes.

    Attributes
    ----------
    network_ : TwoViewNetwork
        Layers and head, trained.
    target_graph_ : TargetGraph
        The target's edges, so that predictions for its nodes need not be told them again.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source; not there for several labels.
    history_ : list of dict
        One row an epoch: ``train/task``, ``train/transfer`` (the next two with their weights), ``train/domain``,
        ``train/pairs``; and what `GraphSourceOnly` lists of both domains without target labels.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        Kind of the network, and the SHA-256 of the first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.

    Notes
    -----
    The surroundings are P, the positive pointwise mutual information of ``sum_k T^k / k`` up to `n_steps`, with T the
    probabilities of a step along an edge. One network of two layers sees the features X, another ``P X`` with rows of P that
    sum to 1, and a layer on both gives z. The loss is the source's, plus ``pair_weight`` times the mean over nodes of
    ``sum_j P_ij |z_i - z_j|^2`` in each graph, plus `trade_off` times the cross-entropy of a critic of the graphs behind a
    reversal whose weight is DANN's, ``2 / (1 + exp(-10 p)) - 1``.

    The authors train with momentum at 0.02 for 30 passes, 50 nodes of each graph at a time, P among these only; here
    an update sees whole graphs, as in PyGDA. With `n_neighbors` set P is that among the nodes of the update, too. P fills up
    with `n_steps`: where nodes have hundreds of neighbours take fewer.

    References
    ----------
    Shen, Dai, Chung, Lu & Choi. Adversarial Deep Network Embedding for Cross-Network Node Classification. AAAI 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import ACDNE, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X, Xt = (2 * y[:, None] + rng.normal(size=(40, 3)) for _ in range(2))
    >>> pairs = rng.integers(0, 40, size=(2, 80))
    >>> edges = pairs[:, y[pairs[0]] == y[pairs[1]]]
    >>> model = ACDNE(wide=8, hidden=8, critic=8, dropout=0.0, training=Training(n_epochs=40, lr=0.02, optimizer="adam"))
    >>> model.fit(X, y, target=Domain(Xt, edges=edges), edges=edges).score(Xt, y) > 0.8
    True
    """

    _constraints: ClassVar = {
        "trade_off": Interval(float, 0),
        "pair_weight": Interval(float, 0),
        "n_steps": Interval(int, 1),
        "critic": Interval(int, 1),
        "wide": Interval(int, 1),
        **{name: rule for name, rule in GRAPH_RULES.items() if name != "n_layers"},
    }
    _test_params: ClassVar = {"wide": 16, "critic": 8, "dropout": 0.2, "pair_weight": 0.03, "trade_off": 0.3}
    _known_failures: ClassVar = {
        "check_graph_no_harm": "features of one node alone have layers of their own, which learn 60 noisy nodes by heart"
    }
    _settings: ClassVar = {
        "n_epochs": 200, "lr": 1e-3, "optimizer": "adam", "weight_decay": 1e-3, "schedule": "inverse", "warmup": 0.0,
    }  # fmt: skip
    conv = "views"

    def __init__(
        self,
        trade_off: float = 1.0,
        pair_weight: float = 0.1,
        n_steps: int = 3,
        critic: int = 128,
        wide: int = 512,
        hidden: int = 128,
        dropout: float = 0.5,
        n_neighbors: int | None = None,
        symmetric: bool = True,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.trade_off = trade_off
        self.pair_weight = pair_weight
        self.n_steps = n_steps
        self.critic = critic
        self.wide = wide
        self.hidden = hidden
        self.dropout = dropout
        self.n_neighbors = n_neighbors
        self.symmetric = symmetric
        self.training = training
        self.task = task
        self.random_state = random_state

    def _network(self, n_features: int, labels: Labels) -> TwoViewNetwork:  # type: ignore[override]
        return TwoViewNetwork(n_features, labels.n_outputs, self.hidden, self.wide, self.dropout)

    def _links(self, adjacency: Any, domain: str) -> Mapping[str, Links]:
        return {"near": near_nodes(adjacency, self.n_steps)}

    def _objective(self, fit: GraphFit) -> GraphAlignment:  # type: ignore[override]
        term = _Term(self.hidden, self.critic, self.trade_off, self.pair_weight)
        return GraphAlignment(fit.network, fit.labels, fit.graphs, self.n_neighbors, term)  # type: ignore[arg-type]


class _Term(nn.Module):
    """The critic's loss and that of near nodes, weighted."""

    def __init__(self, n_features: int, hidden: int, trade_off: float, pair_weight: float) -> None:
        super().__init__()
        self.critic = Discriminator(n_features, hidden, batch_norm=False)
        self.trade_off, self.pair_weight = trade_off, pair_weight

    def forward(self, joint: GraphJoint, progress: float) -> Mapping[str, Tensor]:
        logits = self.critic(grad_reverse(joint.z, reversal_weight(progress)))
        domain, pairs = domain_loss(logits, joint.n), _apart(joint.source) + _apart(joint.target)
        loss = self.trade_off * domain + self.pair_weight * pairs
        return {"loss": loss, "domain": domain, "pairs": pairs}


def _apart(nodes: Nodes) -> Tensor:
    """The mean of ``sum_j P_ij |z_i - z_j|^2`` over the nodes of an update, with P among these and rows that sum to 1."""
    z = nodes.every[-1].float()
    asked = torch.zeros(len(z), 1, device=z.device)
    asked[nodes.at] = 1.0
    z, size = z * asked, z.square().sum(dim=1, keepdim=True) * asked
    near = propagate(nodes.batch.links["near"], torch.cat([z, size, asked], dim=1))
    mean, mean_size, total = near[:, :-2], near[:, -2:-1], near[:, -1:]
    each = total * size + mean_size - 2 * (z * mean).sum(dim=1, keepdim=True)
    return (each / total.clamp(min=1e-12))[nodes.at].mean()
