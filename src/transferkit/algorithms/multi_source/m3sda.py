"""M3SDA: the moments of every source meet those of the target, and those of each other; one classifier a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.adaptation.several_sources import domain_features, source_streams, sources_of
from ...engine.answers.labels import Labels
from ...engine.inputs.rows import Rows
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.head_mean import HeadMean

CARD = {
    "class": "M3SDA",
    "protocol": "Transfer",
    "settings": ("unsupervised", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Peng, Bai, Xia, Huang, Saenko & Wang. Moment Matching for Multi-Source Domain Adaptation. ICCV 2019.",
    "url": "https://arxiv.org/abs/1812.01754",
}

__all__ = ["M3SDA"]


class M3SDA(NetworkAdaptation):
    """Match the moments of all sources and the target pairwise, and let the classifiers of all sources vote.

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
        Weight of the moment distance; the paper's lambda, of which it gives no value. The authors' code has 0.0005, Dassl 0.5.
        Norms are no squares: their pull does not fade as domains meet, and 0.5 cost accuracy on small simulated shifts.
    n_moments : int in [1, inf), default=2
        Moments that are matched: 2 are means and squares, as in the paper.
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
        Body, bottleneck and head, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the sources.
    history_ : list of dict
        One row an epoch: ``train/task`` (the sum over the sources), ``train/transfer`` (the moment distance) and the
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
    Minimises ``sum_i L_i + trade_off * MD`` (section 4), L_i being the loss of source i's own classifier on it, and
    ``MD = sum_k (mean_i |E X_i^k - E X_T^k| + mean_{i<j} |E X_i^k - E X_j^k|)`` with Euclidean norms of the elementwise
    powers of features (definition 1). Prediction is with the mean of the classifiers' probabilities; the paper's
    weighted vote asks for the accuracy of each source on labels of the target, which are not there. This is the method
    without the second classifier a source that the paper's M3SDA-beta adds. The authors' code for digits has five moments,
    of centred features, and one classifier for all sources. Batch normalisation takes the statistics of
    all domains together. Without groups there is one source. With N sources a step is one forward and backward pass of
    N + 1 batches.

    References
    ----------
    Peng, Bai, Xia, Huang, Saenko & Wang. Moment Matching for Multi-Source Domain Adaptation. ICCV 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import M3SDA, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt, groups = rng.normal(size=(120, 4)), rng.normal(size=(60, 4)), np.arange(120) % 2
    >>> y, yt = np.arange(120) % 3 > 0, np.arange(60) % 3 > 0
    >>> X[:, 0], Xt[:, 0] = X[:, 0] + 3 * y, Xt[:, 0] + 3 * yt
    >>> X[:, 2], Xt[:, 2] = X[:, 2] + groups, Xt[:, 2] - 1
    >>> model = M3SDA("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt), groups=groups).score(Xt, yt) > 0.8
    True
    """

    _constraints: ClassVar = {**ADAPTATION_RULES, "trade_off": TRADE_OFF, "n_moments": Interval(int, 1)}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 0.1,
        n_moments: int = 2,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.n_moments = n_moments
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edit(self, fit: DomainFit) -> None:
        heads = HeadMean(
            len(source_streams(fit)), fit.network.n_features, fit.labels.n_outputs, self.head, self.dropout
        )
        setattr(fit.network, "head", heads)  # noqa: B010

    def _streams(self, fit: DomainFit) -> Mapping[str, Rows]:
        return {**source_streams(fit), "target": fit.target}

    def _objective(self, fit: DomainFit) -> Objective:
        return _MomentMatching(fit.network, fit.labels, self.trade_off, self.n_moments)


class _MomentMatching(Objective):
    """Every source's loss under its own classifier, and the distance of the moments."""

    def __init__(self, network: Network, labels: Labels, trade_off: float, n_moments: int) -> None:
        super().__init__()
        self.network, self.labels, self.trade_off, self.n_moments = network, labels, trade_off, n_moments

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        streams, y = zip(*sources_of(batch))
        *z, z_t = domain_features(self.network, [*streams, batch["target"]])
        heads: Any = self.network.head
        losses = [self.labels.loss(head(own), labels) for head, own, labels in zip(heads.heads, z, y)]
        task, transfer = torch.stack(losses).sum(), _moment_distance(z, z_t, self.n_moments)
        return {"loss": task + self.trade_off * transfer, "task": task, "transfer": transfer}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)


def _moment_distance(sources: Sequence[Tensor], target: Tensor, n_moments: int) -> Tensor:
    """Definition 1: over the moments, the mean distance to the target's and the mean distance of two sources'."""
    total = target.new_zeros((), dtype=torch.float32)
    for k in range(1, n_moments + 1):
        own, wanted = [(z.float() ** k).mean(dim=0) for z in sources], (target.float() ** k).mean(dim=0)
        total = total + torch.stack([torch.linalg.vector_norm(m - wanted) for m in own]).mean()
        if len(own) > 1:
            total = total + torch.stack([torch.linalg.vector_norm(a - b) for a, b in combinations(own, 2)]).mean()
    return total
