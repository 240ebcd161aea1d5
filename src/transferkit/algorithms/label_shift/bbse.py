"""BBSE: estimate the target's class proportions from any classifier's confusions, and re-weigh the classes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, InstanceTransfer
from ...core.constraints import Interval, Options, RandomState
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.label_shift.black_box import held_out_shares

CARD = {
    "class": "BBSE",
    "protocol": "Transfer",
    "settings": ("label_shift",),
    "tasks": ("classification",),
    "data": ("vectors", "chunks"),
    "needs": (),
    "cost": "n",
    "portfolio": ({"confusion": "soft"}, {"confusion": "hard"}),
    "paper": "Lipton, Wang & Smola. Detecting and Correcting for Label Shift with Black Box Predictors. ICML 2018.",
    "url": "https://arxiv.org/abs/1802.03916",
}

__all__ = ["BBSE"]


class BBSE(InstanceTransfer):
    """Solve for the class proportions under which the classifier's target predictions are what they are, then re-fit.

    Parameters
    ----------
    confusion : {"soft", "hard"}, default="soft"
        Whether the confusion matrix and the target's mean prediction are made of predicted probabilities or of predicted
        classes. ``"soft"`` varies less and needs ``predict_proba``; ``"hard"`` is the paper's main form.
    cv : int in [2, inf), default=5
        Folds of the source: every confusion is counted on rows that the classifier did not see.
    rcond : float in [0, 1], default=0.01
        Singular values of the confusion matrix below this part of the largest count as 0: what the classifier cannot see
        is taken as not shifted. 0 inverts everything that has a non-zero singular value.
    random_state : int, RandomState or None, default=None
        Deals the folds.
    estimator : classifier, default=None
        The black box, and, fitted anew with class weights, the final classifier; must take ``sample_weight``. None is
        logistic regression.

    Attributes
    ----------
    class_weight_ : array of shape (n_classes,)
        Weight of each source class, target proportion over source proportion.
    target_prior_ : array of shape (n_classes,)
        Estimated class proportions of the target.
    target_prior_std_ : array of shape (n_classes,)
        Standard errors of the estimate before negative proportions are set to 0: whether the rows are enough. Where one is
        of the size of the shift itself, they are not.
    source_prior_ : array of shape (n_classes,)
        Class proportions of the source.
    confusion_ : array of shape (n_classes, n_classes)
        Column j is the mean prediction on held-out source rows of class j.
    condition_number_ : float
        Of that matrix; the error of the estimate grows with it (theorem 3).
    rank_ : int
        Singular values that were kept; fewer than the classes where the classifier confuses some of them wholly.
    sample_weight_ : array of shape (n_source,)
        Weights of the source rows, with mean 1.
    estimator_ : classifier
        The final classifier.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Under label shift, ``p(x | y)`` is the same in both domains, so the target's mean prediction is ``mu = C q`` with C the
    confusion matrix given the true class and q the target's class proportions (proposition 2; the paper writes the same
    with the joint matrix and the weights ``q / p``). Solved as ``q = p + C^+ (mu - C p)``, p the source's proportions:
    ``C^(-1) mu`` where C has full rank. Where it has not the paper gives no estimate; we keep p in the directions that C
    maps to nothing, and `rank_` says so. Negative proportions are set to 0. In place of one hold-out half, each of `cv`
    classifiers is held against its own fold and predicts the whole target; their means are used.
    Rows in chunks are read for each of the `cv` fits and once more to predict; one share a row and class is in memory.

    References
    ----------
    Lipton, Wang & Smola. Detecting and Correcting for Label Shift with Black Box Predictors. ICML 2018, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import BBSE, Domain
    >>> rng = np.random.default_rng(0)
    >>> y, yt = np.repeat([0, 1], [100, 100]), np.repeat([0, 1], [20, 180])
    >>> target = Domain(rng.normal(size=(200, 1)) + 2 * yt[:, None])
    >>> model = BBSE(random_state=0).fit(rng.normal(size=(200, 1)) + 2 * y[:, None], y, target=target)
    >>> bool(abs(model.target_prior_[1] - 0.9) < 0.05)
    True
    """

    _constraints: ClassVar = {
        "confusion": Options("soft", "hard"),
        "cv": Interval(int, 2),
        "rcond": Interval(float, 0, 1),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }
    _accept_sparse: ClassVar = True
    _test_params: ClassVar = {"cv": 3}
    _accept_chunks: ClassVar = True

    def __init__(
        self,
        confusion: str = "soft",
        cv: int = 5,
        rcond: float = 0.01,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.confusion = confusion
        self.cv = cv
        self.rcond = rcond
        self.random_state = random_state
        self.estimator = estimator

    def _weights(self, data: TransferData) -> Array:
        if data.classes is None:
            raise DomainError("BBSE.fit: y must hold classes. Unknown label type: continuous.")
        codes, K = data.codes, len(data.classes)
        n = len(codes)
        prior = np.bincount(codes, minlength=K) / n
        hard = self.confusion == "hard"
        source, target = held_out_shares(self, data, cv=self.cv, hard=hard, random_state=self.random_state)
        mu = target.mean(axis=0)
        joint = source.T @ np.eye(K)[codes] / n
        self.confusion_ = joint / prior
        U, s, Vt = np.linalg.svd(self.confusion_)
        keep = s > max(self.rcond, K * np.finfo(float).eps) * s[0]
        self.rank_ = int(keep.sum())
        self.condition_number_ = float(s[0] / s[-1]) if s[-1] > 0 else float("inf")
        inverse = (Vt[keep].T / s[keep]) @ U[:, keep].T
        unclipped = prior + inverse @ (mu - self.confusion_ @ prior)
        self.target_prior_std_ = _standard_errors(inverse, unclipped, source, codes, target)
        estimate = np.maximum(unclipped, 0.0)
        self.source_prior_, self.target_prior_ = prior, estimate / estimate.sum()
        self.class_weight_ = self.target_prior_ / prior
        return self.class_weight_[codes]


def _standard_errors(inverse: Array, shares: Array, source: Array, codes: Array, target: Array) -> Array:
    """Of ``inverse @ (mean of target - confusions @ shares)``, from the spread of the rows of both."""
    variance = (target @ inverse.T).var(axis=0) / len(target)
    for c, share in enumerate(shares):
        rows = source[codes == c] @ inverse.T
        variance += share**2 * rows.var(axis=0) / len(rows)
    return np.sqrt(variance)
