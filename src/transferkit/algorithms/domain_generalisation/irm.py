"""IRM: features on which one and the same classifier is optimal in every source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.adaptation.several_sources import SourceLosses, Sources, source_streams
from ...engine.answers.labels import Labels
from ...engine.inputs.rows import Rows
from ...engine.training.objective import Objective
from ...engine.training.settings import Training

CARD = {
    "class": "IRM",
    "protocol": "Transfer",
    "settings": ("unsupervised", "multi_source"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Arjovsky, Bottou, Gulrajani & Lopez-Paz. Invariant Risk Minimization. arXiv 2019.",
    "url": "https://arxiv.org/abs/1907.02893",
}

__all__ = ["IRM"]


class IRM(NetworkAdaptation):
    """Penalise, in each source, how much its loss would fall if the classifier's outputs were scaled.

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
    trade_off : float in [0, inf), default=100.0
        Weight of the penalty after the warm-up; the paper's lambda, DomainBed's value.
    warm_up : float in [0, 1), default=0.1
        Share of the training in which the weight is 1 at most; DomainBed has 500 of 5000 updates.
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
        One row an epoch: ``train/task``, ``train/transfer`` (the penalty) and the label-free scores that `DANN` lists.
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
    Minimises the mean over the sources of ``R_e + trade_off * (dR_e(w * f) / dw at w = 1)^2`` (IRMv1). The derivative
    of the loss of a row in the dummy scale w is written out: ``sum_k p_k f_k - f_y`` for classes. The square is the
    product of the mean derivatives of two halves of the batch, which is unbiased (appendix D); it may be negative.
    After the warm-up the whole loss is divided by a weight above 1, as the authors' code does, so that the jump of the
    weight is none of the step's length; DomainBed starts Adam anew instead. With few updates a weight of 100 can undo
    the learning: the task's own loss in ``history_`` shows it. The penalty also acts on a single source. The target has
    no part in the training: its rows serve only for the label-free scores in ``history_``, and any other target gives
    the same network. Without groups there is one source, and nothing says what is invariant. The cost of a step is one
    forward and backward pass of the sources' rows.

    References
    ----------
    Arjovsky, Bottou, Gulrajani & Lopez-Paz. Invariant Risk Minimization. arXiv:1907.02893, 2019.
    Gulrajani & Lopez-Paz. In Search of Lost Domain Generalization. ICLR 2021 (DomainBed).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import IRM, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt, groups = rng.normal(size=(90, 4)), rng.normal(size=(60, 4)), np.arange(90) % 3
    >>> y, X[:, 2] = X[:, 0] > 0, X[:, 2] + groups - 1
    >>> model = IRM("small:mlp?hidden=16", bottleneck=8, trade_off=1.0, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt), groups=groups).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "warm_up": Interval(float, 0, 1, closed="left"),
    }
    _kinds: ClassVar = ("classification", "multilabel", "regression")
    _test_params: ClassVar = {"trade_off": 1.0}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 100.0,
        warm_up: float = 0.1,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.warm_up = warm_up
        self.training = training
        self.task = task
        self.random_state = random_state

    def _streams(self, fit: DomainFit) -> Mapping[str, Rows]:
        return source_streams(fit)

    def _objective(self, fit: DomainFit) -> Objective:
        def invariance(sources: Sources, progress: float) -> Mapping[str, Tensor]:
            found = [_penalty(_slopes(fit.labels, out, y)) for out, y in zip(sources.outputs, sources.y)]
            task, transfer = sources.losses.mean(), torch.stack(found).mean()
            weight = min(1.0, self.trade_off) if progress < self.warm_up else self.trade_off
            return {"loss": (task + weight * transfer) / max(1.0, weight), "transfer": transfer}

        return SourceLosses(fit.network, fit.labels, invariance)


def _slopes(labels: Labels, outputs: Tensor, y: Tensor) -> Tensor:
    """The derivative of each row's loss of ``w * outputs`` in w, at w = 1."""
    outputs = outputs.float()
    if labels.kind == "classification":
        return (outputs.softmax(dim=1) * outputs).sum(dim=1) - outputs.gather(1, y[:, None])[:, 0]
    if labels.kind == "multilabel":
        return ((outputs.sigmoid() - y) * outputs).mean(dim=1)
    return (2 * (outputs - y) * outputs).mean(dim=1)


def _penalty(slopes: Tensor) -> Tensor:
    """The squared mean without bias: the product of the means of two halves; of a single row, its square."""
    return slopes[::2].mean() * slopes[1::2].mean() if len(slopes) > 1 else slopes.square().mean()
