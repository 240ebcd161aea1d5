"""StruRW: the source's edges weighted so that classes are linked as they are in the target, by what is predicted there."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...core.constraints import Interval, Options
from ...core.protocols import Array
from ...engine.graphs.estimator import GRAPH_RULES, GraphAdaptation, GraphFit
from ...engine.graphs.graph import Graph
from ...engine.graphs.inference import all_nodes
from ...engine.graphs.objective import GraphJoint, GraphObjective
from ...engine.training.objective import Batch
from ...engine.training.settings import Training
from ...ops.graphs.edge_weights import link_ratios, weighted_links
from ...ops.nn.discriminator import domain_accuracy, domain_loss
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight

CARD = {
    "class": "StruRW",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("graph",),
    "needs": ("torch",),
    "cost": "epochs",
    "portfolio": (),
    "paper": "Liu et al. Structural Re-weighting Improves Graph Domain Adaptation. ICML 2023.",
    "url": "https://arxiv.org/abs/2306.03221",
}

__all__ = ["StruRW"]


class StruRW(GraphAdaptation):
    """Weight each edge of the source by how much likelier its two classes are linked in the target.

    Parameters
    ----------
    variant : {"erm", "adv"}, default="erm"
        The source's loss alone on the weighted graph; or, beside it, a linear critic of domains behind a gradient reversal.
    kept : float in [0, 1], default=0.8
        Share of an edge that keeps its weight; the rest is multiplied by the ratio. 1 weights nothing.
    start : float in [0, 1), default=0.5
        Share of the training after which edges are weighted for the first time: before, predictions say little.
    every : int in [1, inf), default=20
        Epochs after which the ratios are taken anew.
    trade_off : float in [0, inf), default=1.0
        Weight of the critic's loss, for "adv".
    conv : {"gcn", "sage"}, default="sage"
        Layers: GraphSAGE with the mean, or graph convolution.
    hidden : int in [1, inf), default=128
        Width of the layers.
    n_layers : int in [1, inf), default=2
        Layers before the linear one that gives classes.
    dropout : float in [0, 1), default=0.1
        Share of each layer's outputs that is set to zero in training.
    n_neighbors : int in [1, inf) or None, default=None
        None trains on whole graphs, one update an epoch. A number draws so many neighbours of every node anew for each update
        of ``training.batch_size`` nodes, and goes through the graph in pieces to predict: for graphs that do not fit.
    symmetric : bool, default=True
        Whether edges go both ways.
    training : Training, default=None
        Epochs, learning rate and all else; None is 300 epochs of Adam at 0.007, as in the authors' code.
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
        One row an epoch: ``train/task``, ``train/transfer`` and ``train/critic`` (its accuracy) for "adv"; and in
        twenty of them what `GraphSourceOnly` lists of both domains without target labels.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        Kind of the layers, and the SHA-256 of the first weights.
    ratios_ : array of shape (n_classes, n_classes)
        Of the chances that two nodes are linked, by their classes: in the target, as last predicted, over in the source.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.

    Notes
    -----
    The chance of an edge between classes a and b is ``B_ab = (edges between them) / (n_a n_b)``, in the source by its labels, in
    the target by what the network predicts. The message along a source edge from class b to class a is multiplied by
    ``kept + (1 - kept) * B_ab^target / B_ab^source`` (1 in the place of a ratio of which either side is unknown), so that
    in expectation a node hears of each class as much as one in the target does. A node's message to itself keeps its weight.
    With several labels a node, all pairs of labels of its ends count, and the mean of their ratios is an edge's.

    Predictions are taken without dropout, and at no time with a target label; the authors put the labels of a validation
    part of the target into them. Their third variant, mixup of nodes, is not here.

    References
    ----------
    Liu, Li, Feng, Tran, Zhao, Qiu & Li. Structural Re-weighting Improves Graph Domain Adaptation. ICML 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, StruRW, Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X, Xt = (y[:, None] + rng.normal(size=(40, 3)) for _ in range(2))
    >>> pairs = rng.integers(0, 40, size=(2, 400))
    >>> edges = pairs[:, y[pairs[0]] == y[pairs[1]]]
    >>> model = StruRW(hidden=8, training=Training(n_epochs=20, lr=0.05, optimizer="adam"))
    >>> model.fit(X, y, target=Domain(Xt, edges=edges), edges=edges).score(Xt, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "variant": Options("erm", "adv"),
        "kept": Interval(float, 0, 1),
        "start": Interval(float, 0, 1, closed="left"),
        "every": Interval(int, 1),
        "trade_off": Interval(float, 0),
        "conv": Options("gcn", "sage"),
        **GRAPH_RULES,
    }
    _test_params: ClassVar = {"start": 0.25, "every": 5}
    _settings: ClassVar = {
        "n_epochs": 300, "lr": 7e-3, "optimizer": "adam", "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0,
    }  # fmt: skip

    def __init__(
        self,
        variant: str = "erm",
        kept: float = 0.8,
        start: float = 0.5,
        every: int = 20,
        trade_off: float = 1.0,
        conv: str = "sage",
        hidden: int = 128,
        n_layers: int = 2,
        dropout: float = 0.1,
        n_neighbors: int | None = None,
        symmetric: bool = True,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.variant = variant
        self.kept = kept
        self.start = start
        self.every = every
        self.trade_off = trade_off
        self.conv = conv
        self.hidden = hidden
        self.n_layers = n_layers
        self.dropout = dropout
        self.n_neighbors = n_neighbors
        self.symmetric = symmetric
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: GraphFit) -> _Reweighted:  # type: ignore[override]
        found = _Reweighted(fit.network, fit.labels, fit.graphs, self.n_neighbors)  # type: ignore[arg-type]
        found.prepare(fit, self)
        return found

    def _finish(self, fit: GraphFit, objective: _Reweighted) -> None:  # type: ignore[override]
        self.ratios_ = objective.ratios.cpu().numpy().copy()


class _Reweighted(GraphObjective):
    """The source's loss on a graph that is weighted anew every few epochs, perhaps with a critic of domains."""

    ratios: Tensor
    last: Tensor

    def prepare(self, fit: GraphFit, method: StruRW) -> None:
        """Take what weighting needs. The ratios are state: a resumed training goes on with them."""
        k, data = fit.labels.n_outputs, fit.data
        self.table = _table(data.ys if data.classes is None else data.codes, k)
        self.table[fit.held.nodes] = 0  # type: ignore[attr-defined]  # labels that judge an epoch shape no edge
        self.register_buffer("ratios", torch.ones(k, k, dtype=torch.float64))
        self.register_buffer("last", torch.tensor(-1))  # epoch at which they were taken
        self.critic = nn.Linear(method.hidden, 1) if method.variant == "adv" else None
        self.fit, self.method, self.plain = fit, method, fit.graphs["source"]
        self.first = int(np.ceil(method.start * fit.training.n_epochs))
        self._used: Tensor | None = None

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        self._weigh(int(progress * self.fit.training.n_epochs + 1e-6))
        source = self.look(batch["source"], "source")
        task = self.task(source)
        if self.critic is None:
            return {"loss": task, "task": task}
        joint = GraphJoint(source, self.look(batch["target"], "target"))
        logits = self.critic(grad_reverse(joint.z, reversal_weight(progress)))[:, 0]
        transfer, critic = domain_loss(logits, joint.n), domain_accuracy(logits, joint.n)
        return {"loss": task + self.method.trade_off * transfer, "task": task, "transfer": transfer, "critic": critic}

    def _weigh(self, epoch: int) -> None:
        """Ratios from predictions, where it is time; and the source's graph as the ratios want it."""
        data, labels, Y = self.fit.data, self.labels, self.table
        due = epoch >= self.first and (epoch - self.first) % self.method.every == 0 and int(self.last) != epoch
        if due:
            pieces = self.n_neighbors is not None
            _, outputs = all_nodes(self.network, self.graphs["target"], self.fit.place, in_pieces=pieces)
            found = outputs > 0 if labels.classes is None else outputs.argmax(axis=1)
            ratios = link_ratios(Y, data.As, _table(found, labels.n_outputs), data.At)
            self.ratios.copy_(torch.as_tensor(ratios))
            self.last.fill_(epoch)
        if self._used is None or not torch.equal(self._used, self.ratios):
            self._used = self.ratios.clone()
            weigh = (Y, self._used.cpu().numpy(), self.method.kept)
            links = {name: weighted_links(own, *weigh) for name, own in self.plain.links.items()}
            # What is trained on is also what the scores of the source are about.
            self.graphs["source"] = self.fit.graphs["source"] = Graph(self.plain.X, links, "source")


def _table(y: Array, n_classes: int) -> Array:
    """Classes as a table of 0 and 1; a table as it is."""
    return y.astype(np.float64) if y.ndim == 2 else np.eye(n_classes)[y]
