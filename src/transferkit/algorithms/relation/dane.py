"""DANE: an embedding that keeps edges near and in which a critic cannot tell the graphs; a classifier learns beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Boolean, Interval
from ...engine.answers.labels import Labels
from ...engine.graphs.estimator import CONV, GRAPH_RULES, GraphAdaptation, GraphFit
from ...engine.graphs.graph import drawn_generator
from ...engine.graphs.objective import GraphObjective
from ...engine.training.objective import Batch, Step, Stream
from ...engine.training.settings import Training
from ...ops.graphs.pairs import NodePairs
from ...ops.nn.graph_network import GraphNetwork

CARD = {
    "class": "DANE",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("graph",),
    "needs": ("torch",),
    "cost": "epochs",
    "portfolio": (),
    "paper": "Zhang, Song, Du, Yang & Jin. DANE: Domain Adaptive Network Embedding. IJCAI 2019.",
    "url": "https://arxiv.org/abs/1906.00684",
}

__all__ = ["DANE"]


class DANE(GraphAdaptation):
    """Embed the nodes of both graphs with one network, near where there is an edge, and alike in distribution.

    Parameters
    ----------
    trade_off : float in [0, inf), default=0.1
        Weight of the adversarial part.
    n_negatives : int in [1, inf), default=5
        Nodes drawn for each edge, from which its start is to be far. In a graph where a neighbour is fewer times more
        likely than any other node than this, all is drawn to 0: take fewer for small graphs.
    n_steps : int in [1, inf), default=5
        Updates of the critic for each of the embedding.
    critic : int in [1, inf), default=128
        Width of the critic's hidden layer.
    supervised : bool, default=False
        Whether the source's labels shape the embedding too. The paper's embedding sees no label.
    conv : {"gcn", "sage", "gat", "mlp"}, default="gcn"
        Layers: graph convolution, GraphSAGE with the mean, attention with one head; "mlp" looks at no edge.
    hidden : int in [1, inf), default=128
        Width of the layers and of the embedding.
    n_layers : int in [1, inf), default=2
        Layers; the last of them has no ReLU.
    dropout : float in [0, 1), default=0.0
        Share of each layer's outputs, but the last's, that is set to zero in training.
    n_neighbors : int in [1, inf) or None, default=None
        None trains on whole graphs, one update an epoch. A number draws so many neighbours of every node anew for each update
        of ``training.batch_size`` nodes, and goes through the graph in pieces to predict: for graphs that do not fit.
    symmetric : bool, default=True
        Whether edges go both ways.
    training : Training, default=None
        Epochs, learning rate and all else; None is 200 epochs of Adam at 0.001, as in PyGDA.
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
        One row an epoch: ``critic/loss``, ``train/task``, ``train/proximity``, ``train/transfer`` (the adversarial part); and
        what `GraphSourceOnly` lists of both domains without target labels.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        Kind of the layers, and the SHA-256 of the first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.

    Notes
    -----
    The embedding minimises ``L_edges + trade_off * L_adv``. ``L_edges`` is, for both graphs, the mean over drawn edges of
    ``-log s(z_i . z_j) - sum_k log s(-z_i . z_k)`` with s the sigmoid and nodes k drawn by their degree to the power 3/4. A
    critic D minimises ``mean_S D^2 + mean_T (D - 1)^2``, and the embedding ``L_adv = mean_S (D - 1)^2 + mean_T D^2``: least
    squares, as in LSGAN. A linear classifier of the source's labels learns on the embedding at the same time, and none of
    its gradient goes further; the paper trains one when the embedding is done. With ``supervised=True`` its loss is
    added to the embedding's, as in PyGDA.

    The best ``z_i . z_j`` of a pair by itself is ``log(p / (k q))``, with p how often it is drawn as an edge, q how often as the
    other, and k of `n_negatives`. Where the authors sum over edges we take means, so that `trade_off` means the same for
    graphs of any size: its default is ours. An update draws as many edges of each graph as it sees nodes of the smaller one.

    References
    ----------
    Zhang, Song, Du, Yang & Jin. DANE: Domain Adaptive Network Embedding. IJCAI 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DANE, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X, Xt = (y[:, None] + rng.normal(size=(40, 3)) for _ in range(2))
    >>> pairs = rng.integers(0, 40, size=(2, 400))
    >>> edges = pairs[:, y[pairs[0]] == y[pairs[1]]]
    >>> model = DANE(hidden=8, n_negatives=1, training=Training(n_epochs=30, lr=0.05, optimizer="adam"))
    >>> model.fit(X, y, target=Domain(Xt, edges=edges), edges=edges).score(Xt, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "trade_off": Interval(float, 0),
        "n_negatives": Interval(int, 1),
        "n_steps": Interval(int, 1),
        "critic": Interval(int, 1),
        "supervised": Boolean(),
        "conv": CONV,
        **GRAPH_RULES,
    }
    _test_params: ClassVar = {"critic": 8, "n_steps": 2, "n_negatives": 1}
    _settings: ClassVar = {
        "n_epochs": 200, "lr": 1e-3, "optimizer": "adam", "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0,
    }  # fmt: skip

    def __init__(
        self,
        trade_off: float = 0.1,
        n_negatives: int = 5,
        n_steps: int = 5,
        critic: int = 128,
        supervised: bool = False,
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
        self.trade_off = trade_off
        self.n_negatives = n_negatives
        self.n_steps = n_steps
        self.critic = critic
        self.supervised = supervised
        self.conv = conv
        self.hidden = hidden
        self.n_layers = n_layers
        self.dropout = dropout
        self.n_neighbors = n_neighbors
        self.symmetric = symmetric
        self.training = training
        self.task = task
        self.random_state = random_state

    def _network(self, n_features: int, labels: Labels) -> GraphNetwork:  # type: ignore[override]
        return GraphNetwork(
            n_features, labels.n_outputs, self.hidden, self.n_layers, self.conv, self.dropout, active=False
        )

    def _objective(self, fit: GraphFit) -> _Embedding:  # type: ignore[override]
        found = _Embedding(fit.network, fit.labels, fit.graphs, self.n_neighbors)  # type: ignore[arg-type]
        found.critic = nn.Sequential(nn.Linear(self.hidden, self.critic), nn.ReLU(), nn.Linear(self.critic, 1))
        found.pairs = {"source": NodePairs(fit.data.As), "target": NodePairs(fit.data.At)}
        found.method = self
        return found


class _Embedding(GraphObjective):
    """The critic learns to tell the graphs, then the embedding moves."""

    critic: nn.Module
    pairs: Mapping[str, NodePairs]
    method: DANE
    _kept: tuple[float, list[Tensor]] | None = None  # embeddings of whole graphs, for all updates of the critic at one

    def steps(self) -> Sequence[Step]:
        return [
            Step("critic", self._tell, list(self.critic.parameters()), self.method.n_steps),
            Step("train", self._embed, list(self.network.parameters())),
        ]

    def _tell(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        if self._kept is None or batch["source"].x.ndim == 1 or self._kept[0] != progress:
            with torch.no_grad():
                self._kept = progress, [self.look(batch[name], name).z.float() for name in ("source", "target")]
        z, z_t = self._kept[1]
        return {"loss": _least_squares(self.critic(z), self.critic(z_t))}

    def _embed(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        self._kept, n = None, min(stream.x.shape[-1] for stream in batch.values())
        (z, near), (z_t, near_t) = (self._with_pairs(batch[name], name, n) for name in ("source", "target"))
        y = batch["source"].y
        assert y is not None
        outputs = self.network.head(z if self.method.supervised else z.detach(), None)  # type: ignore[arg-type]
        task = self.loss_of(outputs, y[0] if batch["source"].x.ndim == 2 else y)
        transfer = _least_squares(self.critic(z_t.float()), self.critic(z.float()))
        loss = task + near + near_t + self.method.trade_off * transfer
        return {"loss": loss, "task": task, "proximity": near + near_t, "transfer": transfer}

    def _with_pairs(self, stream: Stream, name: str, n: int) -> tuple[Tensor, Tensor]:
        """Embeddings of a stream's nodes, and the loss of n edges of its graph."""
        rng, graph = drawn_generator(), self.graphs[name]
        drawn = self.pairs[name].draw(n, self.method.n_negatives, rng)
        if stream.x.ndim == 2:
            nodes, at = stream.x[0], [torch.as_tensor(part, device=stream.x.device) for part in drawn]
            batch = graph.whole(nodes.device)
        else:
            asked = stream.x.cpu().numpy()
            numbers = np.unique(np.concatenate([asked, *(part.ravel() for part in drawn)]))
            device = stream.x.device
            nodes, *at = (torch.as_tensor(np.searchsorted(numbers, v), device=device) for v in (asked, *drawn))
            batch = graph.around(numbers, self.network.hops(graph.domain), self.n_neighbors, rng, device)
        z = self.network.features(batch).float()
        return z[nodes], _proximity(z[at[0]], z[at[1]], z[at[2]])


def _least_squares(low: Tensor, high: Tensor) -> Tensor:
    """``mean low^2 + mean (high - 1)^2``."""
    return low.square().mean() + (high - 1).square().mean()


def _proximity(start: Tensor, end: Tensor, far: Tensor) -> Tensor:
    """``-log s(start . end) - sum_k log s(-start . far_k)``, the mean over edges; 0 without any."""
    if not len(start):
        return start.sum()
    near = functional.logsigmoid((start * end).sum(dim=1))
    apart = functional.logsigmoid(-(far @ start[:, :, None])[:, :, 0]).sum(dim=1)
    return -(near + apart).mean()
