"""GRADE: graph convolutions of every depth that a critic cannot tell the domains by: a small graph subtree discrepancy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Interval, Options
from ...engine.graphs.estimator import CONV, GRAPH_RULES, GraphAdaptation, GraphFit
from ...engine.graphs.objective import GraphJoint
from ...engine.training.settings import Training
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight
from ...ops.nn.mmd import mk_mmd

CARD = {
    "class": "GRADE",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("graph",),
    "needs": ("torch",),
    "cost": "epochs",
    "portfolio": (),
    "paper": "Wu, He & Ainsworth. Non-IID Transfer Learning on Graphs. AAAI 2023.",
    "url": "https://arxiv.org/abs/2212.08174",
}

__all__ = ["GRADE"]


class GRADE(GraphAdaptation):
    """Train a graph network whose layers, all together, look alike on both graphs.

    Parameters
    ----------
    discrepancy : {"critic", "mmd"}, default="critic"
        How the layers of both domains are compared: by a linear critic behind a gradient reversal, or by the maximum mean
        discrepancy of five Gaussian kernels between nodes that are drawn.
    trade_off : float in [0, inf), default=0.01
        Weight of the discrepancy; the authors' code has 0.01.
    n_drawn : int in [2, inf), default=1000
        Nodes of each domain that "mmd" compares at an update; fewer where there are fewer.
    conv : {"gcn", "sage", "gat", "mlp"}, default="gcn"
        Layers: graph convolution, GraphSAGE with the mean, attention with one head; "mlp" looks at no edge.
    hidden : int in [1, inf), default=128
        Width of the layers.
    n_layers : int in [1, inf), default=2
        Layers before the linear one that gives classes.
    dropout : float in [0, 1), default=0.0
        Share of each layer's outputs that is set to zero in training.
    n_neighbors : int in [1, inf) or None, default=None
        None trains on whole graphs, one update an epoch. A number draws so many neighbours of every node anew for each update
        of ``training.batch_size`` nodes, and goes through the graph in pieces to predict: for graphs that do not fit.
    symmetric : bool, default=True
        Whether edges go both ways.
    training : Training, default=None
        Epochs, learning rate and all else; None is 200 epochs of Adam at 0.001 with weight decay 0.01, as in PyGDA.
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
        One row an epoch: ``train/task``, ``train/transfer`` (the discrepancy), ``train/critic`` (its accuracy); and in
        twenty of them what `GraphSourceOnly` lists of both domains without target labels.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        Kind of the layers, and the SHA-256 of the first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.

    Notes
    -----
    Minimises ``L_source + trade_off * L_subtree``. A node after l convolutions stands for its Weisfeiler-Lehman subtree of depth
    l, and the graph subtree discrepancy compares subtrees of all depths. As in the authors' code, the features of all
    layers and the outputs are put side by side for it, and one critic, linear, tells the domains by these: its cross-entropy
    over all nodes passes back through a reversal whose weight is DANN's, ``2 / (1 + exp(-10 p)) - 1``.

    Their "mmd" takes the first nodes of both, as many as the smaller graph has; here they are drawn, anew for each update. Dropout
    is behind a layer's ReLU, not before the layer, so that none falls on the features that are given.

    References
    ----------
    Wu, He & Ainsworth. Non-IID Transfer Learning on Graphs. AAAI 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, GRADE, Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X, Xt = (y[:, None] + rng.normal(size=(40, 3)) for _ in range(2))
    >>> pairs = rng.integers(0, 40, size=(2, 400))
    >>> edges = pairs[:, y[pairs[0]] == y[pairs[1]]]
    >>> model = GRADE(hidden=8, training=Training(n_epochs=20, lr=0.05, optimizer="adam"))
    >>> model.fit(X, y, target=Domain(Xt, edges=edges), edges=edges).score(Xt, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "discrepancy": Options("critic", "mmd"),
        "trade_off": Interval(float, 0),
        "n_drawn": Interval(int, 2),
        "conv": CONV,
        **GRAPH_RULES,
    }
    _large: ClassVar = {"n_neighbors": 5}
    _settings: ClassVar = {
        "n_epochs": 200, "lr": 1e-3, "optimizer": "adam", "weight_decay": 1e-2, "schedule": "constant", "warmup": 0.0,
    }  # fmt: skip

    def __init__(
        self,
        discrepancy: str = "critic",
        trade_off: float = 0.01,
        n_drawn: int = 1000,
        conv: str = "gcn",
        hidden: int = 128,
        n_layers: int = 2,
        dropout: float = 0.0,
        n_neighbors: int | None = None,
        symmetric: bool = True,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.discrepancy = discrepancy
        self.trade_off = trade_off
        self.n_drawn = n_drawn
        self.conv = conv
        self.hidden = hidden
        self.n_layers = n_layers
        self.dropout = dropout
        self.n_neighbors = n_neighbors
        self.symmetric = symmetric
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: GraphFit) -> _Critic | _Discrepancy:
        if self.discrepancy == "mmd":
            return _Discrepancy(self.n_drawn)
        return _Critic(self.n_layers * self.hidden + fit.labels.n_outputs)


def _subtrees(joint: GraphJoint) -> tuple[Tensor, Tensor]:
    """Features of all depths and the outputs, side by side, of both domains."""
    return tuple(torch.cat([*nodes.layers, nodes.outputs], dim=1) for nodes in (joint.source, joint.target))  # type: ignore[return-value]


class _Critic(nn.Module):
    """The cross-entropy of a linear critic on reversed features, over the nodes of both graphs."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.critic = nn.Linear(width, 1)

    def forward(self, joint: GraphJoint, progress: float) -> Mapping[str, Tensor]:
        z = torch.cat(_subtrees(joint))
        logits = self.critic(grad_reverse(z, reversal_weight(progress)))[:, 0].float()
        is_source = (torch.arange(len(z), device=z.device) < joint.n).float()
        right = ((logits.detach() > 0) == (is_source > 0)).float().mean()
        return {"loss": functional.binary_cross_entropy_with_logits(logits, is_source), "critic": right}


class _Discrepancy:
    """The maximum mean discrepancy between drawn nodes."""

    def __init__(self, n_drawn: int) -> None:
        self.n_drawn = n_drawn

    def __call__(self, joint: GraphJoint, progress: float) -> Mapping[str, Tensor]:
        found = [z[torch.randperm(len(z), device=z.device)[: self.n_drawn]] for z in _subtrees(joint)]
        return {"loss": mk_mmd(found[0], found[1])}
