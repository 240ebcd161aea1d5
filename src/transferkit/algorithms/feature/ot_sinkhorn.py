"""Entropic optimal transport (Sinkhorn): move source rows along a smoothed plan, found by fast matrix scaling."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, FeatureTransfer
from ...core.constraints import Either, Interval, Nothing, Options, RandomState
from ...core.errors import TransferWarning
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.transport.parts import transport_parts
from ...ops.transport.plans import barycentric, displace, sinkhorn, transport_cost

CARD = {
    "class": "SinkhornOT",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "scaling": "domain",
    "portfolio": ({"reg": 0.1}, {"reg": 0.02}),
    "paper": "Cuturi. Sinkhorn Distances: Lightspeed Computation of Optimal Transport. NeurIPS 2013; Courty, Flamary, "
    "Tuia & Rakotomamonjy. Optimal Transport for Domain Adaptation. TPAMI 2017.",
    "url": "https://arxiv.org/abs/1507.00504",
}

__all__ = ["SinkhornOT"]


class SinkhornOT(FeatureTransfer):
    """Find the plan that carries the source onto the target at low cost and high entropy, and move source rows along it.

    Parameters
    ----------
    reg : float in (0, inf), default=0.1
        Weight of the entropy, in units of the cost after `norm`. Large values send every source row to the mean of the
        target; towards 0 the plan becomes the exact one and takes more iterations.
    norm : {"median", "max"} or None, default="median"
        What squared distances are divided by, so that `reg` means the same at any scale and width of the data. None
        leaves them as they are.
    limit_max : float in [1, inf), default=10.0
        For classes: the cost of moving a source row onto a target row that is known to be of another class, in units of
        the largest cost.
    max_iter : int in [1, inf), default=2000
        Scaling iterations at most.
    tol : float in (0, inf), default=1e-6
        The scaling stops when both marginals are within this L1 distance of uniform. A `TransferWarning` says so where
        `max_iter` was reached before.
    approx : {None, "minibatch"}, default=None
        ``"minibatch"`` deals the rows of both domains into parts and seeks the plan of each by itself: time and memory then
        grow with the number of rows, not with its square. None is one plan over all rows.
    batch_size : int in [2, inf), default=1000
        Rows of the larger domain in a part, about; with as many as there are it is the whole plan.
    random_state : int, RandomState or None, default=None
        Deals the rows.
    estimator : estimator, default=None
        Fitted on the moved source. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    potential_source_, potential_target_ : arrays of shape (n_source,) and (n_target,)
        Dual solution f, g: the plan is ``exp((f[:, None] + g - C) / reg)``, with C the cost after `norm`; with `approx` each
        part's own.
    rows_ : array of shape (n_source, n_features)
        The source rows of the fit.
    images_ : array of shape (n_source, n_features)
        Where they go.
    n_iter_ : int
        Iterations used.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``<P, C> + reg * sum_ij P_ij log P_ij`` over plans P with uniform marginals, where
    C holds squared Euclidean distances. A source row goes to the mean of the target rows, weighted by its row of P; a
    new source row moves like the nearest row of the fit. Known target labels enter through
    prohibitive costs and through the inner fit. Target rows are left as they are.

    The solver is described at `transferkit.ops.transport.plans.sinkhorn`. An iteration is two products with a matrix of
    n_source x n_target; memory is about four such arrays of doubles (128 MB at 2000 rows a side).

    References
    ----------
    Cuturi. Sinkhorn Distances: Lightspeed Computation of Optimal Transport. NeurIPS 2013.
    Courty, Flamary, Tuia & Rakotomamonjy. Optimal Transport for Domain Adaptation. TPAMI 39(9), 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, SinkhornOT
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    >>> X[:, 0] += 4 * y
    >>> model = SinkhornOT(reg=0.01).fit(X, y, target=Domain(X + 3))
    >>> model.score(X + 3, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "reg": Interval(float, 0, closed="neither"),
        "norm": Either(Options("median", "max"), Nothing()),
        "limit_max": Interval(float, 1),
        "max_iter": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
        "approx": Either(Nothing(), Options("minibatch")),
        "batch_size": Interval(int, 2),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        reg: float = 0.1,
        norm: str | None = "median",
        limit_max: float = 10.0,
        max_iter: int = 2000,
        tol: float = 1e-6,
        approx: str | None = None,
        batch_size: int = 1000,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.reg = reg
        self.norm = norm
        self.limit_max = limit_max
        self.max_iter = max_iter
        self.tol = tol
        self.approx = approx
        self.batch_size = batch_size
        self.random_state = random_state
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        n, m = len(data.Xs), len(data.Xt)
        self.potential_source_, self.potential_target_ = np.empty(n), np.empty(m)
        self.rows_, self.images_, self.n_iter_, error = data.Xs, np.empty_like(data.Xs), 0, 0.0
        for s, t, part in transport_parts(data, self.approx, self.batch_size, self.random_state):
            cost = transport_cost(part, self.norm, self.limit_max)
            found = sinkhorn(cost, self.reg, max_iter=self.max_iter, tol=self.tol)
            self.potential_source_[s], self.potential_target_[t] = found.f, found.g
            self.images_[s] = barycentric(found.plan, part.Xt)
            self.n_iter_, error = max(self.n_iter_, found.n_iter), max(error, found.error)
        if not error <= self.tol:
            warnings.warn(
                f"SinkhornOT.fit: max_iter or reg must be larger to reach tol={self.tol:g}."
                f" Got a marginal error of {error:.2g} after {self.n_iter_} iterations.",
                TransferWarning,
                stacklevel=3,
            )
        return self.images_

    def _map(self, X: Array, domain: str) -> Array:
        return X if domain == "target" else displace(X, self.rows_, self.images_)
