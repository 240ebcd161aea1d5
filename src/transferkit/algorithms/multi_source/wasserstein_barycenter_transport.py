"""Wasserstein barycentre transport: merge all sources into their labelled barycentre, and carry that one to the target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from ...core.base import ESTIMATOR, ShallowTransfer, fit_inner, stack
from ...core.constraints import Either, Interval, Nothing
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...core.validation import check_rows, check_transfer
from ...ops.transport.plans import barycentric, plan_of, transport_cost
from ...ops.transport.several_sources import labelled_barycentre

CARD = {
    "class": "WassersteinBarycenterTransport",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Montesuma & Mboula. Wasserstein Barycenter for Multi-Source Domain Adaptation. CVPR 2021.",
    "url": "https://openaccess.thecvf.com/content/CVPR2021/html/Montesuma_Wasserstein_Barycenter_for_Multi-Source_Domain_"
    "Adaptation_CVPR_2021_paper.html",
}

__all__ = ["WassersteinBarycenterTransport"]


class WassersteinBarycenterTransport(ShallowTransfer):
    """Average the sources, class by class, into one labelled set of rows half way between them, and move it to the target.

    Parameters
    ----------
    n_rows : int in [2, inf), default=None
        Rows of the barycentre. None is the mean number of rows of a source. Of a class there is one at least, and no more
        than the source with most rows of it has.
    class_penalty : float in [0, inf), default=10.0
        Cost of matching rows of different classes in the barycentre, in units of the largest squared distance. Finite, so
        that sources of different class shares can be matched.
    reg : float in [0, inf), default=0.0
        Weight of the entropy of the plan to the target, in units of the median cost. 0 is the exact plan. A
        `TransferWarning` says so where it is too small for the scaling to end.
    limit_max : float in [1, inf), default=10.0
        The cost of moving a row onto a target row that is known to be of another class, in units of the largest cost.
    max_iter : int in [1, inf), default=20
        Rounds of the barycentre at most, each one exact plan for each source.
    tol : float in [0, inf), default=1e-3
        The rounds stop when one lowers the mean cost by less than this share.
    max_pivots : int in [1, inf), default=1_000_000
        Pivots of the network simplex at most, in each plan; a `ParamError` says so where they were not enough.
    estimator : classifier, default=None
        Fitted on the moved barycentre. None is logistic regression.

    Attributes
    ----------
    barycentre_ : array of shape (n_rows, n_features)
        The sources' barycentre.
    labels_ : array of shape (n_rows,)
        Its labels.
    images_ : array of shape (n_rows, n_features)
        Where its rows go in the target.
    costs_ : array of shape (n_iter_,)
        Mean transport cost between the sources and the rows that each round began with.
    n_iter_ : int
        Rounds that moved the barycentre.
    estimator_ : classifier
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    First, rows Z with labels minimise ``mean_k W(Z, source k)``, the squared distance plus `class_penalty` between rows of
    different labels (``groups`` says which row is of which source): plans and rows are each set to their optimum in
    turn, so that the cost falls in every round. Second, Z is carried to the target by one more plan, and the
    inner estimator is fitted to its images. With one source, or without ``groups``, it is transport of that source.

    The paper starts at the classes' means with noise; we start at rows of the source that has most of a class, which
    draws nothing at random and is exact where the sources are translates of one another. Its plans in the
    barycentre are entropic with a prohibitive cost between classes; ours are exact with a large one.

    References
    ----------
    Montesuma & Mboula. Wasserstein Barycenter for Multi-Source Domain Adaptation. CVPR 2021.
    Cuturi & Doucet. Fast Computation of Wasserstein Barycenters. ICML 2014, algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, WassersteinBarycenterTransport
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    >>> X[:, 0] += 4 * y
    >>> two = np.vstack([X - 2, X + 2])
    >>> model = WassersteinBarycenterTransport()
    >>> model = model.fit(two, np.tile(y, 2), target=Domain(X + 3), groups=np.repeat([0, 1], 60))
    >>> np.allclose(model.barycentre_, X), np.allclose(model.images_, X + 3)
    (True, True)
    """

    _constraints: ClassVar = {
        "n_rows": Either(Nothing(), Interval(int, 2)),
        "class_penalty": Interval(float, 0),
        "reg": Interval(float, 0),
        "limit_max": Interval(float, 1),
        "max_iter": Interval(int, 1),
        "tol": Interval(float, 0),
        "max_pivots": Interval(int, 1),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        n_rows: int | None = None,
        class_penalty: float = 10.0,
        reg: float = 0.0,
        limit_max: float = 10.0,
        max_iter: int = 20,
        tol: float = 1e-3,
        max_pivots: int = 1_000_000,
        estimator: Any = None,
    ) -> None:
        self.n_rows = n_rows
        self.class_penalty = class_penalty
        self.reg = reg
        self.limit_max = limit_max
        self.max_iter = max_iter
        self.tol = tol
        self.max_pivots = max_pivots
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups)
        if data.classes is None:
            raise DomainError(
                "WassersteinBarycenterTransport.fit: y must hold classes. Unknown label type: continuous."
            )
        group = (
            np.zeros(len(data.ys), dtype=int) if data.groups is None else np.unique(data.groups, return_inverse=True)[1]
        )
        start = _start(data.codes, group, self.n_rows or round(len(group) / (group.max() + 1)))
        members = [np.flatnonzero(group == k) for k in range(group.max() + 1)]
        codes = data.codes[start]
        found = labelled_barycentre(
            np.asarray(data.Xs[start], np.float64),
            codes,
            [data.Xs[rows] for rows in members],
            [data.codes[rows] for rows in members],
            self.class_penalty,
            max_iter=self.max_iter,
            tol=self.tol,
            max_pivots=self.max_pivots,
        )
        self.barycentre_, self.labels_ = found.X.astype(data.Xs.dtype), data.ys[start]
        self.costs_, self.n_iter_ = found.costs, len(found.costs)
        cost = transport_cost(replace(data, Xs=self.barycentre_, ys=self.labels_), "median", self.limit_max)
        if not found.optimal:
            raise ParamError(
                "WassersteinBarycenterTransport.fit: max_pivots must be larger for plans between"
                f" {len(start)} by {len(data.Xs)} rows. Got {self.max_pivots}."
            )
        plan, _ = plan_of("WassersteinBarycenterTransport.fit", cost, self.reg, max_pivots=self.max_pivots)
        self.images_ = barycentric(plan, data.Xt)
        rows, labels = stack(self.images_, data.Xt_known), np.concatenate([self.labels_, data.yt])
        self.estimator_ = fit_inner(self, data.task, rows, labels)
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method)


def _start(codes: Array, group: Array, n_rows: int) -> Array:
    """Positions of the first rows: every class in its share of all rows, evenly from the source that has most of it."""
    chosen = []
    for c in range(codes.max() + 1):
        rows = np.flatnonzero(codes == c)
        largest = rows[group[rows] == np.bincount(group[rows]).argmax()]
        wanted = min(max(round(n_rows * len(rows) / len(codes)), 1), len(largest))
        chosen.append(largest[np.linspace(0, len(largest) - 1, wanted).round().astype(int)])
    return np.sort(np.concatenate(chosen))
