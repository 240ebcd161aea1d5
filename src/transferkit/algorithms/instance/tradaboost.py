"""TrAdaBoost: boosting that forgets the source rows which contradict a few target labels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, fit_inner, stack
from ...core.boosting import VoteTransfer, mean_one
from ...core.constraints import Interval
from ...core.validation import TransferData
from ...ops.trees.transfer_boosting import SMALLEST_ERROR

CARD = {
    "class": "TrAdaBoost",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": ({"n_estimators": 20},),
    "paper": "Dai, Yang, Xue & Yu. Boosting for Transfer Learning. ICML 2007.",
    "url": "https://doi.org/10.1145/1273496.1273521",
}

__all__ = ["TrAdaBoost"]


class TrAdaBoost(VoteTransfer):
    """Boost on the target's labels while source rows that are got wrong lose weight.

    Parameters
    ----------
    n_estimators : int in [1, inf), default=50
        Iterations N. The first half only settles the weights; the second half votes.
    estimator : classifier, default=None
        Fitted in each iteration; must take ``sample_weight``. None is logistic regression.

    Attributes
    ----------
    estimators_ : list of classifiers
        One an iteration.
    errors_ : array of shape (n_estimators,)
        Weighted error on the known target rows, as measured.
    votes_ : array of shape (n_estimators,)
        ``log(1 / beta_t)`` of the iterations that vote, 0 in the first half; 1 in the second where none has a vote.
    sample_weight_, target_weight_ : arrays of shape (n_source,), (n_known,)
        Weights of the source rows and of the known target rows after the last iteration; together they have mean 1.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Figure 1 of the paper, with n source rows, N iterations and all weights 1 at the start. In iteration t the learner is
    fitted with the current weights, and ``e_t`` is its weighted error on the known target rows. Then a source row that is
    wrong is multiplied by ``beta = 1 / (1 + sqrt(2 ln n / N))``, a target row that is wrong by ``1 / beta_t`` with
    ``beta_t = e_t / (1 - e_t)``. A row gets the class with the most votes ``log(1 / beta_t)`` over ``t = ceil(N / 2), ..., N``;
    a tie goes to the last class, as the paper's ``>=`` does.

    The paper is for two classes and asks for ``e_t < 1/2``. For K classes we take ``beta_t = e_t / ((1 - e_t) (K - 1))``
    (SAMME, Zhu et al. 2009), which is the paper's with K = 2, and ``e_t < 1 - 1/K``. A learner at or above that bound gets
    no vote and leaves the target's weights as they are, while the source goes on being filtered; if no learner of the second
    half has a vote, they count the same. An error of 0 counts as 1e-10 in the vote. Learners see weights of mean 1, not of
    sum 1, so that a penalty means the same for any number of rows.

    `predict_proba` is each class's share of the votes: not a calibrated probability. `decision_function` is the same,
    for two classes as share of the last class minus one half.

    References
    ----------
    Dai, Yang, Xue & Yu. Boosting for Transfer Learning. ICML 2007, figure 1. Zhu, Zou, Rosset & Hastie. Multi-class
    AdaBoost. Statistics and Its Interface 2, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, TrAdaBoost
    >>> X = np.linspace(-2, 2, 40)[:, None]
    >>> target = Domain(X, (X[:, 0] > 0.5).astype(int), known=np.arange(40) % 4 == 0)
    >>> model = TrAdaBoost(20).fit(X, (X[:, 0] > 0).astype(int), target=target)
    >>> model.score(X, target.y) > 0.9
    True
    """

    _constraints: ClassVar = {"n_estimators": Interval(int, 1), "estimator": ESTIMATOR}
    _accept_sparse: ClassVar = True
    _test_params: ClassVar = {"n_estimators": 6}

    def __init__(self, n_estimators: int = 50, estimator: Any = None) -> None:
        self.n_estimators = n_estimators
        self.estimator = estimator

    def _boost(self, data: TransferData) -> None:
        assert data.classes is not None
        n, N, K = len(data.ys), self.n_estimators, len(data.classes)
        rows, labels = stack(data.Xs, data.Xt_known), np.concatenate([data.ys, data.yt])
        log_beta = -np.log1p(np.sqrt(2 * np.log(n) / N))
        log_weights = np.zeros(len(labels))
        self.estimators_, self.errors_, self.votes_ = [], np.empty(N), np.empty(N)
        for t in range(N):
            weights = mean_one(log_weights)
            model = fit_inner(self, data.task, rows, labels, weights)
            wrong = model.predict(rows) != labels
            error = weights[n:] @ wrong[n:] / weights[n:].sum()
            bounded = np.clip(error, SMALLEST_ERROR, 1 - 1 / K)
            vote = np.log((1 - bounded) * (K - 1) / bounded)
            log_weights[:n] += log_beta * wrong[:n]
            log_weights[n:] += vote * wrong[n:]
            self.estimators_.append(model)
            self.errors_[t], self.votes_[t] = error, max(vote, 0.0)
        first = (N + 1) // 2 - 1
        self.votes_[:first] = 0.0
        if not self.votes_.any():
            self.votes_[first:] = 1.0
        weights = mean_one(log_weights)
        self.sample_weight_, self.target_weight_ = weights[:n], weights[n:]
