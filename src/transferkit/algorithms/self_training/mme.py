"""MME: with a few target labels, the classifier raises the entropy of the other target rows and the features lower it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.networks.backbone import Backbone
from ...engine.networks.network import Network
from ...engine.networks.several import pass_together
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.entropy import mean_entropy
from ...ops.nn.grad_reverse import grad_reverse

CARD = {
    "class": "MME",
    "protocol": "Transfer",
    "settings": ("few_label",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Saito et al. Semi-Supervised Domain Adaptation via Minimax Entropy. ICCV 2019.",
    "url": "https://arxiv.org/abs/1904.06487",
}

__all__ = ["MME"]


class MME(NetworkAdaptation):
    """Move class prototypes towards the target by raising its entropy, and features towards the prototypes by lowering it.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer between body and head; None is no such layer.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    trade_off : float in [0, inf), default=0.1
        Weight of the entropy, the paper's lambda.
    temperature : float in (0, inf), default=0.05
        What the cosines between features and prototypes are divided by.
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
        Body, bottleneck and head, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source.
    history_ : list of dict
        One row an epoch: ``train/task`` (labelled rows of both domains), ``train/transfer`` (the negative entropy of the
        target's rows) and the label-free scores that `DANN` lists.
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
    ``theta_F = argmin L + lambda H`` and ``theta_C = argmin L - lambda H`` (eqs. 3 and 4) in one descent, through a gradient
    reversal before the classifier: L is the cross-entropy of the labelled rows of source and target, H the mean entropy of the
    target's rows (eq. 2). A target must have a few known labels; a batch has as many of them as of the source's rows. The
    classifier gives ``softmax(W f / (T |f|))`` (eq. 1); rows of W are held at length 1 here, as prototypes, which the authors'
    code does not do. All rows go through the network in one batch. A step costs half as much again as one forward and
    backward of the joint batch.

    References
    ----------
    Saito, Kim, Sclaroff, Darrell & Saenko. Semi-Supervised Domain Adaptation via Minimax Entropy. ICCV 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import MME, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> target = Domain(Xt, Xt[:, 0] > 0, known=np.arange(60) < 6)
    >>> model = MME("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=target).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    head = "cosine"
    _constraints: ClassVar = {
        **{name: rule for name, rule in ADAPTATION_RULES.items() if name != "head"},
        "trade_off": TRADE_OFF,
        "temperature": Interval(float, 0, closed="neither"),
    }
    _target_labels: ClassVar = "must"

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        dropout: float = 0.0,
        trade_off: float = 0.1,
        temperature: float = 0.05,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.dropout = dropout
        self.trade_off = trade_off
        self.temperature = temperature
        self.training = training
        self.task = task
        self.random_state = random_state

    def _network(self, backbone: Backbone, labels: Labels) -> Network:
        network = super()._network(backbone, labels)
        torch.nn.init.constant_(network.head.out.scale, 1 / self.temperature)
        return network

    def _objective(self, fit: DomainFit) -> Objective:
        return _MinimaxEntropy(fit.network, fit.labels, self.trade_off)


class _MinimaxEntropy(Objective):
    """One descent of labelled rows' loss minus the entropy behind a gradient reversal."""

    def __init__(self, network: Network, labels: Labels, trade_off: float) -> None:
        super().__init__()
        self.network, self.labels, self.trade_off = network, labels, trade_off

    def steps(self) -> Sequence[Step]:
        fixed = self.network.head.out.scale
        return [Step("train", self._loss, [p for p in self.network.parameters() if p is not fixed])]

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        source, known, target = batch["source"], batch["known"], batch["target"]
        assert source.y is not None
        assert known.y is not None
        found = pass_together(self.network, source.x, known.x, target.x)
        labelled = torch.cat([found[0][1], found[1][1]])
        task = self.labels.loss(labelled, torch.cat([source.y, known.y]))
        outputs = self.network.head(grad_reverse(found[2][0])).float()
        entropy = mean_entropy(outputs)
        return {"loss": task - self.trade_off * entropy, "task": task, "transfer": -entropy}
