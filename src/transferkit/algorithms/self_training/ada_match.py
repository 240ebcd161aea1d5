"""AdaMatch: FixMatch between domains, with the target's class shares and a threshold that both follow the source's."""

from __future__ import annotations

import math
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
from ...engine.networks.several import pass_together, with_views
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.moving_statistics import without_moving_statistics
from ...ops.nn.strong_view import strong_view

CARD = {
    "class": "AdaMatch",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Berthelot et al. AdaMatch: A Unified Approach to Semi-Supervised Learning and Domain Adaptation. ICLR 2022.",
    "url": "https://arxiv.org/abs/2106.04732",
}

__all__ = ["AdaMatch"]


class AdaMatch(NetworkAdaptation):
    """Train on the target's weak answers, rectified to the source's class shares, where they are sure beside the source's.

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
    trade_off : float in [0, inf), default=1.0
        Weight of the target's rows at the end of the ramp.
    threshold : float in [0, 1], default=0.9
        A target row counts where its largest probability is at least this times the mean largest one of the source.
    strength : float in [0, inf), default=1.0
        Of the strong views: what is disturbed, and how, says `transferkit.ops.nn.strong_view`.
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
        One row an epoch: ``train/task``, ``train/transfer`` (weighted by the ramp), ``train/used`` (share of target rows
        above the threshold) and the label-free scores that `DANN` lists.
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
    Minimises ``L_source + trade_off * mu(t) L_target`` with ``mu(t) = 1/2 - cos(min(pi, 2 pi t / T)) / 2`` (eq. 5; section
    3.4). Source rows' logits are, number by number, a random mixture of those from a batch of both domains and those from a
    batch of the source alone (random logit interpolation, eq. 2); the second pass does not touch the statistics that batch
    normalisation predicts with. Target probabilities are multiplied by the ratio of the source's mean prediction and their
    own, and normalised (distribution alignment, eq. 3). L_source is over the weak and the strong views of the source rows,
    L_target is the cross-entropy of the strong views with those soft labels. The authors' code takes the most probable
    class of these instead, averages mean predictions over earlier batches, and draws three target rows for one of the
    source. Optimiser and schedule are `training`'s; the paper predicts with an exponential average of the weights, which is
    ``Training(average="ema", ema_decay=0.999)``. A step costs three times one forward and backward of the joint batch: four
    views, and two of them twice.

    References
    ----------
    Berthelot, Roelofs, Sohn, Carlini & Kurakin. AdaMatch: A Unified Approach to Semi-Supervised Learning and Domain
    Adaptation. ICLR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import AdaMatch, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = AdaMatch("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "threshold": Interval(float, 0, 1),
        "strength": Interval(float, 0),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        threshold: float = 0.9,
        strength: float = 1.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.threshold = threshold
        self.strength = strength
        self.training = training
        self.task = task
        self.random_state = random_state

    def _streams(self, fit: DomainFit) -> dict[str, Rows]:
        both = {"source": with_views(fit.rows), "target": with_views(fit.target)}
        return {**super()._streams(fit), **both}

    def _objective(self, fit: DomainFit) -> Objective:
        views = Views(fit.target.preprocess)
        return _AdaMatch(fit.network, fit.labels, views, self.trade_off, self.threshold, self.strength)


class _AdaMatch(Objective):
    """Weak and strong views of both domains."""

    def __init__(
        self, network: Network, labels: Labels, views: Views, trade_off: float, threshold: float, strength: float
    ) -> None:
        super().__init__()
        self.network, self.labels, self.views = network, labels, views
        self.trade_off, self.threshold, self.strength = trade_off, threshold, strength

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.network.parameters()))]

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        y = batch["source"].y
        assert y is not None
        (xs, other_s), (xt, other_t) = (self.views.split(batch[name].x) for name in ("source", "target"))
        inputs = xs, strong_view(other_s, self.strength), xt, strong_view(other_t, self.strength)
        joint = [outputs.float() for _, outputs in pass_together(self.network, *inputs)]
        with without_moving_statistics(self.network):
            alone = [outputs.float() for _, outputs in pass_together(self.network, *inputs[:2])]
        weak_s, strong_s = (torch.lerp(b, a, torch.rand_like(a)) for a, b in zip(joint, alone))
        task = (self.labels.loss(weak_s, y) + self.labels.loss(strong_s, y)) / 2
        with torch.no_grad():
            p_s, p_t = weak_s.softmax(dim=1), joint[2].softmax(dim=1)
            q = _rectified(p_t, p_s)
            used = (q.amax(dim=1) >= self.threshold * p_s.amax(dim=1).mean()).float()
        each = -(q * joint[3].log_softmax(dim=1)).sum(dim=1)
        transfer = _ramp(progress) * (used * each).mean()
        return {"loss": task + self.trade_off * transfer, "task": task, "transfer": transfer, "used": used.mean()}


def _rectified(p_t: Tensor, p_s: Tensor) -> Tensor:
    """Target probabilities times the ratio of the batches' mean probabilities, normalised."""
    found = p_t * (p_s.mean(dim=0) / p_t.mean(dim=0).clamp_min(1e-12))
    return found / found.sum(dim=1, keepdim=True)


def _ramp(progress: float) -> float:
    """From 0 to 1 in the first half of the training."""
    return 0.5 - math.cos(min(math.pi, 2 * math.pi * progress)) / 2
