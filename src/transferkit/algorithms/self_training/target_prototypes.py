"""Target prototypes: clusters of the target's own rows, started from the source's classes and named by them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ProbabilityTransfer, fit_inner, stack
from ...core.constraints import Boolean, Either, EstimatorLike, Interval, Nothing, Options
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.label_shift.shares import temperature
from ...ops.solvers.linalg import unit_rows

CARD = {
    "class": "TargetPrototypes",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "scaling": "domain",
    "portfolio": ({}, {"start": "predictions"}),
    "paper": "Kang, Jiang, Yang & Hauptmann. Contrastive Adaptation Network for Unsupervised Domain Adaptation. CVPR 2019.",
    "url": "https://arxiv.org/abs/1901.00976",
}

__all__ = ["TargetPrototypes"]

_SCALE = 0.2  # cosines differ by tenths: temperatures are searched in [0.01, 4]


class TargetPrototypes(ProbabilityTransfer):
    """Cluster the target's rows by their angle, from one centre a class on; where clusters do not tell, ask the source.

    Parameters
    ----------
    start : {"means", "predictions"}, default="means"
        First centre of each class: the mean of its source rows (CAN), or the mean of the target rows weighted by the
        probability that the source's model gives them for the class (SHOT).
    centre : bool, default=True
        Measure angles from each domain's own mean. False measures them from the origin.
    max_iter : int in [1, inf), default=100
        Most rounds of spherical k-means.
    estimator : classifier, default=None
        The source's model, fitted on the source and the known target labels; must have ``predict_proba``. None is
        logistic regression.

    Attributes
    ----------
    prototypes_ : array of shape (n_classes, n_features)
        Centres of the target's clusters, of length 1.
    mean_target_ : array of shape (n_features,)
        Where target rows are seen from; zeros with ``centre=False``.
    temperature_ : float
        What divides the cosines, fitted on the source.
    n_iter_ : int
        Rounds made.
    estimator_ : classifier
        The source's model.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Maximises ``sum_t cos(x_t, o_k(t))`` over the centres ``o`` and each row's class k(t), in turn: k(t) is the class of the
    nearest centre, ``o_k`` the mean direction of the rows of class k (CAN, section 3.3; SHOT, pseudo-labelling). A row
    whose label is known stays in its class, and a class that loses all its rows keeps its centre.

    The papers leave it at hard labels for the training of a network. To predict, the probabilities by the clusters are
    ``q = softmax(cos(x, o_k) / T)``; T gives the source's labels the highest likelihood, every source row being held
    against class means without it. CAN drops rows far from all centres. Here they stay near the source's model p: the
    result is ``s q + (1 - s) p`` with ``s = 1 - H(q) / log K``, near 1 where one centre is the nearest by far and 0 for a
    row between all.

    References
    ----------
    Kang, Jiang, Yang & Hauptmann. Contrastive Adaptation Network for Unsupervised Domain Adaptation. CVPR 2019.
    Liang, Hu & Feng. Do We Really Need to Access the Source Data? Source Hypothesis Transfer for Unsupervised Domain
    Adaptation. ICML 2020, section 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, TargetPrototypes
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 2)), np.arange(80) % 2
    >>> X[:, 0] += 6 * y
    >>> model = TargetPrototypes().fit(X, y, target=Domain(X + [4, 0]))
    >>> model.score(X + [4, 0], y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "start": Options("means", "predictions"),
        "centre": Boolean(),
        "max_iter": Interval(int, 1),
        "estimator": Either(Nothing(), EstimatorLike("fit", "predict", "predict_proba")),
    }

    def __init__(self, start: str = "means", centre: bool = True, max_iter: int = 100, estimator: Any = None) -> None:
        self.start = start
        self.centre = centre
        self.max_iter = max_iter
        self.estimator = estimator

    def _fit(self, data: TransferData) -> None:
        K = len(self.classes_)
        self.estimator_ = fit_inner(self, data.task, stack(data.Xs, data.Xt_known), np.concatenate([data.ys, data.yt]))
        self.mean_target_ = data.Xt.mean(axis=0) if self.centre else np.zeros(data.Xt.shape[1], data.Xt.dtype)
        Us = unit_rows(data.Xs - data.Xs.mean(axis=0) if self.centre else data.Xs)
        Ut = unit_rows(data.Xt - self.mean_target_)
        sums = _one_hot(data.codes, K).T @ Us
        held_out = _softmax(_left_out_cosines(Us, data.codes, sums), _SCALE)
        self.temperature_ = _SCALE * temperature(held_out, data.codes)
        known = _one_hot(data.codes_t, K)
        if self.start == "predictions":
            soft = self.estimator_.predict_proba(data.Xt)
            soft[data.known] = known
            sums = soft.T @ Ut
        centres, labels = unit_rows(sums), np.full(len(Ut), -1)
        self.n_iter_ = 0
        while self.n_iter_ < self.max_iter:
            self.n_iter_ += 1
            found = (Ut @ centres.T).argmax(axis=1)
            found[data.known] = data.codes_t
            if (found == labels).all():
                break
            labels = found
            sums = _one_hot(labels, K).T @ Ut
            centres = np.where((sums**2).sum(axis=1, keepdims=True) > 0, unit_rows(sums), centres)
        self.prototypes_ = centres

    def _proba(self, X: Array) -> Array:
        clusters = _softmax(unit_rows(X - self.mean_target_) @ self.prototypes_.T, self.temperature_)
        entropy = -(clusters * np.log(np.clip(clusters, 1e-12, None))).sum(axis=1, keepdims=True)
        sure = np.clip(1 - entropy / np.log(len(self.classes_)), 0, 1)
        return sure * clusters + (1 - sure) * self.estimator_.predict_proba(X)


def _one_hot(codes: Array, n_classes: int) -> Array:
    return np.eye(n_classes)[codes]


def _softmax(cosines: Array, temperature: float) -> Array:
    powers = np.exp((cosines - cosines.max(axis=1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def _left_out_cosines(U: Array, codes: Array, sums: Array) -> Array:
    """Cosine of each row and each class mean; of its own class, the mean of the other rows."""
    length = np.linalg.norm(sums, axis=1)
    cosines = U @ (sums / np.where(length > 0, length, 1.0)[:, None]).T
    rest = sums[codes] - U
    rows = np.arange(len(U))
    cosines[rows, codes] = (U * unit_rows(rest)).sum(axis=1)
    return cosines
