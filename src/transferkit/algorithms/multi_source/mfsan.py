"""MFSAN: a space of its own for each source, aligned there with the target, and classifiers that agree on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.adaptation.several_sources import domain_features, source_streams, sources_of
from ...engine.inputs.rows import Rows
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.grad_reverse import reversal_weight
from ...ops.nn.head_mean import HeadMean
from ...ops.nn.mmd import mk_mmd

CARD = {
    "class": "MFSAN",
    "protocol": "Transfer",
    "settings": ("unsupervised", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Zhu, Zhuang & Wang. Aligning Domain-specific Distribution and Classifier "
    "for Cross-domain Classification from Multiple Sources. AAAI 2019.",
    "url": "https://arxiv.org/abs/2201.01003",
}

__all__ = ["MFSAN"]


class MFSAN(NetworkAdaptation):
    """Align each source with the target in a space of their own, and the classifiers' answers on the target.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer between the body and the branches of the sources; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    trade_off : float in [0, inf), default=5.0
        Weight of the discrepancies of the sources, the paper's lambda. The authors have 1 with a sum of five kernels, whose
        mean we take: 5 here.
    agreement : float in [0, inf), default=1.0
        Weight of the classifiers' differences, the paper's gamma.
    width : int in [1, inf), default=256
        Width of each source's own space.
    sharpness : float in (0, inf), default=10.0
        How fast both weights grow from 0 with the share of the training that is done; the paper's theta.
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
        One row an epoch: ``train/task``, ``train/transfer`` (the discrepancy), ``train/apart`` (the classifiers'
        difference), each before its weight, and the label-free scores that `DANN` lists.
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
    Minimises ``L_cls + w * (trade_off * L_mmd + agreement * L_disc)`` with ``w = 2 / (1 + exp(-sharpness * p)) - 1``:
    the sum of the losses of the sources' classifiers; the mean over the sources of the MMD between a source and the
    target in that source's space (five Gaussian kernels, as in `DAN`, biased as the authors'); and the mean absolute
    difference of two classifiers' probabilities on the target, over all pairs (of features that went through a softmax,
    in the authors' code for three sources). A source's own extractor is a linear
    layer, batch normalisation and ReLU on pooled features, where the authors have three convolutions on the map before
    pooling. Batches of all sources go into every update, in one pass; the authors take one source after the other. Prediction is
    with the mean of the probabilities. Without groups there is one source. With N sources a step is one forward and
    backward pass of N + 1 batches through the body.

    References
    ----------
    Zhu, Zhuang & Wang. Aligning Domain-specific Distribution and Classifier for Cross-domain Classification from
    Multiple Sources. AAAI 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import MFSAN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt, groups = rng.normal(size=(120, 4)), rng.normal(size=(60, 4)), np.arange(120) % 2
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + groups, Xt[:, 2] - 1
    >>> model = MFSAN("small:mlp?hidden=16", bottleneck=8, width=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt), groups=groups).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "agreement": TRADE_OFF,
        "width": Interval(int, 1),
        "sharpness": Interval(float, 0, closed="neither"),
    }
    _test_params: ClassVar = {"width": 8}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 5.0,
        agreement: float = 1.0,
        width: int = 256,
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
        self.agreement = agreement
        self.width = width
        self.sharpness = sharpness
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edit(self, fit: DomainFit) -> None:
        n, spec = len(source_streams(fit)), (fit.network.n_features, fit.labels.n_outputs)
        setattr(fit.network, "head", HeadMean(n, *spec, self.head, self.dropout, self.width))  # noqa: B010

    def _streams(self, fit: DomainFit) -> Mapping[str, Rows]:
        return {**source_streams(fit), "target": fit.target}

    def _objective(self, fit: DomainFit) -> Objective:
        return _Branches(fit, self)


class _Branches(Objective):
    """Every source with the target in its own branch, and the branches' answers on the target."""

    def __init__(self, fit: DomainFit, settings: MFSAN) -> None:
        super().__init__()
        self.network, self.labels, self._settings = fit.network, fit.labels, settings

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        streams, labels = zip(*sources_of(batch))
        *z, z_t = domain_features(self.network, [*streams, batch["target"]])
        branches: Any = self.network.head
        losses, far, answers = [], [], []
        for neck, head, own, y in zip(branches.necks, branches.heads, z, labels):
            both = neck(torch.cat([own, z_t]))
            of_source, of_target = head(both).float().split([len(own), len(z_t)])
            losses.append(self.labels.loss(of_source, y))
            far.append(mk_mmd(both[: len(own)], both[len(own) :]))
            answers.append(of_target.softmax(dim=1))
        task, transfer = torch.stack(losses).sum(), torch.stack(far).mean()
        pairs = [(a - b).abs().mean() for a, b in combinations(answers, 2)]
        apart = torch.stack(pairs).mean() if pairs else torch.zeros_like(task)
        weight = reversal_weight(progress, self._settings.sharpness)
        extra = self._settings.trade_off * transfer + self._settings.agreement * apart
        return {"loss": task + weight * extra, "task": task, "transfer": transfer, "apart": apart}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
