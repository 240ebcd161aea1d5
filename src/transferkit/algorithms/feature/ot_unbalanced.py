"""Unbalanced optimal transport: source rows that resemble no target row may stay behind instead of being forced onto one."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import numpy as np

from ...core.base import ESTIMATOR, FeatureTransfer, fit_inner, stack
from ...core.constraints import Boolean, Either, Interval, Nothing, Options, RandomState
from ...core.errors import DomainError, TransferWarning
from ...core.protocols import Array, Domain
from ...core.validation import TransferData, check_transfer
from ...ops.transport.parts import transport_parts
from ...ops.transport.plans import displace, transport_cost
from ...ops.transport.relaxed import partial_plan, unbalanced_plan

CARD = {
    "class": "UnbalancedOT",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label", "partial", "label_shift"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Chizat, Peyré, Schmitzer & Vialard. Scaling Algorithms for Unbalanced Optimal Transport Problems. Mathematics of "
    "Computation 2018.",
    "url": "https://arxiv.org/abs/1607.05816",
}

__all__ = ["UnbalancedOT"]


class UnbalancedOT(FeatureTransfer):
    """Move source rows along an entropic plan that need not carry all of them, and weigh each by how much of it is carried.

    Parameters
    ----------
    reg : float in (0, inf), default=0.1
        Weight of the entropy, in units of the cost after `norm`.
    relax : {"kl", "partial"}, default="kl"
        ``"kl"`` lets both marginals differ from uniform at a price, so that rows far from the other domain lose most of
        their mass. ``"partial"`` carries exactly the share `mass` and no row more than its own.
    reg_marginal : float in (0, inf), default=0.5
        Price of a marginal that is not uniform, for ``"kl"``, in units of the cost after `norm`: mass that would travel
        farther than about twice this stays behind. Large values are entropic transport.
    mass : float in (0, 1), default=0.9
        The share of both domains that is carried, for ``"partial"``.
    weigh : bool, default=True
        Weigh each moved row in the inner fit with the share of its mass that was carried. False gives all rows the same
        weight, as an inner estimator without ``sample_weight`` needs.
    norm : {"median", "max"} or None, default="median"
        What squared distances are divided by. None leaves them as they are.
    limit_max : float in [1, inf), default=10.0
        For classes: the cost of moving a source row onto a target row that is known to be of another class, in units of
        the largest cost.
    max_iter : int in [1, inf), default=2000
        Scaling iterations at most.
    tol : float in (0, inf), default=1e-5
        The scaling stops when no scaling changes by more than this share. A `TransferWarning` says so where `max_iter` was
        reached before.
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
    mass_source_, mass_target_ : arrays of shape (n_source,) and (n_target,)
        Share of each row's mass that is carried: 1 is all of it. With ``"kl"`` it can be more than 1.
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
    With a and b uniform and ``KL(p | q) = sum p log(p / q) - p + q``, ``"kl"`` minimises over ``P >= 0``

    ``<P, C> + reg KL(P | a b') + reg_marginal (KL(P 1 | a) + KL(P' 1 | b))``

    and ``"partial"`` minimises ``<P, C> + reg sum P (log P - 1)`` over ``P 1 <= a, P' 1 <= b, sum P = mass`` (Benamou et
    al. 2015, section 5). C holds squared Euclidean distances. A source row goes to the mean of the target rows,
    weighted by its row of P; a new one moves like the nearest row of the fit.

    Where a source class is missing in the target, balanced transport has to put its rows somewhere, on rows of
    other classes. Here they keep little mass and, by `weigh`, little say; the papers leave open what to do with
    the mass in the inner fit. The solver is described at `transferkit.ops.transport.relaxed`; an iteration is two
    products with a matrix of n_source x n_target.

    References
    ----------
    Chizat, Peyré, Schmitzer & Vialard. Scaling Algorithms for Unbalanced Optimal Transport Problems. Math. Comp. 87, 2018.
    Benamou, Carlier, Cuturi, Nenna & Peyré. Iterative Bregman Projections for Regularized Transportation Problems. SIAM J.
    Sci. Comput. 37(2), 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, UnbalancedOT
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(90, 2)), np.arange(90) % 3
    >>> X[:, 0] += 6 * y
    >>> # The target lacks the third class.
    >>> model = UnbalancedOT(reg_marginal=0.2).fit(X, y, target=Domain(X[y < 2] + [1, 0]))
    >>> model.score(X[y < 2] + [1, 0], y[y < 2]) > 0.9
    True
    >>> bool(model.mass_source_[y == 2].mean() < 0.2)
    True
    """

    _constraints: ClassVar = {
        "reg": Interval(float, 0, closed="neither"),
        "relax": Options("kl", "partial"),
        "reg_marginal": Interval(float, 0, closed="neither"),
        "mass": Interval(float, 0, 1, closed="neither"),
        "weigh": Boolean(),
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
        relax: str = "kl",
        reg_marginal: float = 0.5,
        mass: float = 0.9,
        weigh: bool = True,
        norm: str | None = "median",
        limit_max: float = 10.0,
        max_iter: int = 2000,
        tol: float = 1e-5,
        approx: str | None = None,
        batch_size: int = 1000,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.reg = reg
        self.relax = relax
        self.reg_marginal = reg_marginal
        self.mass = mass
        self.weigh = weigh
        self.norm = norm
        self.limit_max = limit_max
        self.max_iter = max_iter
        self.tol = tol
        self.approx = approx
        self.batch_size = batch_size
        self.random_state = random_state
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups)
        rows, labels = stack(self._fit_map(data), data.Xt_known), np.concatenate([data.ys, data.yt])
        weights = None
        if self.weigh:
            total = self.mass_source_.sum()
            if total < np.finfo(np.float64).tiny:
                raise DomainError(
                    "UnbalancedOT.fit: target.X must be nearer to the source, or reg_marginal larger."
                    " Got a plan that carries nothing."
                )
            weights = np.concatenate([self.mass_source_ * (len(data.Xs) / total), np.ones(len(data.yt))])
        self.estimator_ = fit_inner(self, data.task, rows, labels, weights)
        return self

    fit.__doc__ = FeatureTransfer.fit.__doc__

    def _fit_map(self, data: TransferData) -> Array:
        solve, price = (unbalanced_plan, self.reg_marginal) if self.relax == "kl" else (partial_plan, self.mass)
        self.mass_source_, self.mass_target_ = np.empty(len(data.Xs)), np.empty(len(data.Xt))
        self.rows_, self.images_, self.n_iter_, error = data.Xs, np.empty_like(data.Xs), 0, 0.0
        for s, t, part in transport_parts(data, self.approx, self.batch_size, self.random_state):
            cost = transport_cost(part, self.norm, self.limit_max)
            found = solve(cost, self.reg, price, max_iter=self.max_iter, tol=self.tol)
            self.mass_source_[s] = len(s) * found.plan.sum(axis=1)
            self.mass_target_[t] = len(t) * found.plan.sum(axis=0)
            self.images_[s] = found.rows @ part.Xt
            self.n_iter_, error = max(self.n_iter_, found.n_iter), max(error, found.error)
        if not error <= self.tol:
            warnings.warn(
                f"UnbalancedOT.fit: max_iter or reg must be larger to reach tol={self.tol:g}."
                f" Got a change of {error:.2g} after {self.n_iter_} iterations.",
                TransferWarning,
                stacklevel=3,
            )
        return self.images_

    def _map(self, X: Array, domain: str) -> Array:
        return X if domain == "target" else displace(X, self.rows_, self.images_)
