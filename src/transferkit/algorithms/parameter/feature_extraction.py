"""Feature extraction: the frozen source model turns rows into features once, and a head is fitted on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from ...core.constraints import Boolean, Either, Fulfils, Interval, Nothing, Options
from ...engine.answers.labels import Labels
from ...engine.backbones import identity_backbone
from ...engine.features.extraction import extract
from ...engine.features.probe import PROBES, fit_probe
from ...engine.fine_tuning.estimator import NETWORK_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.inputs.preprocessing.numbers import VectorPreprocess
from ...engine.inputs.rows import Rows
from ...engine.networks.backbone import Backbone
from ...engine.networks.network import Network
from ...engine.training.freezing import FreezePlan, make_plan
from ...engine.training.settings import Training
from ...ops.nn.heads import HEADS, Head

CARD = {
    "class": "FeatureExtraction",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Donahue et al. DeCAF: A Deep Convolutional Activation Feature for Generic Visual Recognition. ICML 2014.",
    "url": "https://arxiv.org/abs/1310.1531",
}

__all__ = ["FeatureExtraction"]


class FeatureExtraction(NetworkTransfer):
    """Keep the source model as it is and fit a head on its features, which are computed once.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    head : str, default="logistic"
        "logistic" or "ridge" are solved exactly on standardised features; "linear", "mlp", "adapter" (a residual
        bottleneck), "cosine" and "conv" (a 3x3 convolution on the unpooled feature map) are trained as `training` says.
    reg : float in (0, inf) or "cv", default=1.0
        L2 penalty of the exact heads; "cv" chooses it by cross-validation within the training rows.
    layers : sequence of str, default=None
        Pool and join the outputs of these modules of the source model; None takes its last features.
    l2 : bool, default=False
        Whether every row's features are divided by their norm.
    standardise : bool, default=True
        Whether a trained head begins with batch normalisation. The exact ones always standardise.
    dropout : float in [0, 1), default=0.0
        Share of the features that a trained head drops in training.
    cache : path or bool, default=None
        Folder that keeps features between fits; True is the user's cache folder, None and False keep nothing.
    training : Training, default=None
        For the trained heads, and for device, precision and batch size of the extraction.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        "auto" decides from the labels.
    random_state : int, RandomState or None, default=0
        Seed of a trained head and of the folds.

    Attributes
    ----------
    network_ : Network
        The source model and the fitted head.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        For a classification.
    history_ : list of dict
        One row an epoch; empty for the exact heads.
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
    With features ``z = (body(x) - mean) / deviation`` of the training rows, logistic regression minimises
    ``sum_i -log p(y_i | z_i) + reg/2 * ||W||^2``, ridge regression ``||Z W - Y||^2 + reg * ||W||^2`` with classes coded as
    +1 and -1. Rows are not augmented: that is what lets them pass through the source model once. Only "conv" passes them
    in every epoch, since feature maps are too large to keep.

    References
    ----------
    Donahue, Jia, Vinyals, Hoffman, Zhang, Tzeng & Darrell. DeCAF: A Deep Convolutional Activation Feature for Generic
    Visual Recognition. ICML 2014.
    Kornblith, Shlens & Le. Do Better ImageNet Models Transfer Better? CVPR 2019 (logistic regression on features).

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch import nn
    >>> from transferkit import FeatureExtraction
    >>> _ = torch.manual_seed(0)
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> FeatureExtraction(nn.Sequential(nn.Linear(4, 16), nn.ReLU())).fit(X, y).score(X, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        "head": Options(*PROBES, *HEADS),
        "reg": Either(Interval(float, 0, closed="neither"), Options("cv")),
        "layers": Either(
            Nothing(), Fulfils("be a sequence of module names", lambda v: isinstance(v, (list, tuple)) and len(v) > 0)
        ),
        "l2": Boolean(),
        "standardise": Boolean(),
        "cache": Either(Nothing(), Boolean(), Fulfils("be a path", lambda v: isinstance(v, (str, Path)))),
    }

    def __init__(
        self,
        source: Any,
        head: str = "logistic",
        reg: float | str = 1.0,
        layers: Any = None,
        l2: bool = False,
        standardise: bool = True,
        dropout: float = 0.0,
        cache: str | Path | bool | None = None,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.head = head
        self.reg = reg
        self.layers = layers
        self.l2 = l2
        self.standardise = standardise
        self.dropout = dropout
        self.cache = cache
        self.training = training
        self.task = task
        self.random_state = random_state

    def _backbone_options(self) -> dict[str, Any]:
        options = super()._backbone_options() | ({"l2": True} if self.l2 else {})
        if self.layers is not None:
            options["layers"] = ",".join(self.layers)
        return options

    def _network(self, backbone: Backbone, labels: Labels) -> Network:
        kind = "linear" if self.head in PROBES else self.head
        return Network(backbone, Head(backbone.n_features, labels.n_outputs, kind, self.dropout, self.standardise))

    def _train(self, fit: Fit) -> dict[str, Any]:
        if self.head == "conv":
            return super()._train(fit)  # feature maps are too large to keep: they are computed in every epoch
        Z = extract(
            fit.backbone,
            fit.rows.X,
            cache=self.cache or None,
            device=str(fit.place.device),
            precision=fit.place.precision,
            workers=fit.training.workers,
        )
        train, held = Z[fit.rows.index], Z[fit.held.index]
        if self.head in PROBES:
            fit.network.head = fit_probe(train, fit.y, fit.labels, self.head, self.reg, fit.seed)
            self.history_, self.n_updates_ = [], 0
            return {}
        frozen = replace(identity_backbone(fit.backbone.n_features), preprocess=VectorPreprocess(train.shape[1:]))
        alone = replace(
            fit,
            network=Network(frozen, fit.network.head),
            rows=Rows(train, frozen.preprocess, fit.rows.y),
            held=Rows(held, frozen.preprocess, fit.held.y),
        )
        facts = super()._train(alone)
        fit.network.head = alone.network.head
        return facts

    def _plan(self, fit: Fit) -> FreezePlan:
        return make_plan(fit.network.groups, "head", n_epochs=fit.training.n_epochs)

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)
