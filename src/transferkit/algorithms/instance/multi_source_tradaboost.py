"""MultiSourceTrAdaBoost: in each iteration the source that helps most with the target's labels teaches."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, fit_inner, stack
from ...core.boosting import VoteTransfer, mean_one
from ...core.constraints import Interval
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.trees.transfer_boosting import SMALLEST_ERROR

CARD = {
    "class": "MultiSourceTrAdaBoost",
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

__all__ = ["MultiSourceTrAdaBoost"]


class MultiSourceTrAdaBoost(VoteTransfer):
    """Boost on the target's labels; in each iteration one classifier a source is fitted, and the best on the target taken.

    Parameters
    ----------
    n_estimators : int in [1, inf), default=30
        Iterations M. All of them vote.
    estimator : classifier, default=None
        Fitted once a source in each iteration; must take ``sample_weight``. None is logistic regression.

    Attributes
    ----------
    estimators_ : list of classifiers
        The best one of each iteration.
    errors_ : array of shape (n_estimators,)
        Its weighted error on the known target rows.
    votes_ : array of shape (n_estimators,)
        Its vote, ``log((1 - e_t) / e_t)``; 1 for all where none is better than chance.
    groups_ : array of shape (n_groups,)
        The sources, as `fit` was given them.
    chosen_ : int array of shape (n_estimators,)
        Which of them taught in each iteration.
    sample_weight_, target_weight_ : arrays of shape (n_source,), (n_known,)
        Weights of the source rows and of the known target rows after the last iteration; together they have mean 1.
    classes_ : array of shape (n_classes,)
        Classes of all sources.

    Notes
    -----
    ``groups`` in `fit` names the source of each row; without it all rows are one source. In iteration t one classifier a
    source k is fitted on that source and the target's labels with the current weights. The one with the least weighted
    error ``e_t`` on the target's labels is kept. Then every source row that it gets wrong is multiplied by
    ``1 / (1 + sqrt(2 ln n / M))``, n being the rows of all sources, and a wrong target row by ``(1 - e_t) / e_t``: the
    paper's ``exp(-2 alpha_S)`` and ``exp(2 alpha_t)``, whose labels are -1 and 1. A row gets the class with the most votes
    over all iterations; a tie goes to the last class.

    What differs from TrAdaBoost: a source that contradicts the target is passed over instead of being learned from until
    its weights have fallen, and the first half votes too. For K classes a vote is ``log((1 - e_t) (K - 1) / e_t)`` (SAMME,
    Zhu et al. 2009), which is the paper's with K = 2. Where no source is better than chance the vote is 0 and the target's
    weights stay. An error of 0 counts as 1e-10. Ties go to the first source. A source that has a single class together
    with the target's labels is passed over. Written from the published description; the authors' code was not compared.

    References
    ----------
    Yao & Doretto. Boosting for Transfer Learning with Multiple Sources. CVPR 2010 (MultiSourceTrAdaBoost). Zhu, Zou, Rosset
    & Hastie. Multi-class AdaBoost. Statistics and Its Interface 2, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, MultiSourceTrAdaBoost
    >>> X = np.tile(np.linspace(-2, 2, 40), 2)[:, None]
    >>> y, groups = (X[:, 0] > 0.5).astype(int), np.repeat(["like", "unlike"], 40)
    >>> y[groups == "unlike"] = 1 - y[groups == "unlike"]
    >>> target = Domain(X[:40], y[:40], known=np.arange(40) % 4 == 0)
    >>> model = MultiSourceTrAdaBoost(10).fit(X, y, target=target, groups=groups)
    >>> model.score(X[:40], y[:40]) > 0.9, bool((model.groups_[model.chosen_] == "like").all())
    (True, True)
    """

    _constraints: ClassVar = {"n_estimators": Interval(int, 1), "estimator": ESTIMATOR}
    _accept_sparse: ClassVar = True
    _test_params: ClassVar = {"n_estimators": 6}

    def __init__(self, n_estimators: int = 30, estimator: Any = None) -> None:
        self.n_estimators = n_estimators
        self.estimator = estimator

    def _boost(self, data: TransferData) -> None:
        assert data.classes is not None
        n, m, M, K = len(data.ys), len(data.yt), self.n_estimators, len(data.classes)
        rows, labels = stack(data.Xs, data.Xt_known), np.concatenate([data.ys, data.yt])
        self.groups_, source = np.unique(
            np.zeros(n, dtype=int) if data.groups is None else data.groups, return_inverse=True
        )
        # The rows that each source's classifier is fitted on.
        taught = [np.concatenate([np.flatnonzero(source == k), n + np.arange(m)]) for k in range(len(self.groups_))]
        # Never empty: some source has a class that the target's first label is not.
        able = [k for k, members in enumerate(taught) if len(np.unique(labels[members])) > 1]
        log_beta = -np.log1p(np.sqrt(2 * np.log(n) / M))
        log_weights = np.zeros(n + m)
        self.estimators_, self.chosen_ = [], np.empty(M, dtype=int)
        self.errors_, self.votes_ = np.empty(M), np.empty(M)
        for t in range(M):
            on_target = mean_one(log_weights)[n:]
            on_target /= on_target.sum()
            best: tuple[float, int, Any] | None = None
            for k in able:
                model = fit_inner(self, data.task, rows[taught[k]], labels[taught[k]], mean_one(log_weights[taught[k]]))
                error = float(on_target @ (model.predict(data.Xt_known) != data.yt))
                if best is None or error < best[0]:
                    best = error, k, model
            assert best is not None
            error, self.chosen_[t], model = best
            wrong: Array = model.predict(rows) != labels
            bounded = np.clip(error, SMALLEST_ERROR, 1 - 1 / K)
            vote = np.log((1 - bounded) * (K - 1) / bounded)
            log_weights[:n] += log_beta * wrong[:n]
            log_weights[n:] += vote * wrong[n:]
            self.estimators_.append(model)
            self.errors_[t], self.votes_[t] = error, max(vote, 0.0)
        if not self.votes_.any():
            self.votes_[:] = 1.0
        weights = mean_one(log_weights)
        self.sample_weight_, self.target_weight_ = weights[:n], weights[n:]
