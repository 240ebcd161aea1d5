"""Fine-tuning: start from the source model's weights and train on, part by part as a freeze plan says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ...core.constraints import Options
from ...core.errors import ParamError
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.start_head import start_from_probe
from ...engine.fine_tuning.supervised import Supervised
from ...engine.training.freezing import FreezePlan
from ...engine.training.settings import Training

CARD = {
    "class": "FineTuning",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Yosinski, Clune, Bengio & Lipson. How Transferable Are Features in Deep Neural Networks? NeurIPS 2014.",
    "url": "https://arxiv.org/abs/1411.1792",
}

__all__ = ["FineTuning"]


class FineTuning(NetworkTransfer):
    """Initialise from the source model and train all of it, or the parts that the plan frees, on the target's labels.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model: a name such as ``"timm:resnet18"``, ``"hf:bert-base-uncased"`` or
        ``"file:weights.safetensors?arch=timm:resnet18"``; or a torch Module that gives features. ``?pretrained=false``
        after a name trains from scratch.
    plan : str, mapping or FreezePlan, default="full"
        What trains when: "full", "head", "last:K" (the head and K parts before it), "gradual" or "gradual:EPOCHS"
        (gradual unfreezing), "lp_ft:EPOCHS" (the head alone first, then all), or a mapping of parts to first epochs.
    lr_decay : float in (0, 1], default=1.0
        Discriminative learning rates: each part's is this times that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        Whether batch normalisation keeps its statistics, follows the batches, or is left alone altogether.
    head : {"linear", "mlp", "adapter", "cosine", "conv"}, default="linear"
        What maps features to outputs.
    head_init : {"random", "probe"}, default="random"
        What a linear head starts from: "probe" is the linear probe of the features, at its optimum.
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
        What the report shows: plan, device, precision, learning rate.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    Minimises the mean loss of the labelled target rows (cross-entropy, binary cross-entropy, or squared error of
    standardised values). Gradual unfreezing and discriminative rates are those of Howard & Ruder (sections 3.2 and 3.3);
    they unfreeze one layer an epoch and divide the rate by 2.6 a layer (``plan="gradual:1"``, ``lr_decay=1/2.6``).
    Linear probing first keeps the features from being distorted by a random head (Kumar et al., theorem 3.2):
    ``head_init="probe"`` is their LP-FT with the probe solved rather than trained, its penalty cross-validated on the
    labelled rows; like theirs, it then trains at one rate, the body's. ``plan="lp_ft:EPOCHS"`` trains it for some epochs.

    References
    ----------
    Yosinski, Clune, Bengio & Lipson. How Transferable Are Features in Deep Neural Networks? NeurIPS 2014.
    Howard & Ruder. Universal Language Model Fine-tuning for Text Classification. ACL 2018.
    Kumar, Raghunathan, Jones, Ma & Liang. Fine-Tuning Can Distort Pretrained Features and Underperform
    Out-of-Distribution. ICLR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch import nn
    >>> from transferkit import FineTuning, Training
    >>> _ = torch.manual_seed(0)
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> model = FineTuning(nn.Sequential(nn.Linear(4, 16), nn.ReLU()), training=Training(body_lr_scale=1, n_epochs=20, lr=0.02))
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    _constraints: ClassVar = {**NETWORK_RULES, **PLAN_RULES, "head_init": Options("random", "probe")}

    def __init__(
        self,
        source: Any,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        head: str = "linear",
        head_init: str = "random",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.head = head
        self.head_init = head_init
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _train(self, fit: Fit) -> dict[str, Any]:
        if self.head_init == "probe":
            if self.head != "linear":
                raise ParamError(f"FineTuning.fit: head must be 'linear' for head_init='probe'. Got {self.head!r}.")
            start_from_probe(fit.network, fit.rows, fit.y, fit.labels, fit.place, fit.training, reg="cv", seed=fit.seed)
        return super()._train(fit)

    def _plan(self, fit: Fit) -> FreezePlan:
        """A head that is at its optimum has no further to go than the body: all parts have the body's rate."""
        found = super()._plan(fit)
        if self.head_init == "random":
            return found
        *body, head = found.parts
        return replace(found, parts=(*body, replace(head, lr_scale=fit.training.body_lr_scale)))

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)
