"""DAEL: an expert for each source; experts agree on rows that are foreign to them, and the surest teaches on the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.adaptation.several_sources import source_streams, sources_of
from ...engine.answers.labels import Labels
from ...engine.inputs.rows import Rows
from ...engine.inputs.views import Views
from ...engine.networks.estimator import Fit
from ...engine.networks.network import Network
from ...engine.networks.several import features_together, with_views
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.head_mean import HeadMean, mean_log_proba
from ...ops.nn.strong_view import strong_view

CARD = {
    "class": "DAEL",
    "protocol": "Transfer",
    "settings": ("unsupervised", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Zhou, Yang, Qiao & Xiang. Domain Adaptive Ensemble Learning. IEEE TIP 30, 2021.",
    "url": "https://arxiv.org/abs/2003.07325",
}

__all__ = ["DAEL"]


class DAEL(NetworkAdaptation):
    """Let the experts of other sources follow each source's own, and all of them the surest one on the target.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What each expert is.
    dropout : float in [0, 1), default=0.0
        Share of the features that the experts drop in training.
    trade_off : float in [0, inf), default=0.5
        Weight of the target's loss; the paper's lambda_u.
    threshold : float in [0, 1), default=0.95
        Probability from which the surest expert's class is taken for true.
    strength : float in [0, inf), default=1.0
        Of the strong views: what is disturbed, and how, says `transferkit.ops.nn.strong_view`.
    training : Training, default=None
        Epochs (passes over the longest domain), learning rate, batch size (rows of each domain) and all else; None is
        ``Training()``.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        What the labels are; "auto" decides from them.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        Body, bottleneck and experts, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the sources.
    history_ : list of dict
        One row an epoch: ``train/task`` (the mean over the sources), ``train/agreement``, ``train/transfer`` (of the
        target), ``train/used`` (share of the target's rows that are taught) and the label-free scores that `DANN` lists.
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
    Minimises ``L_ce + L_cr + trade_off * L_u`` (section 3). L_ce is the mean over the sources of the cross-entropy of their own
    expert on weak views. L_cr is the mean over the sources of ``|mean_{j != i} p_j(strong) - p_i(weak)|^2``, where p_i, the
    source's own expert, has no gradient; with one source there is none. L_u is the cross-entropy of ``mean_i p_i(strong)``
    with the class that the surest expert gives the weak view of a target row, zero where its probability is below
    `threshold`, over all rows of the batch. Prediction is with the mean of the experts' probabilities. The weak view is
    the backbone's own augmentation of the training rows; vectors and texts have none. All views of all domains go
    through the network in one batch, in the authors' code one after the other, and so batch normalisation takes the
    statistics of all. Without groups there is one source. With N sources a step is one forward and backward pass of
    2 (N + 1) batches.

    References
    ----------
    Zhou, Yang, Qiao & Xiang. Domain Adaptive Ensemble Learning. IEEE Transactions on Image Processing 30, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DAEL, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt, groups = rng.normal(size=(120, 4)), rng.normal(size=(60, 4)), np.arange(120) % 2
    >>> y, yt = np.arange(120) % 3 > 0, np.arange(60) % 3 > 0
    >>> X[:, 0], Xt[:, 0] = X[:, 0] + 3 * y, Xt[:, 0] + 3 * yt
    >>> X[:, 2], Xt[:, 2] = X[:, 2] + groups, Xt[:, 2] - 1
    >>> model = DAEL("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt), groups=groups).score(Xt, yt) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "threshold": Interval(float, 0, 1, closed="left"),
        "strength": Interval(float, 0),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 0.5,
        threshold: float = 0.95,
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

    def _edit(self, fit: Fit) -> None:
        assert isinstance(fit, DomainFit)
        n = len(source_streams(fit))
        experts = HeadMean(n, fit.network.n_features, fit.labels.n_outputs, self.head, self.dropout)
        fit.network.add_module("head", experts)

    def _streams(self, fit: DomainFit) -> Mapping[str, Rows]:
        streams = {**source_streams(fit), "target": fit.target}
        return {name: with_views(rows) for name, rows in streams.items()}

    def _objective(self, fit: DomainFit) -> Objective:
        views = Views(fit.target.preprocess)
        return _Experts(fit.network, fit.labels, views, self.trade_off, self.threshold, self.strength)


class _Experts(Objective):
    """A weak and a strong view of every domain in one pass, and what each expert says of them."""

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
        streams, y = zip(*sources_of(batch))
        pairs = [self.views.split(stream.x) for stream in (*streams, batch["target"])]
        weak, other = zip(*pairs)
        strong = [strong_view(x, self.strength) for x in other]
        n, experts = len(pairs), self.network.head
        assert isinstance(experts, HeadMean)
        z = features_together(self.network, *weak, *strong)
        said_weak, said_strong = ([experts.each(own).float() for own in part] for part in (z[:n], z[n:]))
        # said[d][e]: of the rows of domain d, by expert e; the target is the last domain.
        losses = [self.labels.loss(said[k], labels) for k, (said, labels) in enumerate(zip(said_weak, y))]
        task, agreement = torch.stack(losses).mean(), _disagreement(said_weak[:-1], said_strong[:-1])
        transfer, used = self._taught(said_weak[-1].detach(), said_strong[-1])
        loss = task + agreement + self.trade_off * transfer
        return {"loss": loss, "task": task, "agreement": agreement, "transfer": transfer, "used": used}

    def _taught(self, weak: Tensor, strong: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of all experts together under the surest one's classes, and the share of rows where it is sure enough."""
        sure, classes = weak.softmax(dim=2).max(dim=2)
        best, expert = sure.max(dim=0)
        used = (best >= self.threshold).float()
        each = functional.nll_loss(mean_log_proba(strong), classes.gather(0, expert[None])[0], reduction="none")
        return (used * each).mean(), used.mean()


def _disagreement(weak: Sequence[Tensor], strong: Sequence[Tensor]) -> Tensor:
    """Squared distance of the other experts' mean probabilities from the own expert's, mean over sources and rows."""
    n = len(weak)
    if n == 1:
        return weak[0].new_zeros(())
    found = []
    for k in range(n):
        p, own = strong[k].softmax(dim=2), weak[k][k].detach().softmax(dim=1)
        others = p[[j for j in range(n) if j != k]].mean(dim=0)
        found.append((others - own).square().sum(dim=1).mean())
    return torch.stack(found).mean()
