"""MeanTeacher: on target rows the network agrees with the average of its own past (self-ensembling)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.inputs.rows import Rows
from ...engine.inputs.views import Views
from ...engine.networks.network import Network
from ...engine.networks.several import with_views
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.strong_view import noisy_view
from ...ops.nn.teacher import Teacher

CARD = {
    "class": "MeanTeacher",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "French, Mackiewicz & Fisher. Self-Ensembling for Visual Domain Adaptation. ICLR 2018.",
    "url": "https://arxiv.org/abs/1706.05208",
}

__all__ = ["MeanTeacher"]


class MeanTeacher(NetworkAdaptation):
    """Make two augmented views of a target row agree: the network's answer to one, its averaged past's to the other.

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
    trade_off : float in [0, inf), default=3.0
        Weight of the agreement.
    decay : float in [0, 1), default=0.99
        Share of itself that the teacher keeps with every update; less in the first ones.
    threshold : float in [0, 1), default=0.968
        A row counts where the teacher's largest probability is above this.
    balance : float in [0, inf), default=0.005
        Weight of the class balance beside the agreement.
    noise : float in [0, inf), default=0.1
        Deviation of the noise that is added to every view, in units of the network's input.
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
        One row an epoch: ``train/task``, ``train/transfer`` (agreement and balance), ``train/used`` (share of target rows
        that the teacher is sure of) and the label-free scores that `DANN` lists, which are the student's.
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
    Minimises ``L_source + trade_off * (L_agree + balance * L_balance)``: L_agree is the squared difference of the
    probabilities of student and teacher, averaged over the classes, on the target rows that the teacher is sure of (section
    3.2); L_balance the binary cross-entropy between the student's mean probabilities and 1 / n_classes, summed over the
    classes, times the share of sure rows (section 3.4, and the authors' code). Source and target go through the student in
    batches of their own, and the teacher sees the target only: batch normalisation that predicts has the target's
    statistics (section 3.1). The teacher predicts. Its average begins as the plain mean of the weights so far (Tarvainen
    & Valpola's code), which a training of hundreds of updates needs; the authors train for many thousands with 0.99 alone.
    A step costs one forward of the target batch more than one forward and backward of the joint batch.

    References
    ----------
    French, Mackiewicz & Fisher. Self-Ensembling for Visual Domain Adaptation. ICLR 2018.
    Tarvainen & Valpola. Mean Teachers are Better Role Models. NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import MeanTeacher, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = MeanTeacher("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "decay": Interval(float, 0, 1, closed="left"),
        "threshold": Interval(float, 0, 1, closed="left"),
        "balance": Interval(float, 0),
        "noise": Interval(float, 0),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 3.0,
        decay: float = 0.99,
        threshold: float = 0.968,
        balance: float = 0.005,
        noise: float = 0.1,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.decay = decay
        self.threshold = threshold
        self.balance = balance
        self.noise = noise
        self.training = training
        self.task = task
        self.random_state = random_state

    def _streams(self, fit: DomainFit) -> dict[str, Rows]:
        return {**super()._streams(fit), "target": with_views(fit.target)}

    def _objective(self, fit: DomainFit) -> Objective:
        return _SelfEnsembling(
            fit.network, fit.labels, Views(fit.target.preprocess), Teacher(fit.network, self.decay),
            self.trade_off, self.threshold, self.balance, self.noise,
        )  # fmt: skip

    def _finish(self, fit: DomainFit, objective: Objective) -> None:
        assert isinstance(objective, _SelfEnsembling)
        objective.teacher.follow(fit.network)
        fit.network.load_state_dict(objective.teacher.network.state_dict())


class _SelfEnsembling(Objective):
    """The student, in training, and its teacher."""

    def __init__(
        self, network: Network, labels: Labels, views: Views, teacher: Teacher,
        trade_off: float, threshold: float, balance: float, noise: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.network, self.labels, self.views, self.teacher = network, labels, views, teacher
        self.trade_off, self.threshold, self.balance, self.noise = trade_off, threshold, balance, noise

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.network.parameters()))]

    def predict_step(self, x: Any) -> Tensor:
        found: Tensor = self.teacher.network(x)
        return found

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        self.teacher.follow(self.network, progress)
        source = batch["source"]
        own, other = (noisy_view(x, self.noise) for x in self.views.split(batch["target"].x))
        assert source.y is not None
        task = self.labels.loss(self.network(noisy_view(source.x, self.noise)), source.y)
        p = self.network(own).float().softmax(dim=1)
        with torch.no_grad():
            q = self.teacher.network(other).float().softmax(dim=1)
            used = (q.amax(dim=1) > self.threshold).float()
        agree = (used * (p - q).square().mean(dim=1)).mean()
        transfer = agree + self.balance * used.mean() * _imbalance(p)
        return {"loss": task + self.trade_off * transfer, "task": task, "transfer": transfer, "used": used.mean()}


def _imbalance(p: Tensor) -> Tensor:
    """Binary cross-entropy between the mean probabilities and equal shares, summed over the classes."""
    mean, share = p.mean(dim=0), 1 / p.shape[1]
    return -(share * (mean + 1e-6).log() + (1 - share) * (1 - mean + 1e-6).log()).sum()
