"""Two-stage TrAdaBoost.R2: shift weight from source to target in steps, and keep the step that predicts the target best."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from ...core.base import ESTIMATOR, fit_inner, stack
from ...core.boosting import MedianTransfer, mean_one, weighted_median
from ...core.constraints import Interval, Options, RandomState
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.folds import deal_folds
from ...ops.trees.transfer_boosting import LOSSES, adaboost_r2, discount_source, relative_errors

CARD = {
    "class": "TwoStageTrAdaBoostR2",
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

__all__ = ["TwoStageTrAdaBoostR2"]


class TwoStageTrAdaBoostR2(MedianTransfer):
    """Weaken the source in steps, boost on the target at each, and keep the step with the least cross-validated error.

    Parameters
    ----------
    n_steps : int in [2, inf), default=10
        Steps S: from all rows counting the same to the target's alone.
    n_estimators : int in [1, inf), default=10
        Boosting iterations in each step, at most.
    cv : int in [2, inf), default=5
        Folds of the known target rows in the choice of the step; not more than there are of them.
    loss : {"linear", "square", "exponential"}, default="linear"
        What becomes of residuals over the largest one (AdaBoost.R2); ``"square"`` looks at the largest more.
    random_state : int, RandomState or None, default=None
        Deals the folds.
    estimator : regressor, default=None
        Fitted in each iteration; must take ``sample_weight``. None is ridge regression. There are up to
        ``n_steps * (cv + 1) * n_estimators`` fits.

    Attributes
    ----------
    estimators_ : list of regressors
        Models of the chosen step.
    votes_ : array of shape (len(estimators_),)
        Their weights in the median, ``log(1 / beta)``.
    shares_ : array of shape (n_steps,)
        Part of all weight that the known target rows have in each step.
    cv_errors_ : array of shape (n_steps,)
        Cross-validated mean squared error on the known target rows in each step.
    best_step_ : int
        The step of the lowest error, counted from 0.
    sample_weight_, target_weight_ : arrays of shape (n_source,), (n_known,)
        Weights of the source rows and of the known target rows that the chosen step starts from; together they have mean 1.

    Notes
    -----
    With n source and m known target rows, all weights equal at first. In step ``t = 1, ..., S``:

    1. AdaBoost.R2' is fitted with the current weights: AdaBoost.R2 that never changes the source's. Its error is
       cross-validated over the target's rows, the source's being in every fit.
    2. One model is fitted with the current weights; e is each row's residual over the largest one (`loss`). Source rows
       are multiplied by ``beta_t^e``, with the ``beta_t`` at which the target's share of the weight gets to
       ``m / (n + m) + t / (S - 1) (1 - m / (n + m))``. The share is monotone in ``beta_t``, which a bracketing search
       finds to machine precision.

    The last step is AdaBoost.R2 on the target's rows alone. Source rows without any error keep their weight for every beta;
    where they alone are more than a step allows, its share stays lower, and `shares_` has what was reached. The prediction
    is the weighted median of the models of the best step.

    The source's mass in boosting stays what the step gave it: the target's weights are scaled back to their own mass
    after each iteration. Ties between steps go to the earlier one. Learners take the weights, where AdaBoost.R2 draws rows by
    them.

    Written from the published description; the authors' code was not compared. Both stages and the shares are those of two
    later programs, one of them ADAPT's, whose defaults these are.

    References
    ----------
    Pardoe & Stone. Boosting for Regression Transfer. ICML 2010. Drucker. Improving Regressors using Boosting Techniques.
    ICML 1997 (AdaBoost.R2).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, TwoStageTrAdaBoostR2
    >>> X = np.linspace(-2, 2, 40)[:, None]
    >>> target = Domain(X, 3 * X[:, 0] + 1.5, known=np.arange(40) % 4 == 0)
    >>> model = TwoStageTrAdaBoostR2(5, 3, cv=2, random_state=0).fit(X, 2 * X[:, 0], target=target)
    >>> bool(model.score(X, target.y) > 0.9)
    True
    """

    _constraints: ClassVar = {
        "n_steps": Interval(int, 2),
        "n_estimators": Interval(int, 1),
        "cv": Interval(int, 2),
        "loss": Options(*LOSSES),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }
    _accept_sparse: ClassVar = True
    _test_params: ClassVar = {"n_steps": 4, "n_estimators": 3, "cv": 3}

    def __init__(
        self,
        n_steps: int = 10,
        n_estimators: int = 10,
        cv: int = 5,
        loss: str = "linear",
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.n_steps = n_steps
        self.n_estimators = n_estimators
        self.cv = cv
        self.loss = loss
        self.random_state = random_state
        self.estimator = estimator

    def _boost(self, data: TransferData) -> None:
        n, m, S = len(data.ys), len(data.yt), self.n_steps
        if m < 2:
            raise DomainError(
                f"TwoStageTrAdaBoostR2.fit: target must have at least two known labels to hold one out. Got {m} known label."
            )
        rows, y = stack(data.Xs, data.Xt_known), np.concatenate([data.ys, data.yt])
        folds = deal_folds(None, min(self.cv, m), check_random_state(self.random_state), n=m)
        log_weights = np.zeros(n + m)
        self.shares_, self.cv_errors_ = np.empty(S), np.empty(S)
        lowest, chosen = np.inf, log_weights
        for step in range(S):
            weights = mean_one(log_weights)
            self.shares_[step] = weights[n:].sum() / weights.sum()
            self.cv_errors_[step] = self._held_out_error(rows, y, log_weights, n, folds)
            if self.cv_errors_[step] < lowest:
                lowest, self.best_step_, chosen = self.cv_errors_[step], step, log_weights
            if step == S - 1:
                break
            errors = relative_errors(fit_inner(self, "regression", rows, y, weights).predict(rows) - y, self.loss)
            left = n / (n + m) * (S - 2 - step) / (S - 1)  # the source's share in the next step
            log_mass = np.log(m * left / (1 - left)) if left > 0 else -np.inf
            log_weights = np.concatenate([discount_source(log_weights[:n], errors[:n], log_mass), np.zeros(m)])
        self.estimators_, self.votes_ = self._boosted(rows, y, chosen, n)
        weights = mean_one(chosen)
        self.sample_weight_, self.target_weight_ = weights[:n], weights[n:]

    def _boosted(self, rows: Any, y: Array, log_weights: Array, n: int) -> tuple[list[Any], Array]:
        # Rows without weight have no say in what the largest residual is either.
        used = np.flatnonzero(np.isfinite(log_weights))
        rows, y = rows[used], y[used]

        def fit(weights: Array) -> Any:
            return fit_inner(self, "regression", rows, y, weights)

        return adaboost_r2(fit, rows, y, log_weights[used], int((used < n).sum()), self.n_estimators, self.loss)

    def _held_out_error(self, rows: Any, y: Array, log_weights: Array, n: int, folds: Array) -> float:
        """Mean squared error of known target rows by models that had the others and the source."""
        total = 0.0
        for fold in range(folds.max() + 1):
            kept = np.concatenate([np.arange(n), n + np.flatnonzero(folds != fold)])
            left = n + np.flatnonzero(folds == fold)
            models, votes = self._boosted(rows[kept], y[kept], log_weights[kept], n)
            predicted = weighted_median(np.array([model.predict(rows[left]) for model in models]), votes)
            total += float(((predicted - y[left]) ** 2).sum())
        return total / len(folds)
