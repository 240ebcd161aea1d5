"""CoGAN: two adversarial generators with tied layers learn pairs of images, and tied critics carry the classifier over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.inputs.input_space import input_space
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.generators import CoupledGenerators, fooling
from ...ops.nn.moving_statistics import without_moving_statistics

CARD = {
    "class": "CoGAN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("images", "vectors"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Liu & Tuzel. Coupled Generative Adversarial Networks. NIPS 2016.",
    "url": "https://arxiv.org/abs/1606.07536",
}

__all__ = ["CoGAN"]


class CoGAN(NetworkAdaptation):
    """Classify with the layers that two critics share, each of which tells its domain's rows from those of its generator.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    trade_off : float in [0, inf), default=0.1
        Weight of the critics' losses against the source's; that of the authors' code for digits.
    pair_weight : float in [0, inf), default=0.01
        Weight, among the critics' losses, of the squared distance of the features of a generated pair; 0 is the paper's
        objective, the default that of the authors' code for digits.
    n_own : int in [0, inf), default=1
        Parts of the body, from the input on, that each domain has for itself; the rest is tied, the last part always. 0 ties
        all, as does a body of one part.
    hidden : int in [1, inf), default=128
        Features of the generators' last tied layer; those before it have twice and four times as many.
    n_noise : int in [1, inf), default=100
        Random numbers that a pair is made from.
    training : Training, default=None
        Epochs (passes over the longer domain), learning rate, batch size (rows of each domain) and all else; None is
        ``Training()``.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        What the labels are; "auto" decides from them.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        The target's body, bottleneck and head, trained. What the source has for itself is left behind: a score on source
        rows is that of the target's branch.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source.
    history_ : list of dict
        One row an epoch: ``train/task``, ``train/critics``, ``train/pairs`` (the distance of the pairs), ``generators/loss``,
        and the label-free scores that `DANN` lists.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The body's name, and the SHA-256 of its first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.
    n_features_in_ : int
        Width of the rows, where they are vectors.
    feature_names_in_ : array of shape (n_features_in_,)
        Column names, where the rows are a data frame.

    Notes
    -----
    The game of two teams (eq. 5, under the ties of section 3): ``E log f_1(x_1) + E log(1 - f_1(g_1(z))) + E log f_2(x_2) +
    E log(1 - f_2(g_2(z)))``, which the critics f climb and the generators g, in the form ``-log f(g(z))``, undo. The
    generators share all layers but the last; the critics all but the first: their features are this network's, with one
    more output. The classifier sits on the critics' last hidden layer and learns the source, while the game brings the
    target's first layer into line (section 4, adaptation of digits). Two steps a batch: network and critics, then
    generators.

    Not as in the paper: the first layers of both domains begin alike, and batch normalisation behind them takes the real
    rows of both domains together for its moving statistics. The generators are made for small images; of vectors (ours)
    their layers are linear. The paper trains with Adam at a rate of 0.0002; with larger ones the target's own layers may leave the
    classes behind. A batch costs two joint passes and a forward
    pass of as many generated rows of the network's, and two forward and one backward pass of the generators'.

    References
    ----------
    Liu & Tuzel. Coupled Generative Adversarial Networks. NIPS 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CoGAN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, Xt[:, 2] = X[:, 0] > 0, Xt[:, 2] + 1
    >>> training = Training(n_epochs=20, lr=0.01)
    >>> model = CoGAN("small:mlp?hidden=16", bottleneck=8, hidden=16, training=training)
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "pair_weight": Interval(float, 0),
        "n_own": Interval(int, 0),
        "hidden": Interval(int, 1),
        "n_noise": Interval(int, 1),
    }
    _test_params: ClassVar = {"hidden": 16, "n_noise": 8}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 0.1,
        pair_weight: float = 0.01,
        n_own: int = 1,
        hidden: int = 128,
        n_noise: int = 100,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.pair_weight = pair_weight
        self.n_own = n_own
        self.hidden = hidden
        self.n_noise = n_noise
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        space = input_space(f"{type(self).__name__}.fit", fit)
        generators = CoupledGenerators(space.shape, self.n_noise, self.hidden, space.low, space.high)
        return _Coupled(fit.network, fit.labels, generators, self.n_own, self.trade_off, self.pair_weight)


class _Coupled(Objective):
    """The classifier on tied critics, and their game with tied generators."""

    def __init__(
        self,
        network: Network,
        labels: Labels,
        generators: CoupledGenerators,
        n_own: int,
        trade_off: float,
        pair_weight: float,
    ) -> None:
        super().__init__()
        self.network, self.labels, self.generators = network, labels, generators
        self.trade_off, self.pair_weight = trade_off, pair_weight
        self.judge = nn.Linear(network.n_features, 1)
        body = [group for group in network.groups if group.name != "head"]
        own = body[: min(n_own, len(body) - 1)]
        names = [name.removeprefix("body.") for group in own for name in group.params]
        target = dict(network.body.named_parameters())
        self.names = tuple(names)
        self.own = nn.ParameterList(target[name].detach().clone() for name in names)  # the source's

    def steps(self) -> Sequence[Step]:
        critics = [*self.network.parameters(), *self.own, *self.judge.parameters()]
        return [
            Step("train", self._learn, critics),
            Step("generators", self._make, list(self.generators.parameters())),
        ]

    def features(self, x_s: Tensor, x_t: Tensor) -> Tensor:
        """Features of source rows by the source's layers and of target rows by the target's, the source's first."""
        h_s = torch.func.functional_call(self.network.body, dict(zip(self.names, self.own)), (x_s,))
        h = torch.cat([h_s, self.network.body(x_t)])
        return h if self.network.neck is None else self.network.neck(h)

    def _made(self) -> Any:
        """Batches that only the generators make move no statistics that predict."""
        return without_moving_statistics(self.network)

    def _learn(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        source, target = batch["source"], batch["target"]
        assert source.y is not None
        z, n = self.features(source.x, target.x), len(source)
        task = self.labels.loss(self.network.head(z[:n]), source.y)
        with torch.no_grad():
            one, two = self.generators(self.generators.noise(n))
        with self._made():
            made = self.features(one.to(source.x.dtype), two.to(source.x.dtype))
        critics = fooling(self.judge(z)[:, 0]) + fooling(-self.judge(made)[:, 0])
        pairs = functional.mse_loss(made[:n].float(), made[n:].float(), reduction="sum") / n
        loss = task + self.trade_off * (critics + self.pair_weight * pairs)
        return {"loss": loss, "task": task, "critics": critics, "pairs": pairs}

    def _make(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        with self._made():
            made = self.features(*self.generators(self.generators.noise(len(batch["source"]))))
        return {"loss": fooling(self.judge(made)[:, 0])}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
