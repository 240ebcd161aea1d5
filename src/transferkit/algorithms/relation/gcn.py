"""Source-only graph networks: convolution, attention or no edges, trained on the source graph, asked about the target's."""

from __future__ import annotations

from typing import Any, ClassVar

from ...engine.graphs.estimator import CONV, GRAPH_RULES, GraphAdaptation, GraphFit
from ...engine.graphs.objective import GraphObjective
from ...engine.training.settings import Training

CARD = {
    "class": "GraphSourceOnly",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("graph",),
    "needs": ("torch",),
    "cost": "epochs",
    "portfolio": (),
    "paper": "Kipf & Welling. Semi-Supervised Classification with Graph Convolutional Networks. ICLR 2017.",
    "url": "https://arxiv.org/abs/1609.02907",
}

__all__ = ["GraphSourceOnly"]


class GraphSourceOnly(GraphAdaptation):
    """Train a graph network on the source's labels alone, and let it see the target's edges when it predicts.

    Parameters
    ----------
    conv : {"gcn", "sage", "gat", "mlp"}, default="gcn"
        Layers: graph convolution, GraphSAGE with the mean, attention with one head; "mlp" looks at no edge.
    hidden : int in [1, inf), default=128
        Width of the layers.
    n_layers : int in [1, inf), default=2
        Layers before the linear one that gives classes; so many edges away a node is seen.
    dropout : float in [0, 1), default=0.5
        Share of each layer's outputs that is set to zero in training.
    n_neighbors : int in [1, inf) or None, default=None
        None trains on whole graphs, one update an epoch. A number draws so many neighbours of every node anew for each update
        of ``training.batch_size`` nodes, and goes through the graph in pieces to predict: for graphs that do not fit.
    symmetric : bool, default=True
        Whether edges go both ways.
    training : Training, default=None
        Epochs, learning rate and all else; None is 200 epochs of Adam at 0.01 with weight decay 0.0005, as in Kipf & Welling.
    task : {"auto", "classification", "multilabel"}, default="auto"
        What the labels are; "auto" takes a table of 0 and 1 for several labels of each node.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, dropout and drawn neighbours.

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
        One row an epoch: ``train/loss``; and in twenty of them what is known without target labels: ``source/score``,
        ``domain/auc`` (1/2 is full confusion), ``target/entropy``, ``target/diversity``, ``target/largest_share``.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        Kind of the layers, and the SHA-256 of the first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.

    Notes
    -----
    A convolution is ``H' = ReLU(D^(-1/2) (A + I) D^(-1/2) H W)`` (Kipf & Welling, eq. 2), then the source's cross-entropy, or
    the sum of one binary cross-entropy a label. The weights know nothing of the target, but its edges take part in its features.
    With drawn neighbours, what is left out of a row is made up for by a factor, so that every layer before its ReLU is
    right on average; a node's own features are never left out.

    References
    ----------
    Kipf & Welling. Semi-Supervised Classification with Graph Convolutional Networks. ICLR 2017.
    Hamilton, Ying & Leskovec. Inductive Representation Learning on Large Graphs. NeurIPS 2017.
    Velickovic, Cucurull, Casanova, Romero, Lio & Bengio. Graph Attention Networks. ICLR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, GraphSourceOnly, Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X, Xt = (y[:, None] + rng.normal(size=(40, 3)) for _ in range(2))
    >>> pairs = rng.integers(0, 40, size=(2, 400))
    >>> edges = pairs[:, y[pairs[0]] == y[pairs[1]]]
    >>> model = GraphSourceOnly(hidden=8, training=Training(n_epochs=20, lr=0.05, optimizer="adam"))
    >>> model.fit(X, y, target=Domain(Xt, edges=edges), edges=edges).score(Xt, y) > 0.9
    True
    """

    _constraints: ClassVar = {"conv": CONV, **GRAPH_RULES}
    _large: ClassVar = {"n_neighbors": 5}
    _settings: ClassVar = {
        "n_epochs": 200, "lr": 0.01, "optimizer": "adam", "weight_decay": 5e-4, "schedule": "constant", "warmup": 0.0,
    }  # fmt: skip

    def __init__(
        self,
        conv: str = "gcn",
        hidden: int = 128,
        n_layers: int = 2,
        dropout: float = 0.5,
        n_neighbors: int | None = None,
        symmetric: bool = True,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.conv = conv
        self.hidden = hidden
        self.n_layers = n_layers
        self.dropout = dropout
        self.n_neighbors = n_neighbors
        self.symmetric = symmetric
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: GraphFit) -> GraphObjective:  # type: ignore[override]
        return GraphObjective(fit.network, fit.labels, fit.graphs, self.n_neighbors)  # type: ignore[arg-type]
