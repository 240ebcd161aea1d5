"""TrAdaBoost.R2: boosting for regression that forgets the source rows which contradict a few target values."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, fit_inner, stack
from ...core.boosting import MedianTransfer, mean_one
from ...core.constraints import Interval, Options
from ...core.validation import TransferData
from ...ops.trees.transfer_boosting import LOSSES, SMALLEST_ERROR, relative_errors

CARD = {
    "class": "TrAdaBoostR2",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("regression",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Pardoe & Stone. Boosting for Regression Transfer. ICML 2010.",
    "url": "https://icml.cc/Conferences/2010/papers/473.pdf",
}

__all__ = ["TrAdaBoostR2"]


class TrAdaBoostR2(MedianTransfer):
    """Boost on the target's values while source rows that are far off lose weight.

    Parameters
    ----------
    n_estimators : int in [1, inf), default=50
        Iterations N. The first half only settles the weights; the second half votes.
    loss : {"linear", "square", "exponential"}, default="linear"
        What becomes of residuals over the largest one (AdaBoost.R2); ``"square"`` looks at the largest more.
    estimator : regressor, default=None
        Fitted in each iteration; must take ``sample_weight``. None is ridge regression.

    Attributes
    ----------
    estimators_ : list of regressors
        One an iteration.
    errors_ : array of shape (n_estimators,)
        Weighted mean relative error on the known target rows.
    votes_ : array of shape (n_estimators,)
        ``log(1 / beta_t)`` of the iterations that vote, 0 in the first half; 1 in the second where none has a vote.
    sample_weight_, target_weight_ : arrays of shape (n_source,), (n_known,)
        Weights of the source rows and of the known target rows after the last iteration; together they have mean 1.

    Notes
    -----
    TrAdaBoost with the errors of AdaBoost.R2: with D the largest residual of an iteration's model over all rows, a row's
    error e is its residual over D (or a function of that, `loss`). ``e_t`` is the weighted mean error of the known target
    rows and ``beta_t = e_t / (1 - e_t)``. A source row is multiplied by ``beta^e`` with ``beta = 1 / (1 + sqrt(2 ln n / N))``
    for n source rows, a target row by ``beta_t^(-e)``. The prediction is the weighted median of the models
    ``t = ceil(N / 2), ..., N`` with the weights ``log(1 / beta_t)``.

    The paper ends the iterations where ``e_t`` reaches 1/2, which a source that contradicts the whole target does at once.
    Here such a model gets no vote and leaves the target's weights as they are, while the source goes on being filtered; if
    no model of the second half has a vote, they count the same. An error of 0 counts as 1e-10 in the vote.

    Source weights only ever fall in comparison with those of the target, and so do those of source rows that fit: in the
    end the source may count for nothing. `TwoStageTrAdaBoostR2` is the paper's answer.

    Learners see weights of mean 1, not of sum 1, so that a penalty means the same for any number of rows.

    References
    ----------
    Pardoe & Stone. Boosting for Regression Transfer. ICML 2010. Drucker. Improving Regressors using Boosting Techniques.
    ICML 1997 (AdaBoost.R2).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, TrAdaBoostR2
    >>> X = np.linspace(-2, 2, 40)[:, None]
    >>> target = Domain(X, 3 * X[:, 0] + 1.5, known=np.arange(40) % 4 == 0)
    >>> model = TrAdaBoostR2(20).fit(X, 2 * X[:, 0], target=target)
    >>> bool(model.score(X, target.y) > 0.9)
    True
    """

    _constraints: ClassVar = {"n_estimators": Interval(int, 1), "loss": Options(*LOSSES), "estimator": ESTIMATOR}
    _accept_sparse: ClassVar = True
    _test_params: ClassVar = {"n_estimators": 20}

    def __init__(self, n_estimators: int = 50, loss: str = "linear", estimator: Any = None) -> None:
        self.n_estimators = n_estimators
        self.loss = loss
        self.estimator = estimator

    def _boost(self, data: TransferData) -> None:
        n, N = len(data.ys), self.n_estimators
        rows, y = stack(data.Xs, data.Xt_known), np.concatenate([data.ys, data.yt])
        log_beta = -np.log1p(np.sqrt(2 * np.log(n) / N))
        log_weights = np.zeros(len(y))
        self.estimators_, self.errors_, self.votes_ = [], np.empty(N), np.empty(N)
        for t in range(N):
            weights = mean_one(log_weights)
            model = fit_inner(self, data.task, rows, y, weights)
            errors = relative_errors(model.predict(rows) - y, self.loss)
            error = weights[n:] @ errors[n:] / weights[n:].sum()
            bounded = np.clip(error, SMALLEST_ERROR, 0.5)
            vote = np.log((1 - bounded) / bounded)
            log_weights[:n] += log_beta * errors[:n]
            log_weights[n:] += vote * errors[n:]
            self.estimators_.append(model)
            self.errors_[t], self.votes_[t] = error, vote
        first = (N + 1) // 2 - 1
        self.votes_[:first] = 0.0
        if not self.votes_.any():
            self.votes_[first:] = 1.0
        weights = mean_one(log_weights)
        self.sample_weight_, self.target_weight_ = weights[:n], weights[n:]
