"""Reweighted DANN: source rows that could be the target's weigh more, in the critic that features must fool and in the task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Boolean, Interval
from ...engine.adaptation.alignment import joint_pass
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight

CARD = {
    "class": "ReweightedDANN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Zhang, Ding, Li & Ogunbona. Importance Weighted Adversarial Nets for Partial Domain Adaptation. CVPR 2018.",
    "url": "https://arxiv.org/abs/1803.09210",
}

__all__ = ["ReweightedDANN"]


class ReweightedDANN(NetworkAdaptation):
    """Learn features that fool a critic of domains together with weights of the source's rows, from a critic of its own.

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
    weigh_task : bool, default=True
        Whether the weights are those of the source's loss, too, or of the critic's only, as in the paper.
    hidden : int in [1, inf), default=256
        Width of the two layers of both critics.
    batch_norm : bool, default=True
        Whether the critics normalise their layers over the batch of both domains.
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
        One row an epoch: ``train/task`` (weighted), ``train/transfer``, ``train/weigher`` (the loss of the network that
        weighs), ``train/effective`` (the share of the source's rows that the weights amount to; 1 where all are alike),
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
    A first critic D learns to tell the domains by features that it does not move; for a row of the source, ``w = (1 -
    D(z)) / mean(1 - D(z))`` over the batch: large where it takes the row for the target's, and bounded where the ratio
    of densities is not. A second critic D_0 is fooled by the features through a gradient reversal as in `DANN`, on the
    source's rows so weighted: ``max_F min_D0 -E_s[w log D_0(F)] - E_t[log(1 - D_0(F))]``; the source's own loss has the
    same weights, so that instances and features adapt to each other. This is the weighing of `IWAN`
    outside of its partial setting, with one body for both domains, trained throughout, where that keeps a fixed one for
    the source; with weights of the task's loss; and without the entropy of the target's predictions. The weights are
    constants in the gradient.

    A step costs the passes of two critics more than plain training on both domains.

    References
    ----------
    Zhang, Ding, Li & Ogunbona. Importance Weighted Adversarial Nets for Partial Domain Adaptation. CVPR 2018.
    Ganin et al. Domain-Adversarial Training of Neural Networks. JMLR 17, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, ReweightedDANN, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = ReweightedDANN("small:mlp?hidden=16", bottleneck=8, hidden=16, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "weigh_task": Boolean(),
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
        weigh_task: bool = True,
        hidden: int = 256,
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
        self.weigh_task = weigh_task
        self.hidden = hidden
        self.batch_norm = batch_norm
        self.sharpness = sharpness
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        weigher, critic = (Discriminator(fit.network.n_features, self.hidden, self.batch_norm) for _ in range(2))
        return _Reweighted(fit.network, fit.labels, weigher, critic, self)


class _Reweighted(Objective):
    """The source's loss and the critic's, on weights of a critic that stands beside them."""

    def __init__(
        self, network: Network, labels: Labels, weigher: Discriminator, critic: Discriminator, settings: ReweightedDANN
    ) -> None:
        super().__init__()
        self.network, self.labels, self.weigher, self.critic = network, labels, weigher, critic
        self._settings = settings

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        joint, settings = joint_pass(self.network, batch), self._settings
        n, y = joint.n, joint.source.y
        assert y is not None
        domain = self.weigher(joint.z.detach())
        weight = _likeness(domain[:n])
        logits = self.critic(grad_reverse(joint.z, reversal_weight(progress, settings.sharpness)))
        transfer = domain_loss(logits, n, torch.cat([weight, torch.ones_like(logits[n:], dtype=weight.dtype)]))
        each = self.labels.loss(joint.outputs_s, y, reduction="none")
        task = (weight * each).mean() if settings.weigh_task else each.mean()
        weigher = domain_loss(domain, n)
        return {
            "loss": task + settings.trade_off * transfer + weigher, "task": task, "transfer": transfer, "weigher": weigher,
            "critic": domain_accuracy(logits, n), "effective": 1 / weight.square().mean(),
        }  # fmt: skip

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)


def _likeness(logits: Tensor) -> Tensor:
    """Weights of mean 1, without a gradient: how likely each row is the target's, for logits of being the source's."""
    chance = torch.sigmoid(-logits.detach().float()).clamp(min=torch.finfo(torch.float32).tiny)
    return chance / chance.mean()
