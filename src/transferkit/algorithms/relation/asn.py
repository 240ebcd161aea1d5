"""ASN: what a graph has for itself apart from what both share, so that only the latter has to be alike for a critic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from scipy import sparse
from torch import Tensor, nn

from ...core.constraints import Either, Interval, Nothing
from ...engine.answers.labels import Labels
from ...engine.graphs.adversary import GraphAdversary
from ...engine.graphs.estimator import GRAPH_RULES, GraphAdaptation, GraphFit
from ...engine.graphs.objective import GraphAlignment, GraphJoint, Nodes
from ...engine.training.settings import Training
from ...ops.graphs.links import Links, mean_of_neighbours
from ...ops.graphs.transitions import near_nodes
from ...ops.nn.graph_layers import GraphLayer, attend
from ...ops.nn.local_global_network import VIEWS, LocalGlobalNetwork
from ...ops.nn.separation import OwnEncoder, common_part, divergence, draw, edge_loss

CARD = {
    "class": "ASN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("graph",),
    "needs": ("torch",),
    "cost": "epochs",
    "portfolio": (),
    "paper": "Zhang, Du, Xie & Wang. Adversarial Separation Network for Cross-Network Node Classification. CIKM 2021.",
    "url": "https://doi.org/10.1145/3459637.3482228",
}

__all__ = ["ASN"]

_CRITIC_DROPOUT = 0.1  # of the authors' code
_MOST = 10.0  # of the logarithm of a standard deviation


class ASN(GraphAdaptation):
    """Give each graph encoders of its own for what only it has, and classify by the shared encoders alone.

    Parameters
    ----------
    trade_off : float in [0, inf), default=0.5
        Weight of the critic of domains.
    reconstruction : float in [0, inf), default=1.0
        Weight of finding the edges from shared and own codes together.
    difference : float in [0, inf), default=0.0001
        Weight of keeping shared and own codes orthogonal; what it weighs grows with the square of the number of nodes.
    entropy : float in [0, inf), default=0.01
        Weight of the entropy of the target's predictions at the end of the training; it grows to that from 0.
    reversal : float in [0, inf), default=0.05
        Largest weight of the critic's reversed gradient; it is the share of the training that is done until then.
    n_steps : int in [1, inf), default=3
        How many edges away the global view of a node reaches.
    n_rows : int in [1, inf) or None, default=1024
        Nodes of an update whose pairs with all of its nodes are reconstructed, drawn anew each time; None takes all.
    critic : int in [1, inf), default=10
        Width of the hidden layer of the critic.
    hidden : int in [1, inf), default=128
        Width of the encoders' first layers.
    code : int in [1, inf), default=16
        Width of the codes, which are the features.
    dropout : float in [0, 1), default=0.5
        Share of the shared encoders' hidden outputs, and of the codes for reconstruction, that is set to zero in training.
    n_neighbors : int in [1, inf) or None, default=None
        None trains on whole graphs, one update an epoch. A number draws so many neighbours of every node anew for each update
        of ``training.batch_size`` nodes, whose pairs among themselves are reconstructed, and predicts in pieces.
    symmetric : bool, default=True
        Whether edges go both ways.
    training : Training, default=None
        Epochs, learning rate and all else; None is 100 epochs of Adam at 0.001 with weight decay 0.001, as in PyGDA's benchmark.
    task : {"auto", "classification", "multilabel"}, default="auto"
        What the labels are; "auto" takes a table of 0 and 1 for several labels of each node.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, dropout and all that is drawn.

    Attributes
    ----------
    network_ : LocalGlobalNetwork
        The shared encoders and the head, trained.
    target_graph_ : TargetGraph
        The target's edges, so that predictions for its nodes need not be told them again.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source; not there for several labels.
    history_ : list of dict
        One row an epoch: ``train/task``, ``train/transfer`` (all else, weighted), ``train/domain``, ``train/entropy``,
        ``train/reconstruction``, ``train/difference``; and in twenty of them what `GraphSourceOnly` lists of both domains.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        Kind of the layers, and the SHA-256 of the first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.

    Notes
    -----
    An encoder is two graph convolutions that give each node normal distributions, means and standard deviations, as in a
    variational graph autoencoder. There are six: shared, own of the source, own of the target, each for the neighbours,
    ``D^(-1) (A + I)``, and for the positive pointwise mutual information of ``sum_k T^k / k`` up to `n_steps`, rows summing
    to 1, with T the probabilities of a step. Attention adds the shared means of both views to the features, which the head and
    a critic as in `UDAGCN` get. Draws from the distributions are added so, too; with those of shared and own encoders side by
    side as Z, the log-odds of edges are ``Z Z^T``. The loss is

    ``L_source + trade_off L_critic + reconstruction (L_edges + KL / n) + difference L_difference + entropy p H``

    with KL to the standard normal, a mean over n nodes; p the share of the training that is done; and ``L_difference`` the mean
    square of the entries of ``S^T O``, means of shared and own encoders of the neighbours, with each node's scaled to length 1.
    ``L_edges`` is the authors' weighted cross-entropy: half its mean over edges and loops, plus half that over other pairs.
    Weights are those of the authors' code, which takes all pairs, not those of `n_rows` nodes; halves the target's KL; and
    scales each node's features to sum 1, which is left to the user. It trains for 2000 epochs at 0.03 and reports the best by
    target labels; the training is PyGDA's instead. Standard deviations are cut at exp(10), lest large features overflow.

    References
    ----------
    Zhang, Du, Xie & Wang. Adversarial Separation Network for Cross-Network Node Classification. CIKM 2021.

    Kipf & Welling. Variational Graph Auto-Encoders. NIPS workshop on Bayesian deep learning, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import ASN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X, Xt = (y[:, None] + rng.normal(size=(40, 3)) for _ in range(2))
    >>> pairs = rng.integers(0, 40, size=(2, 400))
    >>> edges = pairs[:, y[pairs[0]] == y[pairs[1]]]
    >>> model = ASN(hidden=8, code=4, dropout=0.1, training=Training(n_epochs=30, lr=0.05, optimizer="adam"))
    >>> model.fit(X, y, target=Domain(Xt, edges=edges), edges=edges).score(Xt, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "trade_off": Interval(float, 0),
        "reconstruction": Interval(float, 0),
        "difference": Interval(float, 0),
        "entropy": Interval(float, 0),
        "reversal": Interval(float, 0),
        "n_steps": Interval(int, 1),
        "n_rows": Either(Nothing(), Interval(int, 1)),
        "critic": Interval(int, 1),
        "code": Interval(int, 1),
        **{name: rule for name, rule in GRAPH_RULES.items() if name != "n_layers"},
    }
    _test_params: ClassVar = {"n_steps": 2, "code": 8}
    _settings: ClassVar = {
        "n_epochs": 100, "lr": 1e-3, "optimizer": "adam", "weight_decay": 1e-3, "schedule": "constant", "warmup": 0.0,
    }  # fmt: skip
    conv = "views"

    def __init__(
        self,
        trade_off: float = 0.5,
        reconstruction: float = 1.0,
        difference: float = 0.0001,
        entropy: float = 0.01,
        reversal: float = 0.05,
        n_steps: int = 3,
        n_rows: int | None = 1024,
        critic: int = 10,
        hidden: int = 128,
        code: int = 16,
        dropout: float = 0.5,
        n_neighbors: int | None = None,
        symmetric: bool = True,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.trade_off = trade_off
        self.reconstruction = reconstruction
        self.difference = difference
        self.entropy = entropy
        self.reversal = reversal
        self.n_steps = n_steps
        self.n_rows = n_rows
        self.critic = critic
        self.hidden = hidden
        self.code = code
        self.dropout = dropout
        self.n_neighbors = n_neighbors
        self.symmetric = symmetric
        self.training = training
        self.task = task
        self.random_state = random_state

    def _links(self, adjacency: Any, domain: str) -> Mapping[str, Links]:
        return {"local": mean_of_neighbours(adjacency, 1.0), "global": near_nodes(adjacency, self.n_steps)}

    def _network(self, n_features: int, labels: Labels) -> LocalGlobalNetwork:  # type: ignore[override]
        return LocalGlobalNetwork(n_features, labels.n_outputs, self.hidden, self.code, self.dropout)

    def _objective(self, fit: GraphFit) -> GraphAlignment:  # type: ignore[override]
        term = _Separation(self, fit)
        return GraphAlignment(fit.network, fit.labels, fit.graphs, self.n_neighbors, term)  # type: ignore[arg-type]


class _Separation(nn.Module):
    """All but the source's loss, and the encoders that only the training needs."""

    def __init__(self, method: ASN, fit: GraphFit) -> None:
        super().__init__()
        width, hidden, code, several = fit.data.Xs.shape[1], method.hidden, method.code, fit.labels.kind == "multilabel"
        settings = method.critic, _CRITIC_DROPOUT, method.reversal, method.entropy, several, method.trade_off
        self.adversary = GraphAdversary(code, *settings)
        self.log_std = nn.ModuleList([GraphLayer(hidden, code, active=False, links=name) for name in VIEWS])  # shared
        own = {d: [OwnEncoder(width, hidden, code, name) for name in VIEWS] for d in fit.graphs}
        self.own = nn.ModuleDict({d: nn.ModuleList(both) for d, both in own.items()})
        self.ask = nn.ModuleDict({d: nn.Linear(code, 1) for d in fit.graphs})
        self.dropout = nn.Dropout(method.dropout)
        self.weights, self.n_rows = (method.reconstruction, method.difference), method.n_rows
        near = {"source": fit.data.As, "target": fit.data.At}
        self.linked = {d: sparse.csr_matrix((A != 0) + sparse.eye(A.shape[0], dtype=bool)) for d, A in near.items()}

    def forward(self, joint: GraphJoint, progress: float) -> Mapping[str, Tensor]:
        found = dict(self.adversary(joint, progress))
        sides = [self._side(nodes) for nodes in (joint.source, joint.target)]
        edges, common = (sum(part) for part in zip(*sides))
        found["loss"] = found["loss"] + self.weights[0] * edges + self.weights[1] * common
        return {**found, "reconstruction": edges, "difference": common}  # type: ignore[dict-item]

    def _side(self, nodes: Nodes) -> tuple[Tensor, Tensor]:
        """What one graph adds to the reconstruction and to the difference."""
        mean, log_std = self._codes(nodes).chunk(2, dim=2)
        log_std, ask = log_std.clamp(max=_MOST), self.ask[nodes.batch.domain]
        drawn = draw(mean, log_std)
        z = torch.cat([attend(ask, drawn[:2]), attend(ask, drawn[2:])], dim=1)
        edges = self._edges(self.dropout(z.float()), nodes)
        return edges + divergence(mean, log_std) / len(nodes), common_part(mean[2], mean[0])

    def _codes(self, nodes: Nodes) -> Tensor:
        """Shared codes of the local view and the global, then own ones, of shape (4, n_nodes, 2 * code)."""
        batch, (hidden, means, _) = nodes.batch, (h.chunk(2, dim=1) for h in nodes.every)
        shared = [torch.cat([m, layer(h, batch)], dim=1) for m, layer, h in zip(means, self.log_std, hidden)]
        return torch.stack([*shared, *(encoder(batch) for encoder in self.own[batch.domain])])[:, nodes.at]

    def _edges(self, z: Tensor, nodes: Nodes) -> Tensor:
        """The loss of pairs: some nodes of the update with all of them."""
        rows = torch.randperm(len(nodes))[: self.n_rows]
        numbers = nodes.nodes.cpu().numpy()
        is_edge = self.linked[nodes.batch.domain][numbers[rows.numpy()]][:, numbers].toarray()
        return edge_loss(z[rows.to(z.device)] @ z.T, torch.from_numpy(is_edge).to(z.device))
