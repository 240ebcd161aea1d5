"""Prototype head: each class is the mean of its rows' features, and a row belongs to the nearest."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf_shrinkage, shrunk_covariance
from torch import nn

from ...core.constraints import Boolean, Either, Fulfils, Interval, Nothing, Options
from ...core.protocols import Array
from ...engine.features.extraction import extract
from ...engine.fine_tuning.estimator import NETWORK_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.training.settings import Training
from ...ops.nn.heads import Head

CARD = {
    "class": "PrototypeHead",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Snell, Swersky & Zemel. Prototypical Networks for Few-shot Learning. NeurIPS 2017.",
    "url": "https://arxiv.org/abs/1703.05175",
}

__all__ = ["PrototypeHead"]


class PrototypeHead(NetworkTransfer):
    """Keep the source model as it is and give every row the class whose mean feature vector is nearest; one row a class will do.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    metric : {"euclidean", "cosine", "mahalanobis"}, default="euclidean"
        Nearest by distance; by angle; or by distance in units of the spread within the classes, one covariance for all of
        them (linear discriminant analysis with equal class proportions).
    shrinkage : "ledoit_wolf" or float in [0, 1], default="ledoit_wolf"
        For "mahalanobis": how far the covariance is drawn towards a multiple of the identity.
    l2 : bool, default=False
        Whether every row's features are divided by their norm first.
    cache : path or bool, default=None
        Folder that keeps features between fits; True is the user's cache folder, None and False keep nothing.
    training : Training, default=None
        For device, precision and batch size of the extraction; nothing is trained.
    random_state : int, RandomState or None, default=0
        Deals the rows that ``training.validation`` sets aside; nothing else is random.

    Attributes
    ----------
    network_ : Network
        The source model and the head.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        The classes.
    prototypes_ : array of shape (n_classes, n_features)
        The class means; for "cosine" those of the rows' directions.
    shrinkage_ : float
        What was used for "mahalanobis"; 0 otherwise.
    history_ : list of dict
        Empty.
    n_updates_ : int
        0.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    Prototypes are ``c_k = mean of f(x_i) over y_i = k`` (the paper's eq. 1) and ``p(k | x)`` is the softmax of
    ``-||f(x) - c_k||^2`` (eq. 2). What all classes share falls out of a softmax, so this is a linear head with weights
    ``2 c_k`` and biases ``-||c_k||^2`` (eq. 8), which is what is saved; we subtract the mean of the prototypes from them,
    which changes nothing but rounding. "cosine" gives 10 times the cosine. "mahalanobis" has weights ``S^-1 c_k`` and biases
    ``-c_k^T S^-1 c_k / 2`` with ``S = (1 - s) C + s tr(C)/d I``, C the covariance of the rows around their class means. With
    a given s and classes of equal size this is scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s)``. By
    default s is Ledoit & Wolf's optimum for all rows around their means together (scikit-learn takes one optimum a class,
    which fails for classes of one row). Where rows do not differ from their means at all (one row a class), S is the identity.
    The paper also trains the features on many small tasks; here they come from the source model and stay.

    References
    ----------
    Snell, Swersky & Zemel. Prototypical Networks for Few-shot Learning. NeurIPS 2017.
    Mensink, Verbeek, Perronnin & Csurka. Distance-Based Image Classification: Generalizing to New Classes at Near-Zero Cost.
    IEEE TPAMI 35 (2013).
    Ledoit & Wolf. A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices. J. Multivariate Analysis 88 (2004).

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit import PrototypeHead
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> model = PrototypeHead(nn.Identity()).fit(X, ["right", "up"])
    >>> model.predict([[3.0, 1.0], [0.2, 0.9]]).tolist()
    ['right', 'up']
    """

    _constraints: ClassVar = {
        **{name: NETWORK_RULES[name] for name in ("source", "training", "random_state")},
        "metric": Options("euclidean", "cosine", "mahalanobis"),
        "shrinkage": Either(Interval(float, 0, 1), Options("ledoit_wolf")),
        "l2": Boolean(),
        "cache": Either(Nothing(), Boolean(), Fulfils("be a path", lambda v: isinstance(v, (str, Path)))),
    }
    head, dropout, task = "linear", 0.0, "classification"

    def __init__(
        self,
        source: Any,
        metric: str = "euclidean",
        shrinkage: float | str = "ledoit_wolf",
        l2: bool = False,
        cache: str | Path | bool | None = None,
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.metric = metric
        self.shrinkage = shrinkage
        self.l2 = l2
        self.cache = cache
        self.training = training
        self.random_state = random_state

    def _backbone_options(self) -> dict[str, Any]:
        return {"l2": True} if self.l2 else {}

    def _train(self, fit: Fit) -> dict[str, Any]:
        Z = extract(
            fit.backbone,
            fit.rows.X,
            cache=self.cache or None,
            device=str(fit.place.device),
            precision=fit.place.precision,
            workers=fit.training.workers,
        )[fit.rows.index].astype(np.float64)
        assert fit.rows.y is not None
        y = fit.rows.y.numpy()
        if self.metric == "cosine":
            Z /= np.maximum(np.linalg.norm(Z, axis=1, keepdims=True), np.finfo(np.float64).tiny)
        self.prototypes_ = np.stack([Z[y == k].mean(axis=0) for k in range(fit.labels.n_outputs)])
        self.shrinkage_ = 0.0
        if self.metric == "cosine":
            fit.network.head = _cosine(self.prototypes_)
        elif self.metric == "euclidean":
            fit.network.head = _nearest(self.prototypes_, None, factor=2.0)
        else:
            S, self.shrinkage_ = _spread(Z - self.prototypes_[y], self.shrinkage)
            fit.network.head = _nearest(self.prototypes_, S)
        self.history_, self.n_updates_ = [], 0
        return {"shrinkage": self.shrinkage_} if self.metric == "mahalanobis" else {}

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)


def _spread(residuals: Array, shrinkage: float | str) -> tuple[Array | None, float]:
    """Covariance within the classes (None is the identity), shrunk, and by how much."""
    C = residuals.T @ residuals / len(residuals)
    if not np.trace(C) > 0:
        return None, 1.0
    s = ledoit_wolf_shrinkage(residuals, assume_centered=True) if shrinkage == "ledoit_wolf" else shrinkage
    return shrunk_covariance(C, float(s)), float(s)


def _nearest(prototypes: Array, S: Array | None, factor: float = 1.0) -> Head:
    """Logits ``-factor/2 * (z - c)^T S^-1 (z - c)``, less what all classes share."""
    middle = prototypes.mean(axis=0)
    shifted = prototypes - middle
    # The shortest solution, so that a covariance without full rank (no shrinkage, few rows) has one too.
    weight = factor * (shifted if S is None else np.linalg.lstsq(S, shifted.T, rcond=None)[0].T)
    bias = -0.5 * np.einsum("kd,kd->k", weight, shifted) - weight @ middle
    head = Head(prototypes.shape[1], len(prototypes))
    assert isinstance(head.out, nn.Linear)
    with torch.no_grad():
        head.out.weight.copy_(torch.as_tensor(weight))
        head.out.bias.copy_(torch.as_tensor(bias))
    return head.eval()


def _cosine(prototypes: Array) -> Head:
    head = Head(prototypes.shape[1], len(prototypes), "cosine")
    weight = head.out.weight
    assert isinstance(weight, nn.Parameter)
    with torch.no_grad():
        weight.copy_(torch.as_tensor(prototypes))
    return head.eval()
