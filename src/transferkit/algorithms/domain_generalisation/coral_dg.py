"""CORAL between sources: features whose means and covariances are those of every source."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.errors import DomainError
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.adaptation.several_sources import SourceLosses, Sources, source_streams
from ...engine.inputs.rows import Rows
from ...engine.training.objective import Objective
from ...engine.training.settings import Training
from ...ops.nn.moments import coral_loss

CARD = {
    "class": "CORALDG",
    "protocol": "Transfer",
    "settings": ("unsupervised", "multi_source"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Gulrajani & Lopez-Paz. In Search of Lost Domain Generalization. ICLR 2021.",
    "url": "https://arxiv.org/abs/2007.01434",
}

__all__ = ["CORALDG"]


class CORALDG(NetworkAdaptation):
    """Train on all sources with features whose first two moments agree between every two of them.

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
        Weight of the moments; DomainBed's mmd_gamma.
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
        One row an epoch: ``train/task``, ``train/transfer`` and the label-free scores that `DANN` lists.
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
    Minimises the mean of the sources' losses plus trade_off times the mean over pairs of sources of ``mean((m_a -
    m_b)^2) + mean((C_a - C_b)^2)``, with means m and covariances C of the features in a batch: DomainBed's "CORAL". It
    is Deep CORAL (Sun & Saenko 2016) between sources, with the means beside it and the mean over entries of C for a
    quarter of it. The target has no part in the training: its rows serve only for the label-free scores in
    ``history_``, and any other target gives the same network. Without groups there is one source, and this is the
    training of `DeepSourceOnly`. The cost of a step is one forward and backward pass of the sources' rows.

    References
    ----------
    Gulrajani & Lopez-Paz. In Search of Lost Domain Generalization. ICLR 2021 (DomainBed).
    Sun & Saenko. Deep CORAL: Correlation Alignment for Deep Domain Adaptation. ECCV Workshops 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CORALDG, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt, groups = rng.normal(size=(90, 4)), rng.normal(size=(60, 4)), np.arange(90) % 3
    >>> y, X[:, 2] = X[:, 0] > 0, X[:, 2] + groups - 1
    >>> model = CORALDG("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt), groups=groups).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {**ADAPTATION_RULES, "trade_off": TRADE_OFF}
    _kinds: ClassVar = ("classification", "multilabel", "regression")

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.training = training
        self.task = task
        self.random_state = random_state

    def _streams(self, fit: DomainFit) -> Mapping[str, Rows]:
        return source_streams(fit)

    def _objective(self, fit: DomainFit) -> Objective:
        streams = source_streams(fit)
        if len(streams) > 1 and max(len(rows) for rows in streams.values()) < 2:
            raise DomainError(
                f"{type(self).__name__}.fit: groups must name a domain of two rows or more. Got one row each."
            )

        def moments(sources: Sources, progress: float) -> Mapping[str, Tensor]:
            apart = [_apart(a, b) for a, b in combinations(sources.z, 2)]
            task = sources.losses.mean()
            transfer = torch.stack(apart).mean() if apart else torch.zeros_like(task)
            return {"loss": task + self.trade_off * transfer, "transfer": transfer}

        return SourceLosses(fit.network, fit.labels, moments)


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared differences of the means, and of the covariances."""
    return (a.float().mean(dim=0) - b.float().mean(dim=0)).square().mean() + 4 * coral_loss(a, b)
