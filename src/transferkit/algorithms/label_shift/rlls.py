"""RLLS: class weights from any classifier's confusions, held near 1 as firmly as the sample is small."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.optimize import brentq, nnls

from ...core.base import ESTIMATOR, InstanceTransfer
from ...core.constraints import Either, Interval, Nothing, Options, RandomState
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.label_shift.black_box import held_out_shares

CARD = {
    "class": "RLLS",
    "protocol": "Transfer",
    "settings": ("label_shift",),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Azizzadenesheli, Liu, Yang & Anandkumar. Regularized Learning for Domain Adaptation under Label Shifts. "
    "ICLR 2019.",
    "url": "https://arxiv.org/abs/1903.09734",
}

__all__ = ["RLLS"]

_STRENGTH = 0.01  # of the confidence radius: what the authors' experiments use


class RLLS(InstanceTransfer):
    """Solve for the change of the class weights that explains the classifier's target predictions, with a penalty on its size.

    Parameters
    ----------
    reg : float in [0, inf) or None, default=None
        Weight of the change's length. None follows the sample: 0.01 times the radius in which the confusions are known with
        probability ``1 - delta``. 0 is BBSE under the constraint that no weight is negative.
    delta : float in (0, 1), default=0.05
        See `reg`; not used where that is given.
    trust : float in [0, 1], default=1.0
        Part of the change that the weights get; 0 leaves them at 1. The paper's second regulariser, for targets of few
        rows.
    confusion : {"hard", "soft"}, default="hard"
        Whether confusions are made of predicted classes, as in the paper, or of probabilities, which vary less and need
        ``predict_proba``.
    cv : int in [2, inf), default=5
        Folds of the source: every confusion is counted on rows that the classifier did not see.
    random_state : int, RandomState or None, default=None
        Deals the folds.
    estimator : classifier, default=None
        The black box, and, fitted anew with class weights, the final classifier; must take ``sample_weight``. None is
        logistic regression.

    Attributes
    ----------
    class_weight_ : array of shape (n_classes,)
        Weight of each source class, ``1 + trust * theta``.
    theta_ : array of shape (n_classes,)
        The solution: how much each class weight changes, at least -1.
    reg_ : float
        The penalty that was used.
    target_prior_ : array of shape (n_classes,)
        Class proportions of the target that follow from the weights.
    source_prior_ : array of shape (n_classes,)
        Class proportions of the source.
    confusion_ : array of shape (n_classes, n_classes)
        Entry i, j is the share of source rows that are of class j and predicted as i.
    sample_weight_ : array of shape (n_source,)
        Weights of the source rows, with mean 1.
    estimator_ : classifier
        The final classifier.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    With C the joint confusions, ``b`` the target's mean prediction minus the source's, minimises
    ``||C theta - b||_2 + reg ||theta||_2`` over ``theta >= -1``; the weights are ``1 + trust theta``. Both norms are not
    squared: where ``||C'b|| <= reg ||b||``, the evidence is too weak and the weights stay exactly 1.

    A solution is one of non-negative ridge regression whose penalty l satisfies ``l ||theta|| = reg ||C theta - b||``.
    The left side over the right grows with l along the frontier of the two norms, so the root is found by bracketing.

    ``reg=None`` is ``0.01 * 3 (2 L / (3 n) + sqrt(2 L / n))`` with ``L = log(2 K / delta)`` for n source rows and K
    classes, the radius and the factor of the authors' code. In place of one hold-out part of the source, each of `cv`
    classifiers is held against its own fold, so that n is the number of all source rows.

    References
    ----------
    Azizzadenesheli, Liu, Yang & Anandkumar. Regularized Learning for Domain Adaptation under Label Shifts. ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import RLLS, Domain
    >>> rng = np.random.default_rng(0)
    >>> y, yt = np.repeat([0, 1], [100, 100]), np.repeat([0, 1], [20, 180])
    >>> target = Domain(rng.normal(size=(200, 1)) + 3 * yt[:, None])
    >>> model = RLLS(random_state=0).fit(rng.normal(size=(200, 1)) + 3 * y[:, None], y, target=target)
    >>> bool(abs(model.target_prior_[1] - 0.9) < 0.05)
    True
    """

    _constraints: ClassVar = {
        "reg": Either(Nothing(), Interval(float, 0)),
        "delta": Interval(float, 0, 1, closed="neither"),
        "trust": Interval(float, 0, 1),
        "confusion": Options("hard", "soft"),
        "cv": Interval(int, 2),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }
    _accept_sparse: ClassVar = True
    _test_params: ClassVar = {"cv": 3}

    def __init__(
        self,
        reg: float | None = None,
        delta: float = 0.05,
        trust: float = 1.0,
        confusion: str = "hard",
        cv: int = 5,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.reg = reg
        self.delta = delta
        self.trust = trust
        self.confusion = confusion
        self.cv = cv
        self.random_state = random_state
        self.estimator = estimator

    def _weights(self, data: TransferData) -> Array:
        if data.classes is None:
            raise DomainError("RLLS.fit: y must hold classes. Unknown label type: continuous.")
        codes, K, n = data.codes, len(data.classes), len(data.ys)
        hard = self.confusion == "hard"
        source, target = held_out_shares(self, data, cv=self.cv, hard=hard, random_state=self.random_state)
        self.confusion_ = source.T @ np.eye(K)[codes] / n
        logs = np.log(2 * K / self.delta)
        radius = 3 * (2 * logs / (3 * n) + np.sqrt(2 * logs / n))
        self.reg_ = float(_STRENGTH * radius if self.reg is None else self.reg)
        self.theta_ = _least_change(self.confusion_, target.mean(axis=0) - source.mean(axis=0), self.reg_)
        self.source_prior_ = np.bincount(codes, minlength=K) / n
        self.class_weight_ = 1 + self.trust * self.theta_
        shares = self.source_prior_ * self.class_weight_
        self.target_prior_ = shares / shares.sum()
        return self.class_weight_[codes]


def _least_change(C: Array, b: Array, reg: float) -> Array:
    """argmin ``||C t - b|| + reg ||t||`` over ``t >= -1``."""
    K = len(b)
    if np.linalg.norm(C.T @ b) <= reg * np.linalg.norm(b):
        return np.zeros(K)
    size = np.linalg.norm(C, 2)

    def ridge(log_l: float) -> Array:
        root = size * np.exp(log_l / 2)
        # In t + 1, which is not negative.
        return nnls(np.vstack([C, root * np.eye(K)]), np.concatenate([b + C.sum(axis=1), np.full(K, root)]))[0] - 1

    def excess(log_l: float) -> float:
        theta = ridge(log_l)
        return float(np.exp(log_l) * size**2 * np.linalg.norm(theta) - reg * np.linalg.norm(C @ theta - b))

    low, high = np.log(1e-13), 0.0
    if excess(low) >= 0:
        return ridge(low)
    while excess(high) <= 0:
        high += 2.0
    return ridge(brentq(excess, low, high, xtol=1e-10))
