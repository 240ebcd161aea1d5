"""WiSE-FT: weights halfway between the source model with a probe and the fine-tuned model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Either, Interval, Options
from ...core.errors import ParamError
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.start_head import start_from_probe
from ...engine.fine_tuning.supervised import Supervised
from ...engine.networks.inference import outputs_of
from ...engine.networks.network import Network
from ...engine.training.freezing import FreezePlan
from ...engine.training.settings import Training
from ...ops.nn.interpolate import interpolate

CARD = {
    "class": "WiseFT",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Wortsman et al. Robust Fine-Tuning of Zero-Shot Models. CVPR 2022.",
    "url": "https://arxiv.org/abs/2109.01903",
}

__all__ = ["WiseFT"]


class WiseFT(NetworkTransfer):
    """Put a probe on the source model, fine-tune both, and end with a weighted mean of the weights before and after.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    alpha : float in [0, 1] or "validation", default=0.5
        Share of the fine-tuned weights: 0 is the source model with its probe, 1 the fine-tuned model. "validation" takes
        the best of 0, 0.1, ..., 1 on the rows that ``training.validation`` sets aside.
    reg : float in (0, inf) or "cv", default=1.0
        L2 penalty of the probe; "cv" chooses it by cross-validation within the training rows.
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`.
    lr_decay : float in (0, 1], default=1.0
        Learning rate of each part as a multiple of that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        Whether batch normalisation keeps its statistics, follows the batches, or is left alone altogether.
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
        Body and head with the mean of the weights.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        For a classification.
    alpha_ : float
        Share of the fine-tuned weights that was taken.
    path_ : list of dict
        For each share that was tried, ``alpha``, ``score`` and ``loss`` on the rows set aside; empty for a given share.
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
    The weights are ``(1 - alpha) * w0 + alpha * w1`` (the paper's eq. 1), of the body and of the linear head. Its zero-shot
    classifier is for models that match images with text; here the head before fine-tuning is a logistic or ridge probe on
    the frozen features, and fine-tuning starts from it, as there from the zero-shot head. Statistics of batch
    normalisation, if they follow the batches, are averaged in the same way. Of equal scores on the rows set aside, the
    smaller loss decides; test rows are never looked at.

    References
    ----------
    Wortsman, Ilharco, Kim, Li, Kornblith, Roelofs, Gontijo-Lopes, Hajishirzi, Farhadi, Namkoong & Schmidt. Robust
    Fine-Tuning of Zero-Shot Models. CVPR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch import nn
    >>> from transferkit import WiseFT
    >>> from transferkit import Training
    >>> _ = torch.manual_seed(0)
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> model = WiseFT(nn.Sequential(nn.Linear(4, 16), nn.ReLU()), training=Training(n_epochs=5))
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        **{name: rule for name, rule in NETWORK_RULES.items() if name != "head"},
        **PLAN_RULES,
        "alpha": Either(Interval(float, 0, 1), Options("validation")),
        "reg": Either(Interval(float, 0, closed="neither"), Options("cv")),
    }
    head = "linear"  # what a probe is

    def __init__(
        self,
        source: Any,
        alpha: float | str = 0.5,
        reg: float | str = 1.0,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.alpha = alpha
        self.reg = reg
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _train(self, fit: Fit) -> dict[str, Any]:
        if self.alpha == "validation" and not len(fit.held):
            raise ParamError('WiseFT.fit: training.validation must be above 0 for alpha="validation". Got 0.')
        start_from_probe(fit.network, fit.rows, fit.y, fit.labels, fit.place, fit.training, reg=self.reg, seed=fit.seed)
        start = _state(fit.network)
        facts = super()._train(fit)
        end = _state(fit.network)
        self.path_ = []
        if self.alpha == "validation":
            self.path_ = [self._judged(fit, start, end, k / 10) for k in range(11)]
            self.alpha_ = max(self.path_, key=lambda row: (row["score"], -row["loss"]))["alpha"]
        else:
            self.alpha_ = float(self.alpha)
        fit.network.load_state_dict(interpolate(start, end, self.alpha_))
        return {**facts, "alpha": self.alpha_, "path": self.path_}

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)

    def _judged(self, fit: Fit, start: dict[str, Tensor], end: dict[str, Tensor], alpha: float) -> dict[str, float]:
        fit.network.load_state_dict(interpolate(start, end, alpha))
        outputs = outputs_of(fit.network, fit.network.forward, fit.held, fit.place, fit.training.batch_size)
        return {
            "alpha": alpha,
            "score": fit.labels.score(fit.y_held, fit.labels.predict(outputs)),
            "loss": float(fit.labels.loss(torch.from_numpy(outputs), fit.held.y)),
        }


def _state(network: Network) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
