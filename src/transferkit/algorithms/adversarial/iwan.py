"""IWAN: one critic tells which source rows the target has too, a second one aligns the target's encoder with those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.adaptation.source_then_target import SourceThenTarget
from ...engine.answers.labels import Labels
from ...engine.networks.network import Network
from ...engine.training.objective import Objective
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.entropy import mean_entropy
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight
from ...ops.nn.held import held

CARD = {
    "class": "IWAN",
    "protocol": "Transfer",
    "settings": (
        "unsupervised",
        "partial",
    ),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Zhang, Ding, Li & Ogunbona. Importance Weighted Adversarial Nets for Partial Domain Adaptation. CVPR 2018.",
    "url": "https://arxiv.org/abs/1803.09210",
}

__all__ = ["IWAN"]


class IWAN(NetworkAdaptation):
    """Train on the source, and adapt a copy of its encoder to the target against a critic of weighted source rows.

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
        Weight of the second critic's loss.
    entropy : float in [0, inf), default=1.0
        Weight of the entropy of the target's probabilities; TLlib's.
    warm_up : float in (0, 1), default=0.5
        Share of the updates that learn the source; the rest adapts. The paper trains each to its end.
    hidden : int in [1, inf), default=1024
        Width of the two layers of both critics.
    sharpness : float in (0, inf), default=10.0
        How fast the reversal grows with the share of the second phase that is done.
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
        One row an epoch: ``train/task`` in the first phase; ``train/transfer``, ``train/entropy``, ``train/critic``
        (the second critic's accuracy) and ``train/spread`` (standard deviation of the weights) in the second; and the
        label-free scores that `DANN` lists.
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
    While less than `warm_up` of the updates are done, body, bottleneck and head descend on the loss of source batches.
    Then encoder F_s is copied and held with the head, and the network's own becomes F_t. Critic D tells the domains of
    F_s(x_s) and F_t(x_t), and gives no gradient to features; ``w = 1 - D(F_s(x_s))``, divided by its mean, weighs
    source rows: those that look like none of the target weigh little. Critic D_0 descends on the weighted loss of the
    domains, F_t climbs on it through a gradient reversal and descends on `entropy` times the entropy of the held
    head's probabilities. F_t and the head predict. Phases follow from the share of the updates that is done; optimizer
    and learning rate schedule go on through both. Batch normalisation standardises target batches by themselves, which
    hides that classes are missing: without a bottleneck the weights tell more. A batch costs half a joint pass in the
    first phase; in the second half of one and a forward pass of the source.

    References
    ----------
    Zhang, Ding, Li & Ogunbona. Importance Weighted Adversarial Nets for Partial Domain Adaptation. CVPR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import IWAN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = IWAN("small:mlp?hidden=16", bottleneck=8, hidden=16, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "entropy": Interval(float, 0),
        "warm_up": Interval(float, 0, 1, closed="neither"),
        "hidden": Interval(int, 1),
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
        entropy: float = 1.0,
        warm_up: float = 0.5,
        hidden: int = 1024,
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
        self.entropy = entropy
        self.warm_up = warm_up
        self.hidden = hidden
        self.sharpness = sharpness
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        critics = [Discriminator(fit.network.n_features, self.hidden, batch_norm=False) for _ in range(2)]
        weights = self.trade_off, self.entropy
        return _Weighted(fit.network, fit.labels, self.warm_up, critics, weights, self.sharpness)


class _Weighted(SourceThenTarget):
    """The weighing critic, the aligning critic, and the entropy."""

    def __init__(
        self,
        network: Network,
        labels: Labels,
        warm_up: float,
        critics: Sequence[Discriminator],
        weights: tuple[float, float],
        sharpness: float,
    ) -> None:
        super().__init__(network, labels, warm_up)
        self.weigher, self.critic = critics
        self.weights, self.sharpness = weights, sharpness

    def adapt(self, z_s: Tensor, z_t: Tensor, progress: float) -> dict[str, Tensor]:
        n = len(z_s)
        told = self.weigher(torch.cat([z_s, z_t.detach()]))
        w = torch.sigmoid(-told[:n].detach().float())
        w = w / w.mean()
        done = (progress - self.warm_up) / (1 - self.warm_up)
        logits = self.critic(torch.cat([z_s, grad_reverse(z_t, reversal_weight(done, self.sharpness))])).float()
        transfer = ((w * functional.softplus(-logits[:n])).mean() + functional.softplus(logits[n:]).mean()) / 2
        entropy = mean_entropy(held(self.network.head, z_t))
        loss = domain_loss(told, n) + self.weights[0] * transfer + self.weights[1] * entropy
        parts = {"transfer": transfer, "entropy": entropy, "critic": domain_accuracy(logits, n)}
        return {"loss": loss, **parts, "spread": w.std(correction=0)}
