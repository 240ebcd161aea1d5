"""Co-training: two classifiers on two halves of the features label the target's rows for each other."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from ...core.base import ProbabilityTransfer, fit_inner, stack
from ...core.constraints import Either, EstimatorLike, Fulfils, Interval, Nothing, RandomState
from ...core.errors import ParamError
from ...core.protocols import Array
from ...core.validation import TransferData

CARD = {
    "class": "CoTraining",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "scaling": "domain",
    "portfolio": (),
    "paper": "Blum & Mitchell. Combining Labeled and Unlabeled Data with Co-Training. COLT 1998.",
    "url": "https://dl.acm.org/doi/10.1145/279943.279962",
}

__all__ = ["CoTraining"]


class CoTraining(ProbabilityTransfer):
    """Fit one classifier on each view of the rows; each labels the target rows it is surest of, for both to train on.

    Parameters
    ----------
    views : pair of sequences of int, default=None
        Columns of either view; they may overlap, and need not cover all. None deals the columns out in turn, from the one
        that tells the source's classes best to the one that tells them least, so that both views suffice for the task
        where many columns speak of it. A single column is both views.
    n_rounds : int in [1, inf), default=30
        Rounds of labelling at most; the paper's k.
    n_rows : int in [1, inf), default=None
        Rows that each view labels in a round, shared among the classes as in the training set, at least one of each. None
        is as many as label the whole target in the rounds; the paper has 4.
    pool : int in [1, inf), default=None
        Draw that many unlabelled rows anew in every round and choose among these; the paper has 75. None is all.
    estimator : classifier, default=None
        Fitted on each view; must have ``predict_proba``. None is logistic regression.
    random_state : int, RandomState or None, default=0
        Seed of the pools.

    Attributes
    ----------
    views_ : list of two int arrays
        Columns of either view.
    estimators_ : list of two classifiers
        Fitted on the views.
    pseudo_index_ : int array of shape (n_pseudo,)
        Target rows that were labelled, in the order in which they were.
    pseudo_labels_ : array of shape (n_pseudo,)
        Their labels.
    n_iter_ : int
        Rounds done.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Table 1 of the paper: labelled rows L are the source's, and the target's that are known; unlabelled ones U are the rest
    of the target. In a round either view's classifier, fitted on L, moves the rows of each class that it is surest of from
    U to L. The prediction is the product of both views' probabilities, scaled to sum to 1 (section 6). The theory asks that
    either view suffices, and that they are independent given the class. A row that both views choose in one round gets the
    label of the surer one; a view labels a row only with the class it finds most probable.

    In domain adaptation the target's rows that one view can tell by features that moved little teach the other what its
    features look like there: the idea of CODA, which in every round also finds the views anew, by a joint optimisation with
    a sparse logistic regression. Here they are found once, on the source.

    References
    ----------
    Blum & Mitchell. Combining Labeled and Unlabeled Data with Co-Training. COLT 1998.
    Chen, Weinberger & Blitzer. Co-Training for Domain Adaptation. NIPS 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CoTraining, Domain
    >>> rng = np.random.default_rng(0)
    >>> y, yt = np.arange(80) % 2, np.arange(80) % 2
    >>> X, Xt = rng.normal(size=(80, 4)) + 3 * y[:, None], rng.normal(size=(80, 4)) + 3 * yt[:, None]
    >>> Xt[:, 2:] -= 2  # one view moves
    >>> model = CoTraining(views=([0, 1], [2, 3])).fit(X, y, target=Domain(Xt))
    >>> model.score(Xt, yt) > 0.9
    True
    """

    _constraints: ClassVar = {
        "views": Either(Nothing(), Fulfils("be two lists of column numbers", lambda v: _is_pair(v))),
        "n_rounds": Interval(int, 1),
        "n_rows": Either(Nothing(), Interval(int, 1)),
        "pool": Either(Nothing(), Interval(int, 1)),
        "estimator": Either(Nothing(), EstimatorLike("fit", "predict", "predict_proba")),
        "random_state": RandomState(),
    }
    _accept_sparse: ClassVar = True
    _test_params: ClassVar = {"n_rounds": 6}

    def __init__(
        self,
        views: Any = None,
        n_rounds: int = 30,
        n_rows: int | None = None,
        pool: int | None = None,
        estimator: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.views = views
        self.n_rounds = n_rounds
        self.n_rows = n_rows
        self.pool = pool
        self.estimator = estimator
        self.random_state = random_state

    def _fit(self, data: TransferData) -> None:
        rng, classes = check_random_state(self.random_state), self.classes_
        rows, labels = stack(data.Xs, data.Xt_known), np.concatenate([data.ys, data.yt])
        codes = np.searchsorted(classes, labels)
        self.views_ = self._checked_views(data.Xs.shape[1]) or _deal(_informative(rows, np.eye(len(classes))[codes]))
        free = np.flatnonzero(~data.known)  # U
        n_rows = self.n_rows or -(-len(free) // (2 * self.n_rounds))
        index, pseudo = free[:0], codes[:0]
        self.n_iter_ = 0
        while len(free) and self.n_iter_ < self.n_rounds:
            self.n_iter_ += 1
            self._fit_views(data, rows, labels, index, pseudo)
            quota = np.maximum(1, np.round(n_rows * np.bincount(codes) / len(codes)).astype(int))
            drawn = free if self.pool is None else rng.permutation(free)[: self.pool]
            chosen = [_surest(p, quota) for p in self._view_probas(data.Xt[drawn])]
            taken, found = _merge(*chosen)
            index, pseudo = np.concatenate([index, drawn[taken]]), np.concatenate([pseudo, found])
            free = np.setdiff1d(free, drawn[taken])
        self._fit_views(data, rows, labels, index, pseudo)
        self.pseudo_index_, self.pseudo_labels_ = index, classes[pseudo]

    def _checked_views(self, width: int) -> list[Array] | None:
        if self.views is None:
            return None
        found = [np.unique(np.asarray(v, dtype=np.int64)) for v in self.views]
        if min(v[0] for v in found) < 0 or max(v[-1] for v in found) >= width:
            raise ParamError(f"CoTraining.fit: views must name columns of X, 0 to {width - 1}. Got {self.views!r}.")
        return found

    def _fit_views(self, data: TransferData, rows: Any, labels: Array, index: Array, pseudo: Array) -> None:
        X, y = stack(rows, data.Xt[index]), np.concatenate([labels, self.classes_[pseudo]])
        self.estimators_ = [fit_inner(self, data.task, _columns(X, v), y) for v in self.views_]

    def _view_probas(self, X: Any) -> list[Array]:
        return [np.asarray(e.predict_proba(_columns(X, v))) for e, v in zip(self.estimators_, self.views_)]

    def _proba(self, X: Any) -> Array:
        one, two = self._view_probas(X)
        product = np.maximum(one, 1e-100) * np.maximum(two, 1e-100)
        return product / product.sum(axis=1, keepdims=True)


def _columns(X: Any, view: Array) -> Any:
    """In double precision: in single, many sure rows have the same probability."""
    return X[:, view].astype(np.float64)


def _is_pair(value: Any) -> bool:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return False
    parts = [np.asarray(v) for v in value]
    return all(p.ndim == 1 and len(p) > 0 and p.dtype.kind in "iu" for p in parts)


def _informative(X: Any, member: Array) -> Array:
    """Share of each column's variance that lies between the classes; 0 for a constant column."""
    n = member.sum(axis=0)
    means = (member.T @ X) / np.maximum(n, 1)[:, None]
    mean = n @ means / n.sum()
    between = n @ (means - mean) ** 2
    squares = X.multiply(X).sum(axis=0) if sparse.issparse(X) else np.square(X).sum(axis=0)
    total = np.asarray(squares).ravel() - n.sum() * mean**2
    share: Array = np.where(total > 1e-12, between / np.maximum(total, 1e-12), 0.0)
    return share


def _deal(score: Array) -> list[Array]:
    """Columns in two hands, the best to the first, the next two to the second, and so on; a single one goes to both."""
    order = np.argsort(-score, kind="stable")
    if len(order) == 1:
        return [order, order]
    second = np.isin(np.arange(len(order)) % 4, (1, 2))
    return [np.sort(order[~second]), np.sort(order[second])]


def _surest(proba: Array, quota: Array) -> tuple[Array, Array, Array]:
    """Rows, classes and probabilities: of each class, as many as `quota` says, of those in which it is the likeliest."""
    guess, sure = proba.argmax(axis=1), proba.max(axis=1)
    rows = [np.flatnonzero(guess == c) for c in range(proba.shape[1])]
    best = [r[np.argsort(-sure[r], kind="stable")[:q]] for r, q in zip(rows, quota)]
    taken = np.concatenate(best)
    return taken, guess[taken], sure[taken]


def _merge(one: tuple[Array, ...], two: tuple[Array, ...]) -> tuple[Array, Array]:
    """Rows and classes of both views, each row once: of two labels, the surer one's."""
    rows, codes, sure = (np.concatenate(pair) for pair in zip(one, two))
    order = np.argsort(-sure, kind="stable")
    taken, first = np.unique(rows[order], return_index=True)
    return taken, codes[order][first]
