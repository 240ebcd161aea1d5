"""TaskTrAdaBoost: boost on the sources alone, then let the target's few labels choose among all their classifiers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, fit_inner
from ...core.boosting import VoteTransfer, mean_one
from ...core.constraints import Interval
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.trees.transfer_boosting import SMALLEST_ERROR

CARD = {
    "class": "TaskTrAdaBoost",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Yao & Doretto. Boosting for Transfer Learning with Multiple Sources. CVPR 2010.",
    "url": "https://doi.org/10.1109/CVPR.2010.5539857",
}

__all__ = ["TaskTrAdaBoost"]


class TaskTrAdaBoost(VoteTransfer):
    """AdaBoost on each source gives a pool of classifiers; AdaBoost on the target's labels picks from the pool.

    Parameters
    ----------
    n_estimators : int in [1, inf), default=30
        Iterations M of boosting: on each source in the first phase, on the target in the second.
    min_vote : float in [0, inf), default=0.0
        Classifiers whose weight ``1/2 log((1 - e) / e)`` on their own source is not above it stay out of the pool: a larger
        one keeps those apart that fit what is peculiar to a source. The paper's gamma.
    estimator : classifier, default=None
        Fitted once a source and iteration; must take ``sample_weight``. None is logistic regression. A weak one, such as a
        tree of a few levels, makes a pool whose members differ.

    Attributes
    ----------
    estimators_ : list of classifiers
        Those that were picked, in their order.
    errors_ : array of shape (n_picked,)
        Their weighted errors on the known target rows.
    votes_ : array of shape (n_picked,)
        Their votes, ``log((1 - e_t) / e_t)``.
    groups_ : array of shape (n_groups,)
        The sources, as `fit` was given them.
    chosen_ : int array of shape (n_picked,)
        Which of them each classifier comes from.
    pool_sizes_ : int array of shape (n_groups,)
        Classifiers of each source in the pool.
    target_weight_ : array of shape (n_known,)
        Weights of the known target rows after the last iteration, with mean 1.
    classes_ : array of shape (n_classes,)
        Classes of all sources.

    Notes
    -----
    ``groups`` in `fit` names the source of each row; without it all rows are one source. The target's labels take no part
    in the first phase, so that a pool could serve many targets, and the second fits nothing: it is quick, and has few
    labels to overfit. In each of its iterations the classifier of the pool with the least weighted error on the target's
    labels gets its vote, target rows that it has wrong are multiplied by ``(1 - e_t) / e_t``, and it leaves the pool.

    The second phase ends after M iterations, with an empty pool, or where no classifier is better than chance; the first
    one picked stays in any case. (For two classes the paper lets a classifier that is worse than chance count for the other
    class.) For K classes a vote is ``log((1 - e) (K - 1) / e)`` (SAMME, Zhu et al. 2009), which is the paper's with K = 2.
    An error of 0 counts as 1e-10, and ends the boosting on a source. A source with a single class gives no classifier.
    Written from the published description; the authors' code was not compared.

    References
    ----------
    Yao & Doretto. Boosting for Transfer Learning with Multiple Sources. CVPR 2010 (TaskTrAdaBoost). Zhu, Zou, Rosset &
    Hastie. Multi-class AdaBoost. Statistics and Its Interface 2, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, TaskTrAdaBoost
    >>> X = np.tile(np.linspace(-2, 2, 40), 2)[:, None]
    >>> y, groups = (X[:, 0] > 0.5).astype(int), np.repeat(["like", "unlike"], 40)
    >>> y[groups == "unlike"] = 1 - y[groups == "unlike"]
    >>> target = Domain(X[:40], y[:40], known=np.arange(40) % 4 == 0)
    >>> model = TaskTrAdaBoost(10).fit(X, y, target=target, groups=groups)
    >>> model.score(X[:40], y[:40]) > 0.9, bool((model.groups_[model.chosen_] == "like").all())
    (True, True)
    """

    _constraints: ClassVar = {
        "n_estimators": Interval(int, 1),
        "min_vote": Interval(float, 0),
        "estimator": ESTIMATOR,
    }
    _accept_sparse: ClassVar = True
    _test_params: ClassVar = {"n_estimators": 16}

    def __init__(self, n_estimators: int = 30, min_vote: float = 0.0, estimator: Any = None) -> None:
        self.n_estimators = n_estimators
        self.min_vote = min_vote
        self.estimator = estimator

    def _boost(self, data: TransferData) -> None:
        assert data.classes is not None
        n, K = len(data.ys), len(data.classes)
        self.groups_, source = np.unique(
            np.zeros(n, dtype=int) if data.groups is None else data.groups, return_inverse=True
        )
        pools = [self._pool(data, np.flatnonzero(source == k), K) for k in range(len(self.groups_))]
        self.pool_sizes_ = np.array([len(pool) for pool in pools])
        pool = [model for models in pools for model in models]
        if not pool:
            raise DomainError(
                "TaskTrAdaBoost.fit: groups must have a source with two classes and a classifier above min_vote. Got 0"
                f" classifiers from {len(pools)} sources."
            )
        origin = np.repeat(np.arange(len(pools)), self.pool_sizes_)
        wrong = np.array([model.predict(data.Xt_known) != data.yt for model in pool])
        left, picked, log_weights = np.ones(len(pool), dtype=bool), [], np.zeros(len(data.yt))
        errors: list[float] = []
        votes: list[float] = []
        while len(picked) < self.n_estimators and left.any():
            weighted = np.where(left, wrong @ mean_one(log_weights) / len(data.yt), np.inf)
            best = int(weighted.argmin())
            vote = _vote(weighted[best], K)
            if vote <= 0 and picked:
                break
            picked.append(best)
            errors.append(float(weighted[best]))
            votes.append(max(vote, 0.0))
            if vote <= 0:
                votes[-1] = 1.0
                break
            log_weights += vote * wrong[best]
            left[best] = False
        self.estimators_ = [pool[k] for k in picked]
        self.errors_, self.votes_, self.chosen_ = np.array(errors), np.array(votes), origin[picked]
        self.target_weight_ = mean_one(log_weights)

    def _pool(self, data: TransferData, rows: Array, K: int) -> list[Any]:
        """The classifiers of AdaBoost on one source, but for the weakest."""
        pool: list[Any] = []
        X, y = data.Xs[rows], data.ys[rows]
        if len(np.unique(y)) < 2:
            return pool
        log_weights = np.zeros(len(y))
        for _ in range(self.n_estimators):
            weights = mean_one(log_weights)
            model = fit_inner(self, data.task, X, y, weights)
            wrong = model.predict(X) != y
            error = float(weights @ wrong / len(y))
            vote = _vote(error, K)
            if vote <= 0:
                break
            if vote > 2 * self.min_vote:
                pool.append(model)
            if error <= SMALLEST_ERROR:
                break
            log_weights += vote * wrong
        return pool


def _vote(error: float, K: int) -> float:
    """0 at chance, below 0 for what is worse."""
    bounded = max(error, SMALLEST_ERROR)
    return float(np.log1p(-min(bounded, 1 - SMALLEST_ERROR)) + np.log(K - 1) - np.log(bounded))
