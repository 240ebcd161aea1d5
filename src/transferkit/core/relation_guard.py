"""A method between feature spaces that is kept only where a relation between them is found, and the target alone otherwise."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import Tags, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .base import ESTIMATOR, fit_inner, transfer_tags
from .constraints import Either, EstimatorLike, Interval, Nothing, RandomState, Rule
from .errors import DomainError, TransferWarning
from .heterogeneous import HeterogeneousData, check_heterogeneous
from .protocols import Array, Domain
from .relation_test import Judged, held_out_losses, relation_test
from .validation import check_rows

__all__ = ["Against", "RelationGuard", "TargetAlone", "better_than_alone", "own_labels"]


def _has_proba(self: RelationGuard) -> bool:
    return hasattr(getattr(self, "estimator_", None), "predict_proba")


class TargetAlone(BaseEstimator):
    """The inner estimator on the target's own labelled rows; takes the arguments of a method between spaces and reads no source.

    Parameters
    ----------
    estimator : estimator, default=None
        None is logistic regression for classes and ridge regression for numbers.
    """

    _constraints: ClassVar[Mapping[str, Rule]] = {"estimator": ESTIMATOR}

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None, pairs: Any = None) -> Self:
        """Fit on the known rows of the target; without any, on its rows of the pairs, with the labels of their partners."""
        data = check_heterogeneous(self, X, y, target, pairs=pairs, groups=groups)
        rows, labels = own_labels(data)
        present = len(np.unique(labels)) if data.classes is not None else len(labels)
        if present < 2:
            raise DomainError(
                "TargetAlone.fit: target must have known labels of two classes, or two known values, at least."
                f" Got {len(labels)} known labels of {present}."
            )
        self.estimator_ = fit_inner(self, data.task, data.Xt[rows], labels)
        return self

    def predict(self, X: Any) -> Array:
        """Labels or values for rows of the target, of shape (n_samples,)."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict(check_rows(self, X)))

    @available_if(_has_proba)
    def predict_proba(self, X: Any) -> Array:
        """Probabilities of the source's classes, of shape (n_samples, n_classes); 0 for one without a known label."""
        check_is_fitted(self)
        own = self.estimator_.predict_proba(check_rows(self, X, method="predict_proba"))
        padded = np.zeros((len(own), len(self.classes_)), dtype=own.dtype)
        padded[:, np.searchsorted(self.classes_, self.estimator_.classes_)] = own
        return padded

    def score(self, X: Any, y: Any) -> float:
        """Accuracy (classification) or R^2 (regression) on labelled rows of the target."""
        metric = accuracy_score if hasattr(self, "classes_") else r2_score
        return float(metric(y, self.predict(X)))

    def __sklearn_tags__(self) -> Tags:
        return transfer_tags(super().__sklearn_tags__(), self.estimator)


def own_labels(data: HeterogeneousData) -> tuple[Array, Array]:
    """Labelled rows of the target and their labels: the known ones, else those of pairs, which are of their partner's class."""
    if len(data.yt):
        return np.flatnonzero(data.known), data.yt
    rows, first = np.unique(data.pairs[:, 1], return_index=True)
    return rows, data.ys[data.pairs[first, 0]]


class RelationGuard(BaseEstimator):
    """Carry over between feature spaces only what proves itself: a relation is found, and it beats the target's labels alone.

    Parameters
    ----------
    method : estimator between feature spaces, default=None
        Such as `CanonicalCorrelation`, or a `TransferPipeline` around it. None tests nothing: the target's labels alone.
    estimator : estimator, default=None
        Fitted on the target's labelled rows alone, to stand where the method does not. None is logistic regression, or ridge
        regression for numbers.
    alpha : float in (0, 1), default=0.05
        Largest p-value at which a test counts. Smaller keeps to the target alone more often.
    n_permutations : int in [1, inf), default=99
        Shuffled ties to compare with, at most; each costs `n_splits` fits of the method.
    n_splits : int in [2, inf), default=3
        Folds of the known labels or pairs.
    random_state : int, RandomState or None, default=None
        Deals folds and draws shuffles.

    Attributes
    ----------
    kept_ : {"method", "target_only"}
        What predicts.
    relation_ : RelationTest or None
        The tie against shuffled ties, by `relation_test`; None without a method, or where labels were too few to test it.
    p_value_ : float
        Its p-value; 1 where it could not be tested.
    wins_, losses_ : int
        Held-out labels that only the method gets right, and that only the target's labels alone do (nearer values, for numbers).
    p_better_ : float
        Of the one-sided sign test of these (mid-p).
    says_ : str
        All that in a sentence or two.
    estimator_ : estimator
        The fitted method, or the target's labels alone.
    n_features_in_, n_features_source_ : int
        Columns of target and source.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Two tests have to pass, each at `alpha`: that a relation is there (`relation_test`: the tie against shuffled ones), and that
    it is of use (the sign test on held-out labels, of `PairedShots`). The first alone would keep a method that found a true
    relation and still does worse than the few labels; the second alone one that gains from anything, such as the target's own
    unlabelled rows. With pairs and no known target label, the labels of the pairs' source rows stand in for the target's; a
    pair that is held out takes its source row out of the source. A `TransferWarning` says where the target alone is kept.

    The level is that of each test for a method fixed beforehand: trying many and keeping the best is no test any more.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from transferkit import CanonicalCorrelation, Domain, RelationGuard
    >>> rng, nearest = np.random.default_rng(0), KNeighborsClassifier(1)
    >>> hidden = rng.uniform(0, 4, size=(600, 2))
    >>> y = np.floor(hidden).sum(axis=1) % 2  # a board of 16 fields: 40 labels are too few, 600 are not
    >>> X, Xt, pairs = hidden @ rng.normal(size=(2, 3)), hidden @ rng.normal(size=(2, 2)), np.column_stack([np.arange(40)] * 2)
    >>> guard = RelationGuard(CanonicalCorrelation(reg=0, estimator=nearest), nearest, n_permutations=19, random_state=0)
    >>> guard.fit(X, y, target=Domain(Xt), pairs=pairs).kept_, guard.p_value_
    ('method', 0.05)
    """

    _constraints: ClassVar[Mapping[str, Rule]] = {
        "method": Either(Nothing(), EstimatorLike("fit", "predict", "transform")),
        "estimator": ESTIMATOR,
        "alpha": Interval(float, 0, 1, closed="neither"),
        "n_permutations": Interval(int, 1),
        "n_splits": Interval(int, 2),
        "random_state": RandomState(),
    }

    def __init__(
        self,
        method: Any = None,
        estimator: Any = None,
        alpha: float = 0.05,
        n_permutations: int = 99,
        n_splits: int = 3,
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.estimator = estimator
        self.alpha = alpha
        self.n_permutations = n_permutations
        self.n_splits = n_splits
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None, pairs: Any = None) -> Self:
        """Fit the method, test its tie, and keep it or the target's labels alone.

        Parameters
        ----------
        X : array-like of shape (n_source, n_features_source)
            Source rows.
        y : array-like of shape (n_source,)
            Source labels.
        target : Domain
            Target rows; labels that are known are used, all others are never read.
        groups : array-like of shape (n_source,), optional
            The source domain of each row.
        pairs : array-like of shape (n_pairs, 2), optional
            Row of `X` and row of ``target.X`` that are the same thing.

        Returns
        -------
        self : RelationGuard

        Raises
        ------
        DomainError, ParamError
            Naming the argument that cannot be used.
        """
        data = check_heterogeneous(self, X, y, target, pairs=pairs, groups=groups)
        if not len(data.yt) and not len(data.pairs):
            raise DomainError(
                "RelationGuard.fit: target must have a few known labels, or pairs must be given. Got neither."
            )
        alone = TargetAlone(self.estimator)
        self.relation_, self.p_value_, self.wins_, self.losses_, self.p_better_ = None, 1.0, 0, 0, 1.0
        if self.method is None:
            self._keep(alone, data, "No method was given.")
            return self
        rng = check_random_state(self.random_state)
        more = {k: v for k, v in (("pairs", pairs), ("groups", groups)) if v is not None}
        rows, labels = own_labels(data)
        try:
            judged = Judged.of(rows, labels, self.n_splits, rng, "RelationGuard.fit", data.classes is None)
        except DomainError as err:
            self._keep(alone, data, f"No relation could be tested: {str(err).partition(': ')[2]}")
        else:
            self.relation_ = relation_test(
                self.method, X, y, target, n_permutations=self.n_permutations, n_splits=self.n_splits, level=self.alpha,
                random_state=rng, **more,
            )  # fmt: skip
            self.p_value_ = self.relation_.p_value
            better = self._against(alone, X, y, target, judged, more)
            related = self.p_value_ <= self.alpha
            self.says_ = f"{'A' if related else 'No'} relation was found. {self.relation_.says} {better[1]}"
            if related and better[0]:
                self.kept_ = "method"
                self.estimator_ = clone(self.method).fit(X, y, target=target, **more)
                return self
            self._keep(alone, data, self.says_)
        warnings.warn(f"RelationGuard.fit: the target alone is kept. {self.says_}", TransferWarning, stacklevel=2)
        return self

    def _against(
        self, alone: TargetAlone, X: Any, y: Any, target: Domain, judged: Judged, more: Mapping[str, Any]
    ) -> tuple[bool, str]:
        """Whether the method beats the target's labels alone on labels that neither was given, and the sentence for it."""
        found = better_than_alone(self.method, alone, X, y, target, judged, more)
        self.wins_, self.losses_, self.p_better_ = found.wins, found.losses, found.p_value
        return found.passes(self.alpha), found.says

    def _keep(self, alone: TargetAlone, data: HeterogeneousData, says: str) -> None:
        target = Domain(data.Xt)
        if len(data.yt):
            filled = np.full(len(data.Xt), data.yt[0], dtype=data.yt.dtype)
            filled[data.known] = data.yt
            target = Domain(data.Xt, filled, data.known)
        more = {"pairs": data.pairs} if len(data.pairs) else {}
        self.estimator_ = alone.fit(data.Xs, data.ys, target=target, **more)
        self.kept_, self.says_ = "target_only", says

    def predict(self, X: Any) -> Array:
        """Labels or values for rows of the target, of shape (n_samples,)."""
        return np.asarray(self._for_rows(X, "predict").predict(X))

    @available_if(_has_proba)
    def predict_proba(self, X: Any) -> Array:
        """Class probabilities for rows of the target, of shape (n_samples, n_classes), in the order of ``classes_``."""
        return np.asarray(self._for_rows(X, "predict_proba").predict_proba(X))

    def _for_rows(self, X: Any, method: str) -> Any:
        check_is_fitted(self)
        check_rows(self, X, method=method)
        return self.estimator_

    def score(self, X: Any, y: Any) -> float:
        """Accuracy (classification) or R^2 (regression) on labelled rows of the target."""
        metric = accuracy_score if hasattr(self, "classes_") else r2_score
        return float(metric(y, self.predict(X)))

    def __sklearn_tags__(self) -> Tags:
        return transfer_tags(super().__sklearn_tags__(), self.estimator)


@dataclass(frozen=True)
class Against:
    """A method against the target's labels alone, on labels that neither was given."""

    wins: int
    losses: int
    n: int
    p_value: float
    nearer: bool  # for numbers, where many small wins can hide a large loss
    regression: bool

    def passes(self, alpha: float) -> bool:
        return self.p_value <= alpha and self.nearer

    @property
    def says(self) -> str:
        """It, as a sentence."""
        what = "is nearer to the truth" if self.regression else "is right where the target's labels alone are wrong"
        return (
            f"On {self.n} known labels that neither was given, the method {what} {self.wins} times and loses {self.losses} times"
            f" (p = {self.p_value:.3f}).{'' if self.nearer else ' Its mean error is not smaller.'}"
        )


def better_than_alone(
    method: Any, alone: TargetAlone, X: Any, y: Any, target: Domain, judged: Judged, more: Mapping[str, Any]
) -> Against:
    """The paired comparison that `RelationGuard` makes; `more` may hold pairs and groups."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own, new = (held_out_losses(m, X, y, target, judged, **more) for m in (alone, method))
    wins, losses = int((new < own).sum()), int((new > own).sum())
    tail = stats.binom.sf(wins, wins + losses, 0.5) + stats.binom.pmf(wins, wins + losses, 0.5) / 2
    nearer = not judged.regression or bool(new.mean() < own.mean())
    return Against(wins, losses, len(own), float(tail), nearer, judged.regression)
