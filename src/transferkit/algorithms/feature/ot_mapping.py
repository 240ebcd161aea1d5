"""Mapping estimation: a plan and, at the same time, a linear or kernel map that follows it and also moves new rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ...core.base import ESTIMATOR, FeatureTransfer
from ...core.constraints import Boolean, Either, Interval, Nothing, Options
from ...core.errors import ParamError, TransferWarning
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels.gaussian import median_gamma, rbf
from ...ops.transport.plans import transport_cost
from ...ops.transport.quadratic import Pull, quadratic_plan

CARD = {
    "class": "MappingOT",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Perrot, Courty, Flamary & Habrard. Mapping Estimation for Discrete Optimal Transport. NIPS 2016.",
    "url": "https://papers.nips.cc/paper/6312-mapping-estimation-for-discrete-optimal-transport",
}

__all__ = ["MappingOT"]


class MappingOT(FeatureTransfer):
    """Find together a cheap plan between the domains and a regularised map that moves source rows where the plan sends them.

    Parameters
    ----------
    kernel : {"linear", "rbf"}, default="linear"
        The map's class: an affine map kept near the identity, or one in the space of a Gaussian kernel.
    cost_weight : float in [0, inf), default=1.0
        Weight of the plan's cost against the mean squared distance between the map and the plan's images.
    reg : float in (0, inf), default=1e-3
        Weight of the map's penalty. In the linear case it is in units of the source's mean variance.
    gamma : float in (0, inf), default=None
        Width of the rbf kernel ``exp(-gamma ||x - y||^2)``. None is half the inverse median squared distance of the source.
    intercept : bool, default=True
        Let the map add a constant, which is not penalised.
    limit_max : float in [1, inf), default=10.0
        For classes: the cost of moving a source row onto a target row that is known to be of another class, in units of
        the largest cost.
    max_iter : int in [1, inf), default=100
        Linear programmes at most.
    max_pivots : int in [1, inf), default=1_000_000
        Pivots of the network simplex at most, in each; a `ParamError` says so where they were not enough.
    tol : float in (0, inf), default=0.01
        Stops when the objective is within this share of its minimum. A `TransferWarning` says so where `max_iter` was
        reached before.
    estimator : estimator, default=None
        Fitted on the mapped source. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    coupling_ : CSR matrix of shape (n_source, n_target)
        The plan.
    coef_ : array of shape (n_features, n_features) or (n_source, n_features)
        What rows, or their kernel values with `X_fit_`, are multiplied with.
    intercept_ : array of shape (n_features,)
        What is added to that.
    X_fit_ : array of shape (n_source, n_features) or None
        Rows that the rbf kernel compares with.
    gamma_ : float or None
        Width used.
    value_, gap_ : float
        The objective, divided by the largest cost, and how far above the minimum it is at most.
    n_iter_ : int
        Linear programmes solved.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``(1/n) ||T(X_s) - n P X_t||^2 + cost_weight <P, C> + reg R(T)`` over plans P with uniform marginals and maps T,
    with ``T(x) = L'x + b`` and ``R = v ||L - I||^2``, v the source's mean variance, or ``T(x) = W'k(x) + b`` and
    ``R = tr(W' K W)``. It is POT's objective divided by n, with mu = ``cost_weight`` and eta = ``n v reg`` or ``n reg``; the
    paper weighs the same terms with other constants. Both forms give the same plan and map at any scale of the features.

    The paper alternates between the plan and the map. Given P the best map is a (kernel) ridge regression, whose residual is a
    quadratic form of the images ``n P X_t``: put in, one convex problem in P remains, which simplicial decomposition
    solves to a known distance of the minimum (see `transferkit.ops.transport.quadratic`). Rows of the fit and new ones are
    mapped alike, by T. Target rows are left as they are.

    References
    ----------
    Perrot, Courty, Flamary & Habrard. Mapping Estimation for Discrete Optimal Transport. NIPS 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, MappingOT
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    >>> X[:, 0] += 4 * y
    >>> model = MappingOT().fit(X, y, target=Domain(2 * X + 3))
    >>> bool(abs(model.coef_ - 2 * np.eye(2)).max() < 0.1)
    True
    """

    _constraints: ClassVar = {
        "kernel": Options("linear", "rbf"),
        "cost_weight": Interval(float, 0),
        "reg": Interval(float, 0, closed="neither"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "intercept": Boolean(),
        "limit_max": Interval(float, 1),
        "max_iter": Interval(int, 1),
        "max_pivots": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        kernel: str = "linear",
        cost_weight: float = 1.0,
        reg: float = 1e-3,
        gamma: float | None = None,
        intercept: bool = True,
        limit_max: float = 10.0,
        max_iter: int = 100,
        max_pivots: int = 1_000_000,
        tol: float = 0.01,
        estimator: Any = None,
    ) -> None:
        self.kernel = kernel
        self.cost_weight = cost_weight
        self.reg = reg
        self.gamma = gamma
        self.intercept = intercept
        self.limit_max = limit_max
        self.max_iter = max_iter
        self.max_pivots = max_pivots
        self.tol = tol
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        cost = transport_cost(data, None, self.limit_max)
        unit = float(cost.max()) or 1.0  # the solver's tolerances have a unit, the plan has not
        Xs, Xt = np.asarray(data.Xs, np.float64), np.asarray(data.Xt, np.float64)
        n = len(Xs)
        self.X_fit_ = data.Xs if self.kernel == "rbf" else None
        self.gamma_ = (self.gamma or median_gamma(Xs)) if self.kernel == "rbf" else None
        regress, centre = self._linear(Xs) if self.kernel == "linear" else self._rbf(Xs)
        found = quadratic_plan(
            cost * (self.cost_weight / unit),
            Xs,
            Xt,
            Pull(lambda Z: regress(Z)[1] / (n * unit), centre),
            None,
            max_iter=self.max_iter,
            tol=self.tol,
            max_pivots=self.max_pivots,
        )
        if not found.optimal:
            raise ParamError(
                f"MappingOT.fit: max_pivots must be larger for {n} by {len(Xt)} rows. Got {self.max_pivots}."
            )
        self.coupling_, self.value_, self.gap_, self.n_iter_ = found.plan, found.value, found.gap, found.n_iter
        # A value at the level of rounding has no relative precision.
        if self.gap_ > self.tol * self.value_ + 1e-12:
            warnings.warn(
                f"MappingOT.fit: max_iter must be larger to reach tol={self.tol:g}. Got a gap of"
                f" {self.gap_:.2g} to the minimum at a value of {self.value_:.2g}, after {self.n_iter_} programmes.",
                TransferWarning,
                stacklevel=3,
            )
        images = n * (found.plan @ Xt)
        coef, _ = regress(images - centre)
        inputs = Xs
        if self.kernel == "linear":
            coef = coef + np.eye(Xs.shape[1])
        else:
            inputs = rbf(Xs, Xs, self.gamma_)
        self.intercept_ = (images - inputs @ coef).mean(axis=0) if self.intercept else np.zeros(Xs.shape[1])
        self.coef_ = coef
        return self._map(data.Xs, "source")

    def _linear(self, Xs: Array) -> tuple[Callable[[Array], tuple[Array, Array]], Array]:
        """Ridge regression of displacements on the rows: gives the coefficients and n times the objective's slope."""
        n, d = Xs.shape
        X = Xs - Xs.mean(axis=0) if self.intercept else Xs
        ridge = self.reg * n * (float(Xs.var(axis=0).mean()) or 1.0)
        wide = d > n
        gram = X @ X.T if wide else X.T @ X
        gram.flat[:: len(gram) + 1] += ridge
        factor = cho_factor(gram)

        def regress(Z: Array) -> tuple[Array, Array]:
            Z = Z - Z.mean(axis=0) if self.intercept else Z
            coef = X.T @ cho_solve(factor, Z) if wide else cho_solve(factor, X.T @ Z)
            return coef, Z - X @ coef

        return regress, Xs

    def _rbf(self, Xs: Array) -> tuple[Callable[[Array], tuple[Array, Array]], float]:
        """The same for kernel ridge regression of the images."""
        K = rbf(Xs, Xs, self.gamma_ or 1.0)
        ridge = self.reg * len(Xs)
        K.flat[:: len(K) + 1] += ridge
        factor = cho_factor(K, overwrite_a=True)
        ones = cho_solve(factor, np.ones(len(Xs)))

        def regress(Z: Array) -> tuple[Array, Array]:
            coef = cho_solve(factor, Z)
            if self.intercept:
                coef -= np.outer(ones, coef.sum(axis=0) / ones.sum())
            return coef, ridge * coef

        return regress, 0.0

    def _map(self, X: Array, domain: str) -> Array:
        if domain == "target":
            return X
        inputs = X if self.X_fit_ is None else rbf(X, self.X_fit_, self.gamma_)
        return (inputs @ self.coef_ + self.intercept_).astype(X.dtype, copy=False)
