"""UDAGCN: near and far neighbours through shared convolutions, joined by attention, and a critic that cannot tell the domains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ...core.constraints import Interval
from ...engine.answers.labels import Labels
from ...engine.graphs.adversary import GraphAdversary
from ...engine.graphs.estimator import GRAPH_RULES, GraphAdaptation, GraphFit
from ...engine.training.settings import Training
from ...ops.graphs.links import Links, convolution
from ...ops.graphs.random_walks import positive_information, walk_counts
from ...ops.nn.dual_graph_network import DualGraphNetwork

CARD = {
    "class": "UDAGCN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("graph",),
    "needs": ("torch",),
    "cost": "epochs",
    "portfolio": (),
    "paper": "Wu et al. Unsupervised Domain Adaptive Graph Convolutional Networks. WWW 2020.",
    "url": "https://doi.org/10.1145/3366423.3380219",
}

__all__ = ["UDAGCN"]


class UDAGCN(GraphAdaptation):
    """See each node by its neighbours and by whom random walks from it meet, alike for a critic on both graphs.

    Parameters
    ----------
    walk_length : int in [1, inf), default=10
        Steps of the longest walk.
    n_walks : int in [1, inf), default=40
        Walks from each node.
    critic : int in [1, inf), default=40
        Width of the hidden layer of the critic of domains.
    entropy : float in [0, inf), default=0.01
        Weight of the entropy of the target's predictions at the end of the training; it grows to that from 0.
    reversal : float in [0, inf), default=0.05
        Largest weight of the critic's reversed gradient; it is the share of the training that is done until then.
    hidden : int in [1, inf), default=128
        Width of the layers.
    n_layers : int in [1, inf), default=2
        Convolutions.
    dropout : float in [0, 1), default=0.1
        Share of each layer's outputs, but for the last, that is set to zero in training.
    n_neighbors : int in [1, inf) or None, default=None
        None trains on whole graphs, one update an epoch. A number draws so many neighbours of every node anew for each update
        of ``training.batch_size`` nodes, and goes through the graph in pieces to predict: for graphs that do not fit.
    symmetric : bool, default=True
        Whether edges go both ways.
    training : Training, default=None
        Epochs, learning rate and all else; None is 300 epochs of Adam at 0.004 with weight decay
        0.003, as in PyGDA.
    task : {"auto", "classification", "multilabel"}, default="auto"
        What the labels are; "auto" takes a table of 0 and 1 for several labels of each node.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, dropout and all that is drawn.

    Attributes
    ----------
    network_ : DualGraphNetwork
        Layers and head, trained.
    target_graph_ : TargetGraph
        The target's edges, so that predictions for its nodes need not be told them again.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source; not there for several labels.
    history_ : list of dict
        One row an epoch: ``train/task``, ``train/transfer`` (critic and entropy), ``train/domain``,
        ``train/entropy``; and in twenty of them what
        `GraphSourceOnly` lists of both domains without target labels.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        Kind of the layers, and the SHA-256 of the first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.

    Notes
    -----
    One set of weights is used twice (dual convolution): with the adjacency matrix, and with the positive pointwise mutual
    information of random walks, ``max(log(p_ij / (p_i p_j)), 0)``, both as ``D^(-1/2) (M + I) D^(-1/2)``. The two
    embeddings of a node are added with weights from an attention. Minimises the source's loss, the cross-entropies of a
    critic of domains behind a gradient reversal, one mean a domain, and the entropy of the target's predictions (of each label,
    where there are several). Numbers of walks, the critic, and how the weights grow are those of the authors' code.

    Walks are drawn from a fixed seed, so that a graph has one matrix, whoever asks; returns to the start are not counted.
    The authors' code leaves the logarithm unclipped and puts a constant in it; this is the paper's formula.

    References
    ----------
    Wu, Pan, Zhou, Chang & Zhu. Unsupervised Domain Adaptive Graph Convolutional Networks. The Web Conference 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, UDAGCN, Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X, Xt = (y[:, None] + rng.normal(size=(40, 3)) for _ in range(2))
    >>> pairs = rng.integers(0, 40, size=(2, 400))
    >>> edges = pairs[:, y[pairs[0]] == y[pairs[1]]]
    >>> model = UDAGCN(hidden=8, training=Training(n_epochs=20, lr=0.05, optimizer="adam"))
    >>> model.fit(X, y, target=Domain(Xt, edges=edges), edges=edges).score(Xt, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "walk_length": Interval(int, 1),
        "n_walks": Interval(int, 1),
        "critic": Interval(int, 1),
        "entropy": Interval(float, 0),
        "reversal": Interval(float, 0),
        **GRAPH_RULES,
    }
    _test_params: ClassVar = {"walk_length": 2, "n_walks": 10}
    _settings: ClassVar = {
        "n_epochs": 300, "lr": 4e-3, "optimizer": "adam", "weight_decay": 3e-3, "schedule": "constant", "warmup": 0.0,
    }  # fmt: skip

    def __init__(
        self,
        walk_length: int = 10,
        n_walks: int = 40,
        critic: int = 40,
        entropy: float = 0.01,
        reversal: float = 0.05,
        hidden: int = 128,
        n_layers: int = 2,
        dropout: float = 0.1,
        n_neighbors: int | None = None,
        symmetric: bool = True,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.walk_length = walk_length
        self.n_walks = n_walks
        self.critic = critic
        self.entropy = entropy
        self.reversal = reversal
        self.hidden = hidden
        self.n_layers = n_layers
        self.dropout = dropout
        self.n_neighbors = n_neighbors
        self.symmetric = symmetric
        self.training = training
        self.task = task
        self.random_state = random_state

    def _links(self, adjacency: Any, domain: str) -> Mapping[str, Links]:
        counts = walk_counts(adjacency, self.n_walks, self.walk_length, np.random.default_rng(0))
        # A row of the information says what its node takes; an adjacency matrix, what it gives.
        return {"gcn": convolution(adjacency), "global": convolution(positive_information(counts).T.tocsr())}

    def _network(self, n_features: int, labels: Labels) -> DualGraphNetwork:  # type: ignore[override]
        return DualGraphNetwork(n_features, labels.n_outputs, self.hidden, self.n_layers, self.dropout)

    def _term(self, fit: GraphFit) -> GraphAdversary:
        several = fit.labels.kind == "multilabel"
        return GraphAdversary(self.hidden, self.critic, self.dropout, self.reversal, self.entropy, several)
