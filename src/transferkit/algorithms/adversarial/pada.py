"""PADA: classes of the source that the target does not name lose their weight, in the task and before the critic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Boolean, Interval
from ...engine.adaptation.alignment import joint_pass
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.networks.estimator import Fit
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight

CARD = {
    "class": "PADA",
    "protocol": "Transfer",
    "settings": (
        "unsupervised",
        "partial",
    ),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Cao, Ma, Long & Wang. Partial Adversarial Domain Adaptation. ECCV 2018.",
    "url": "https://arxiv.org/abs/1808.04205",
}

__all__ = ["PADA"]


class PADA(NetworkAdaptation):
    """Weigh each source class by how much of the target is predicted to be of it, and align by a critic as `DANN` does.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer that is aligned, between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    trade_off : float in [0, inf), default=1.0
        Weight of the critic's loss.
    hidden : int in [1, inf), default=1024
        Width of the critic's two layers.
    batch_norm : bool, default=True
        Whether the critic normalises its layers over the batch of both domains, as TLlib's does.
    sharpness : float in (0, inf), default=10.0
        How fast the reversal grows with the share of the training that is done.
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
        One row an epoch: ``train/task``, ``train/transfer``, ``train/critic`` (the critic's accuracy),
        ``train/least_weight`` (of a class) and the label-free scores that `DANN` lists.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The body's name, and the SHA-256 of its first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``
        and ``class_weights`` at the end.
    n_features_in_ : int
        Width of the rows, where they are vectors.
    feature_names_in_ : array of shape (n_features_in_,)
        Column names, where the rows are a data frame.

    Notes
    -----
    The weight gamma of a class is the mean of its probability over all rows of the target, divided by the largest such
    mean. Source rows weigh gamma of their class in the task's and the critic's loss, target rows 1; features get the
    critic's gradient reversed, as in `DANN`. A row's probabilities are those of its last visit, 1/K before the first:
    the paper computes all anew now and then, which takes a pass over the target. The authors' code divides by the mean
    of gamma instead; we follow the paper. A batch costs one forward and backward pass, and one of the critic.

    References
    ----------
    Cao, Ma, Long & Wang. Partial Adversarial Domain Adaptation. ECCV 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import PADA, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = PADA("small:mlp?hidden=16", bottleneck=8, hidden=16, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "hidden": Interval(int, 1),
        "batch_norm": Boolean(),
        "sharpness": Interval(float, 0, closed="neither"),
    }
    _test_params: ClassVar = {"hidden": 16}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        hidden: int = 1024,
        batch_norm: bool = True,
        sharpness: float = 10.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.hidden = hidden
        self.batch_norm = batch_norm
        self.sharpness = sharpness
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        critic = Discriminator(fit.network.n_features, self.hidden, self.batch_norm)
        return _Partial(fit.network, critic, fit.labels, len(fit.target), self.trade_off, self.sharpness)

    def _finish(self, fit: Fit, objective: Objective) -> None:
        assert isinstance(objective, _Partial)
        fit.notes["class_weights"] = objective.class_weights().tolist()


class _Partial(Objective):
    """Task and critic, with weights of classes."""

    proba: Tensor

    def __init__(
        self, network: Network, critic: Discriminator, labels: Labels, n_target: int, trade_off: float, sharpness: float
    ) -> None:
        super().__init__()
        self.network, self.critic, self.labels = network, critic, labels
        self.trade_off, self.sharpness = trade_off, sharpness
        self.register_buffer("proba", torch.full((n_target, labels.n_outputs), 1 / labels.n_outputs))

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def class_weights(self) -> Tensor:
        """Of shape (n_classes,); the largest is 1."""
        mean = self.proba.mean(dim=0)
        return mean / mean.max()

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        joint = joint_pass(self.network, batch)
        y = joint.source.y
        assert y is not None
        self.proba[joint.target.rows] = joint.outputs_t.detach().float().softmax(dim=1)
        weights = self.class_weights()
        task = (weights[y] * self.labels.loss(joint.outputs_s, y, "none")).mean()
        logits = self.critic(grad_reverse(joint.z, reversal_weight(progress, self.sharpness))).float()
        own, other = functional.softplus(-logits[: joint.n]), functional.softplus(logits[joint.n :])
        transfer = ((weights[y] * own).mean() + other.mean()) / 2
        parts = {"critic": domain_accuracy(logits, joint.n), "least_weight": weights.min()}
        return {"loss": task + self.trade_off * transfer, "task": task, "transfer": transfer, **parts}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
