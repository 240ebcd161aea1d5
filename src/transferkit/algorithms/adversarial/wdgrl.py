"""WDGRL: a critic that estimates the Wasserstein distance of the domains' features, and features that shorten it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.adaptation.alignment import Joint, joint_pass
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator

CARD = {
    "class": "WDGRL",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Shen, Qu, Zhang & Yu. Wasserstein Distance Guided Representation Learning for Domain Adaptation. AAAI 2018.",
    "url": "https://arxiv.org/abs/1707.01217",
}

__all__ = ["WDGRL"]


class WDGRL(NetworkAdaptation):
    """Shorten the Wasserstein-1 distance between the domains' features, estimated by a critic with slope one.

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
        Weight of the distance in the features' loss; the paper's lambda, which is 1 or 0.1 there.
    n_steps : int in [1, inf), default=5
        Updates of the critic a batch.
    penalty : float in [0, inf), default=10.0
        Weight of the critic's gradient penalty; the paper's gamma.
    hidden : int in [1, inf), default=100
        Width of the critic's two layers; the paper's has one of 100.
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
        One row an epoch: ``train/task``, ``train/transfer`` (the distance as the critic estimates it),
        ``critic/penalty`` and the label-free scores that `DANN` lists.
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
    Per batch, the critic f climbs `n_steps` times on ``L_wd - penalty * L_grad`` with the features held, where ``L_wd
    = mean f(h_s) - mean f(h_t)`` and ``L_grad = (|grad f(h)| - 1)^2`` at both domains' features and at random points
    between pairs of them; then network and head descend on ``L_source + trade_off * L_wd`` (algorithm 1). By
    Kantorovich-Rubinstein duality ``L_wd`` is the distance where f is the best function of slope 1. The critic has no
    batch normalisation, so that its slope is that of a row, and runs in single precision. A batch costs one forward
    and backward pass, and `n_steps` forward passes more.

    References
    ----------
    Shen, Qu, Zhang & Yu. Wasserstein Distance Guided Representation Learning for Domain Adaptation. AAAI 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import WDGRL, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = WDGRL("small:mlp?hidden=16", bottleneck=8, hidden=16, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "n_steps": Interval(int, 1),
        "penalty": Interval(float, 0),
        "hidden": Interval(int, 1),
    }
    _test_params: ClassVar = {"hidden": 16}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        n_steps: int = 5,
        penalty: float = 10.0,
        hidden: int = 100,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.n_steps = n_steps
        self.penalty = penalty
        self.hidden = hidden
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        critic = Discriminator(fit.network.n_features, self.hidden, batch_norm=False)
        return _Wasserstein(fit.network, critic, fit.labels, self.trade_off, self.n_steps, self.penalty)


class _Wasserstein(Objective):
    """The critic estimates, then the features shorten."""

    def __init__(
        self, network: Network, critic: Discriminator, labels: Labels, trade_off: float, n_steps: int, penalty: float
    ) -> None:
        super().__init__()
        self.network, self.critic, self.labels = network, critic, labels
        self.trade_off, self.n_steps, self.penalty = trade_off, n_steps, penalty

    def steps(self) -> Sequence[Step]:
        return [
            Step("critic", self._estimate, list(self.critic.parameters()), self.n_steps),
            Step("train", self._shorten, list(self.network.parameters())),
        ]

    def _estimate(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        with torch.no_grad():
            joint = joint_pass(self.network, batch)
        with torch.autocast(joint.z.device.type, enabled=False):
            distance, penalty = self._distance(joint), _slope_penalty(self.critic, joint.z_s.float(), joint.z_t.float())
        return {"loss": self.penalty * penalty - distance, "distance": distance, "penalty": penalty}

    def _shorten(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        joint = joint_pass(self.network, batch)
        assert joint.source.y is not None
        task, distance = self.labels.loss(joint.outputs_s, joint.source.y), self._distance(joint)
        return {"loss": task + self.trade_off * distance, "task": task, "transfer": distance}

    def _distance(self, joint: Joint) -> Tensor:
        with torch.autocast(joint.z.device.type, enabled=False):
            return self.critic(joint.z_s.float()).mean() - self.critic(joint.z_t.float()).mean()

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)


def _slope_penalty(critic: Discriminator, z_s: Tensor, z_t: Tensor) -> Tensor:
    """How far the critic's slope is from 1, at the rows and between pairs of them (a batch has as many of both)."""
    mix = torch.rand(len(z_s), 1, device=z_s.device)
    points = torch.cat([mix * z_s + (1 - mix) * z_t, z_s, z_t]).requires_grad_()
    (slope,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return (torch.linalg.vector_norm(slope, dim=1) - 1).square().mean()
