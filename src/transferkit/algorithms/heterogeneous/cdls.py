"""CDLS: source rows mapped among the target's components so that classes meet, with rows weighed by how well they fit."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from ...core.base import ESTIMATOR, fit_inner
from ...core.constraints import Interval
from ...core.heterogeneous import HeterogeneousData, HeterogeneousTransfer, check_heterogeneous
from ...core.protocols import Array, Domain
from ...ops.kernels.spaces import unit_rows
from ...ops.landmarks import LandmarkMatching

CARD = {
    "class": "CDLS",
    "protocol": "Transfer",
    "settings": ("few_label", "heterogeneous"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Tsai, Yeh & Wang. Learning Cross-Domain Landmarks for Heterogeneous Domain Adaptation. CVPR 2016.",
    "url": "https://openaccess.thecvf.com/content_cvpr_2016/html/Tsai_Learning_Cross-Domain_Landmarks_CVPR_2016_paper.html",
}

__all__ = ["CDLS"]


class CDLS(HeterogeneousTransfer):
    """Cross-domain landmark selection: a linear map of the source, weights of rows and guessed labels, by turns.

    Parameters
    ----------
    n_components : int in [1, inf), default=100
        Principal components of the target that make the common space; at most its rank.
    reg : float in (0, inf), default=0.5
        Strength of the penalty on the map.
    share : float in (0, 1], default=0.5
        Mean weight of the rows of a class, between 0 and 1 each, of the source and of unlabelled target rows; 1 weighs all
        alike. The paper's delta.
    max_iter : int in [1, inf), default=5
        Rounds of map, guessed labels and weights; 1 uses no unlabelled row but for the components.
    estimator : estimator, default=None
        Fitted in the common space on weighted source rows and the known rows of the target; must take ``sample_weight``. None
        is logistic regression.

    Attributes
    ----------
    source_map_ : array of shape (n_features_source, n_components_)
        What centred and scaled source rows are multiplied with.
    target_map_ : array of shape (n_features, n_components_)
        The target's principal directions.
    source_mean_, target_mean_ : arrays of shape (n_features_source,) and (n_features,)
        Means of the rows.
    source_scale_, target_scale_ : float
        What centred rows are divided by: the root of their mean squared length.
    source_weight_ : array of shape (n_source,)
        Of the source rows in the last fit: the landmarks have large ones.
    n_components_ : int
        Components kept.
    n_iter_ : int
        Rounds made.
    n_features_source_ : int
        Columns of the source.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    The map A minimises the squared distance between the weighted means of mapped source rows and of target rows, overall and
    class by class, plus the mean squared distance of pairs of weighted rows of one class (source and labelled, labelled and
    unlabelled, unlabelled and source), plus ``reg |A|^2``: a ridge regression in closed form. It begins with known rows alone,
    all weights 1. A classifier fitted in the common space then labels the unknown rows; given these labels and A, the weights
    are a convex quadratic programme; and so on. The last classifier is the one that predicts.

    As in the authors' code, source rows count in the classifier by their weights times the ratio of known target rows to
    source rows, and unlabelled rows do not enter it. The paper's classifier is a linear support vector machine
    (``estimator=LinearSVC()``). Defaults are those of the code's demonstration. `pairs` are not used.

    That code departs from this in four ways: a pair's squared distance is multiplied by the weights, ``a b |Az - u|^2``, where
    here the rows are, ``|a Az - b u|^2``; the first map already meets the mean of all target rows, not of the known ones
    alone; rows have length 1 each, where ours are centred and scaled together; and in the programme for the weights the square of
    the unlabelled rows' overall mean has a factor of the source's, a slip.

    References
    ----------
    Tsai, Yeh & Wang. Learning Cross-Domain Landmarks for Heterogeneous Domain Adaptation. CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CDLS, Domain
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(100) % 2
    >>> hidden = np.column_stack([6 * y + rng.normal(size=100), rng.normal(size=100)])
    >>> X, Xt = hidden @ rng.normal(size=(2, 5)), hidden @ rng.normal(size=(2, 3))
    >>> CDLS().fit(X, y, target=Domain(Xt, y, known=np.arange(100) < 6)).score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "reg": Interval(float, 0, closed="neither"),
        "share": Interval(float, 0, 1, closed="right"),
        "max_iter": Interval(int, 1),
        "estimator": ESTIMATOR,
    }
    _test_params: ClassVar = {"max_iter": 2}
    _ties: ClassVar = "labels"
    _task: ClassVar = "classification"

    def __init__(
        self,
        n_components: int = 100,
        reg: float = 0.5,
        share: float = 0.5,
        max_iter: int = 5,
        estimator: Any = None,
    ) -> None:
        self.n_components = n_components
        self.reg = reg
        self.share = share
        self.max_iter = max_iter
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None, pairs: Any = None) -> Self:
        data = check_heterogeneous(self, X, y, target, pairs=pairs, groups=groups, task="classification")
        self._check_ties(data)
        self._fit_map(data)
        return self

    fit.__doc__ = HeterogeneousTransfer.fit.__doc__

    def _fit_map(self, data: HeterogeneousData) -> Array:
        (self.source_mean_, self.source_scale_), (self.target_mean_, self.target_scale_) = map(
            unit_rows, (data.Xs, data.Xt)
        )
        _, s, Vt = np.linalg.svd((data.Xt - self.target_mean_) / self.target_scale_, full_matrices=False)
        rank = int((s > s[0] * max(data.Xt.shape) * np.finfo(np.float64).eps).sum())
        self.n_components_ = max(1, min(self.n_components, rank))
        self.target_map_ = Vt[: self.n_components_].T
        # The map lies in the span of the source's rows, where it is found.
        _, s, Vt = np.linalg.svd((data.Xs - self.source_mean_) / self.source_scale_, full_matrices=False)
        span = Vt[: max(1, int((s > s[0] * max(data.Xs.shape) * np.finfo(np.float64).eps).sum()))].T
        rows = (data.Xs - self.source_mean_) / self.source_scale_ @ span
        Z = self._map(data.Xt, "target")
        L, U = Z[data.known], Z[~data.known]
        labels = np.concatenate([data.ys, data.yt])
        matching = LandmarkMatching(L, U[:0], data.codes, data.codes_t, data.codes_t[:0], 1.0)
        a, b, mapped = np.ones(len(rows)), np.ones(0), rows
        for k in range(self.max_iter):
            if k:
                guesses = np.searchsorted(self.classes_, self.estimator_.predict(U)) if len(U) else data.codes_t[:0]
                matching = LandmarkMatching(L, U, data.codes, data.codes_t, guesses, self.share)
                a, b = matching.weights(mapped)
            A = matching.source_map(rows, a, b, self.reg)
            mapped = rows @ A
            self.source_weight_ = a * (len(L) / len(rows))
            weights = np.concatenate([self.source_weight_, np.ones(len(L))])
            self.estimator_ = fit_inner(self, "classification", np.concatenate([mapped, L]), labels, weights)
        self.source_map_, self.n_iter_ = span @ A, self.max_iter
        return np.asarray(mapped)

    def _map(self, X: Array, domain: str) -> Array:
        if domain == "source":
            return np.asarray((X - self.source_mean_) / self.source_scale_ @ self.source_map_)
        return np.asarray((X - self.target_mean_) / self.target_scale_ @ self.target_map_)
