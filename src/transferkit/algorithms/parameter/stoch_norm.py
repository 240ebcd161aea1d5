"""StochNorm: fine-tuning in which batch normalisation chooses by chance between batch and source statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ...core.constraints import Interval
from ...core.errors import ParamError
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Objective
from ...engine.training.settings import Training
from ...ops.nn.stoch_norm import StochNorm as Layer
from ...ops.nn.stoch_norm import restore, stoch_norm

CARD = {
    "class": "StochNorm",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Kou, You, Long & Wang. Stochastic Normalization. NeurIPS 2020.",
    "url": "https://proceedings.neurips.cc/paper/2020/hash/bc573864331a9e42e4511de6f678aa83-Abstract.html",
}

__all__ = ["StochNorm"]


class StochNorm(NetworkTransfer):
    """Fine-tune with stochastic normalisation in the place of batch normalisation.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model, which has batch normalisation; see `FineTuning`.
    p : float in [0, 1], default=0.5
        Probability with which a channel is normalised by its batch's statistics, instead of by the moving ones. 1 is
        fine-tuning with ``batch_norm="train"``.
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`.
    lr_decay : float in (0, 1], default=1.0
        Learning rate of each part as a multiple of that of the part after it.
    head : {"linear", "mlp", "adapter", "cosine", "conv"}, default="linear"
        What maps features to outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    training : Training, default=None
        Epochs, learning rate, batch size and all else; None is ``Training()``.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        "auto" decides from the labels.
    random_state : int, RandomState or None, default=0
        Seed of the head, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        Body and head, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        For a classification.
    history_ : list of dict
        One row an epoch.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    In training each channel of each layer is normalised to ``(1 - s) * z_moving + s * z_batch`` with ``s ~ Bernoulli(p)`` for
    each update (the paper's eq. 6), so that the network leans on the source's statistics and is not fitted to those of small
    batches; the moving statistics follow the batches. In use it is plain batch normalisation, and that is what the fitted
    network holds. Parts that the plan freezes keep their statistics and do not choose. There is no ``batch_norm`` to set: the
    statistics have to follow the batches.

    References
    ----------
    Kou, You, Long & Wang. Stochastic Normalization. NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch import nn
    >>> from transferkit import StochNorm
    >>> from transferkit import Training
    >>> _ = torch.manual_seed(0)
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> net = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU())
    >>> StochNorm(net, training=Training(body_lr_scale=1, n_epochs=20, lr=0.02)).fit(X, y).score(X, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        **{name: rule for name, rule in PLAN_RULES.items() if name != "batch_norm"},
        "p": Interval(float, 0, 1),
    }
    _test_params: ClassVar = {"source": "images"}

    def __init__(
        self,
        source: Any,
        p: float = 0.5,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.p = p
        self.plan = plan
        self.lr_decay = lr_decay
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edit(self, fit: Fit) -> None:
        try:
            stoch_norm(fit.network.body, p=self.p)
        except ParamError as err:
            raise ParamError(
                f"StochNorm.fit: source must have batch normalisation with moving statistics. Got {fit.backbone.name} without."
            ) from err

    def _plan(self, fit: Fit) -> FreezePlan:
        return replace(super()._plan(fit), batch_norm="train")

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)

    def _finish(self, fit: Fit, objective: Objective) -> None:
        for layer in fit.network.body.modules():
            if isinstance(layer, Layer):
                restore(layer)
