"""Continued boosting: the source's model gets further trees, fitted to what it gets wrong on a few target labels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, softmax
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ...core.base import ESTIMATOR, fit_inner
from ...core.constraints import Either, Interval, Options, RandomState
from ...core.errors import ParamError
from ...core.protocols import Array
from ...core.source_model import SOURCE, SourceModelTransfer, as_the_source_asks, missing_classes
from ...core.validation import TransferData
from ...ops.folds import deal_folds
from ...ops.trees.boosting import add_trees, boost, boosting_loss

CARD = {
    "class": "ContinuedBoosting",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Friedman. Greedy Function Approximation: A Gradient Boosting Machine. Annals of Statistics 29, 2001.",
    "url": "https://doi.org/10.1214/aos/1013203451",
}

__all__ = ["ContinuedBoosting"]

_LEAST = 1e-6  # the smallest probability that the source is believed


class ContinuedBoosting(SourceModelTransfer):
    """Start gradient boosting from the source's scores instead of from a constant, on the known target rows.

    Parameters
    ----------
    n_rounds : int in [0, inf) or "cv", default="cv"
        Rounds of one tree (one a class, where there are more than two). 0 is the source's model. ``"cv"`` takes the number,
        0 among them, with the least held-out loss on known target labels.
    max_rounds : int in [1, inf), default=50
        Most rounds that ``"cv"`` tries.
    learning_rate : float in (0, 1], default=0.1
        What a tree's steps are multiplied by.
    max_depth : int in [1, inf), default=3
        Of the trees.
    min_samples_leaf : int in [1, inf), default=1
        Fewest target rows in a leaf.
    n_folds : int in [2, inf), default=5
        Folds of the cross-validation; with as many known labels or fewer each is left out once.
    estimator : estimator, default=None
        Fitted on the source; a classifier must have ``predict_proba``. None is scikit-learn's gradient boosting.
    source : estimator, default=None
        The source's model, fitted already, of any kind; a classifier must have ``predict_proba``. `fit` then reads neither X
        nor y, which may be None. None fits ``estimator``.
    random_state : int, RandomState or None, default=0
        Seed of the default source model, of the folds and of splits that are equally good.

    Attributes
    ----------
    rounds_ : list of dict of arrays
        Trees of each round: ``left`` and ``right`` child of each node (-1 at a leaf), ``feature``, ``threshold``, ``value``
        and ``roots``, one an output.
    n_rounds_ : int
        How many.
    cv_losses_ : array of shape (max_rounds + 1,) or None
        Held-out log-loss or mean squared error after each number of rounds, the first one that of the source.
    missing_classes_ : array or None
        Classes without a known target label: they keep the source's score but for what the trees take from it. None to
        regress.
    source_ : estimator
        The source's model.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Friedman's algorithm (TreeBoost) for squared error, two classes and K classes, with the source in place of the constant
    it starts from: a tree is fitted to the negative gradient ``y - p`` and its leaves make one Newton step. Where the source
    is scikit-learn's gradient boosting, with the same settings, this is its warm start with other rows; with any other model
    (a forest, scikit-learn's histogram boosting, LightGBM, a network) the scores begin at ``log p``, cut off at 1e-6, or at its
    numbers. Histogram boosting itself cannot go on with other rows, since its trees are tied to the bins of the first ones. Of
    equal losses the fewest rounds are taken.

    The protocol is that of methods that are given rows of the source, so that it stands beside them; of these rows it
    needs nothing but the model, and ``source`` takes one whose rows are gone.

    References
    ----------
    Friedman. Greedy Function Approximation: A Gradient Boosting Machine. Annals of Statistics 29, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import ContinuedBoosting, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.uniform(size=(200, 2)), rng.uniform(size=(30, 2))
    >>> model = ContinuedBoosting().fit(X, X[:, 0], target=Domain(Xt, Xt[:, 0] + (Xt[:, 1] > 0.5)))
    >>> model.score(X, X[:, 0] + (X[:, 1] > 0.5)) > 0.9
    True
    """

    _constraints: ClassVar = {
        "n_rounds": Either(Interval(int, 0), Options("cv")),
        "max_rounds": Interval(int, 1),
        "learning_rate": Interval(float, 0, 1, closed="right"),
        "max_depth": Interval(int, 1),
        "min_samples_leaf": Interval(int, 1),
        "n_folds": Interval(int, 2),
        "estimator": ESTIMATOR,
        "source": SOURCE,
        "random_state": RandomState(),
    }
    _test_params: ClassVar = {"max_rounds": 6, "n_folds": 2, "learning_rate": 0.4}

    def __init__(
        self,
        n_rounds: int | str = "cv",
        max_rounds: int = 50,
        learning_rate: float = 0.1,
        max_depth: int = 3,
        min_samples_leaf: int = 1,
        n_folds: int = 5,
        estimator: Any = None,
        source: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.n_rounds = n_rounds
        self.max_rounds = max_rounds
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.n_folds = n_folds
        self.estimator = estimator
        self.source = source
        self.random_state = random_state

    def _fit_source(self, data: TransferData) -> Any:
        if self.estimator is not None:
            return fit_inner(self, data.task, data.Xs, data.ys)
        kind = GradientBoostingRegressor if data.classes is None else GradientBoostingClassifier
        return kind(random_state=self.random_state).fit(data.Xs, data.ys)

    def _carry_over(self, data: TransferData) -> None:
        X, classes = np.asarray(data.Xt_known, dtype=np.float32), data.classes is not None
        if classes and not hasattr(self.source_, "predict_proba"):
            raise ParamError(
                f"ContinuedBoosting.fit: estimator and source must have predict_proba. Got {type(self.source_).__name__}."
            )
        y, start = data.codes_t if classes else data.yt, self._start(data.Xt_known)
        rng = check_random_state(self.random_state)
        rule = {name: getattr(self, name) for name in ("learning_rate", "max_depth", "min_samples_leaf")}
        self.cv_losses_, n_rounds = None, self.n_rounds
        if isinstance(n_rounds, str):
            folds = deal_folds(y if classes else None, max(min(self.n_folds, len(y)), 1), rng, n=len(y))
            self.cv_losses_ = np.zeros(self.max_rounds + 1)
            for fold in np.unique(folds):
                out = folds == fold
                rounds = (
                    [] if out.all() else boost(X[~out], start[~out], y[~out], classes, self.max_rounds, rng, **rule)
                )
                scores = start[out].copy()
                for k in range(self.max_rounds + 1):
                    if 0 < k <= len(rounds):
                        scores += add_trees(rounds[k - 1 : k], X[out], scores.shape[1])
                    self.cv_losses_[k] += boosting_loss(scores, y[out], classes) * out.mean()
            n_rounds = int(np.flatnonzero(self.cv_losses_ <= self.cv_losses_.min() * (1 + 1e-9))[0])
        self.rounds_ = boost(X, start, y, classes, n_rounds, rng, **rule)
        self.n_rounds_ = len(self.rounds_)
        self.missing_classes_ = missing_classes(data) if classes else None

    def _start(self, X: Any) -> Array:
        """The source's scores: log-probabilities, the logit of two classes, or numbers."""
        with as_the_source_asks():
            if not hasattr(self, "classes_"):
                return np.asarray(self.source_.predict(X), dtype=np.float64).reshape(-1, 1)
            logs = np.log(np.clip(self.source_.predict_proba(X), _LEAST, 1.0))
        return logs[:, 1:] - logs[:, :1] if logs.shape[1] == 2 else logs

    def _scores(self, X: Any, method: str) -> Array:
        check_is_fitted(self)
        rows = self._target_rows(X, method)
        start = self._start(rows)
        return start + add_trees(self.rounds_, rows, start.shape[1])

    def predict(self, X: Any) -> Array:
        """The most probable class, or the number, for each row of the target, of shape (n_samples,)."""
        scores = self._scores(X, "predict")
        if not hasattr(self, "classes_"):
            return scores[:, 0]
        return self.classes_[(scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)]

    @available_if(lambda self: not hasattr(self, "source_") or hasattr(self, "classes_"))
    def predict_proba(self, X: Any) -> Array:
        """Class probabilities for rows of the target, of shape (n_samples, n_classes), in the order of ``classes_``."""
        scores = self._scores(X, "predict_proba")
        if scores.shape[1] > 1:
            return softmax(scores, axis=1)
        p = expit(scores)
        return np.column_stack([1 - p, p])

    @available_if(lambda self: False)
    def decision_function(self, X: Any) -> Array:
        """Not there: `predict_proba` says as much."""
        raise NotImplementedError
