"""Laplacian optimal transport: the cheapest plan under which rows that are neighbours stay neighbours."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.neighbors import kneighbors_graph

from ...core.base import ESTIMATOR, FeatureTransfer
from ...core.constraints import Boolean, Either, Interval, Nothing, Options, RandomState
from ...core.errors import ParamError, TransferWarning
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.transport.parts import join_plans, transport_parts
from ...ops.transport.plans import barycentric, displace, transport_cost
from ...ops.transport.quadratic import Pull, QuadraticPlan, quadratic_plan

CARD = {
    "class": "LaplaceOT",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Courty, Flamary, Tuia & Rakotomamonjy. Optimal Transport for Domain Adaptation. TPAMI 2017; Flamary, Courty, "
    "Tuia & Rakotomamonjy. Optimal transport with Laplacian regularization. NIPS Workshop OTML 2014.",
    "url": "https://arxiv.org/abs/1507.00504",
}

__all__ = ["LaplaceOT"]


class LaplaceOT(FeatureTransfer):
    """Find a cheap plan that moves neighbouring rows to neighbouring places, and move each source row along it.

    Parameters
    ----------
    reg : float in [0, inf), default=1.0
        Weight of the neighbours' squared distance after the move against the squared distance of the move: both are
        means in the unit of the features, so that it means the same at any scale and number of rows. 0 is the exact plan.
    source_share : float in [0, 1], default=0.5
        Share of the weight on the images of source rows; the rest is on the images of target rows under the plan read
        backwards.
    penalty : {"position", "displacement"}, default="position"
        What neighbours should have in common: the place where they go, or the vector by which they move.
    n_neighbors : int in [1, inf), default=3
        Neighbours of a row within its domain.
    same_class : bool, default=True
        For classes: drop pairs of source rows of different classes, which need not stay together.
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
    approx : {None, "minibatch"}, default=None
        ``"minibatch"`` deals the rows of both domains into parts and seeks the plan of each by itself, with neighbours among
        the rows of the part: time and memory then grow with the number of rows. None is one plan over all rows.
    batch_size : int in [2, inf), default=1000
        Rows of the larger domain in a part, about; with as many as there are it is the whole plan.
    random_state : int, RandomState or None, default=None
        Deals the rows.
    estimator : estimator, default=None
        Fitted on the moved source. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    coupling_ : CSR matrix of shape (n_source, n_target)
        The plan.
    value_, gap_ : float
        The objective, divided by the largest cost, and how far above the minimum it is at most.
    rows_ : array of shape (n_source, n_features)
        The source rows of the fit.
    images_ : array of shape (n_source, n_features)
        Where they go.
    n_iter_ : int
        Linear programmes solved.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``<P, C> + reg (share L(n P X_t; S_s) + (1 - share) L(m P' X_s; S_t))`` over plans P with uniform
    marginals, where ``n P X_t`` are the images of the n source rows, ``S`` is the symmetrised graph of nearest neighbours
    and ``L(Z; S) = sum_ij S_ij ||z_i - z_j||^2 / sum_ij S_ij``; for the displacement, Z is the image minus the row.

    The paper divides by ``n^2`` in place of the graph's total weight, which for k neighbours makes the penalty vanish as k / n:
    its eta is ``2 reg n / k`` in POT's form (``same_class=False``, both domains of n rows). The problem is convex. In place of
    conditional gradients we use simplicial decomposition (see `transferkit.ops.transport.quadratic`), which needs fewer
    linear programmes, the costly part, and knows how far from the minimum it is.

    References
    ----------
    Courty, Flamary, Tuia & Rakotomamonjy. Optimal Transport for Domain Adaptation. TPAMI 39(9), 2017.
    Ferradans, Papadakis, Peyré & Aujol. Regularized Discrete Optimal Transport. SIAM J. Imaging Sciences 7(3), 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, LaplaceOT
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    >>> X[:, 0] += 4 * y
    >>> model = LaplaceOT().fit(X, y, target=Domain(X + 3))
    >>> model.score(X + 3, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "reg": Interval(float, 0),
        "source_share": Interval(float, 0, 1),
        "penalty": Options("position", "displacement"),
        "n_neighbors": Interval(int, 1),
        "same_class": Boolean(),
        "limit_max": Interval(float, 1),
        "max_iter": Interval(int, 1),
        "max_pivots": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
        "approx": Either(Nothing(), Options("minibatch")),
        "batch_size": Interval(int, 2),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        reg: float = 1.0,
        source_share: float = 0.5,
        penalty: str = "position",
        n_neighbors: int = 3,
        same_class: bool = True,
        limit_max: float = 10.0,
        max_iter: int = 100,
        max_pivots: int = 1_000_000,
        tol: float = 0.01,
        approx: str | None = None,
        batch_size: int = 1000,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.reg = reg
        self.source_share = source_share
        self.penalty = penalty
        self.n_neighbors = n_neighbors
        self.same_class = same_class
        self.limit_max = limit_max
        self.max_iter = max_iter
        self.max_pivots = max_pivots
        self.tol = tol
        self.approx = approx
        self.batch_size = batch_size
        self.random_state = random_state
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        parts = transport_parts(data, self.approx, self.batch_size, self.random_state)
        found = [self._plan(part) for _, _, part in parts]
        self.coupling_ = join_plans(parts, [one.plan for one in found], (len(data.Xs), len(data.Xt)))
        shares = np.array([len(s) for s, _, _ in parts]) / len(data.Xs)
        self.value_, self.gap_ = (float(shares @ [getattr(one, name) for one in found]) for name in ("value", "gap"))
        self.n_iter_ = max(one.n_iter for one in found)
        # A value at the level of rounding has no relative precision.
        if self.gap_ > self.tol * self.value_ + 1e-12:
            warnings.warn(
                f"LaplaceOT.fit: max_iter must be larger to reach tol={self.tol:g}. Got a gap of"
                f" {self.gap_:.2g} to the minimum at a value of {self.value_:.2g}, after {self.n_iter_} programmes.",
                TransferWarning,
                stacklevel=3,
            )
        self.rows_, self.images_ = data.Xs, barycentric(self.coupling_, data.Xt)
        return self.images_

    def _plan(self, data: TransferData) -> QuadraticPlan:
        cost = transport_cost(data, None, self.limit_max)
        unit = float(cost.max()) or 1.0  # the solver's tolerances have a unit, the plan has not
        codes = data.codes if self.same_class and data.classes is not None else None
        Xs, Xt = np.asarray(data.Xs, np.float64), np.asarray(data.Xt, np.float64)
        origin = Xt.mean(axis=0)
        found = quadratic_plan(
            cost / unit,
            Xs - origin,
            Xt - origin,
            self._pull(Xs - origin, codes, self.source_share / unit),
            self._pull(Xt - origin, None, (1 - self.source_share) / unit),
            max_iter=self.max_iter,
            tol=self.tol,
            max_pivots=self.max_pivots,
        )
        if not found.optimal:
            raise ParamError(
                f"LaplaceOT.fit: max_pivots must be larger for {len(Xs)} by {len(Xt)} rows. Got {self.max_pivots}."
            )
        return found

    def _pull(self, X: Array, codes: Array | None, weight: float) -> Pull | None:
        """The quadratic form of one domain's images; None where it is 0."""
        if self.reg * weight == 0 or len(X) < 2:
            return None
        graph = kneighbors_graph(X, min(self.n_neighbors, len(X) - 1)).tocoo()
        if codes is not None:
            graph.data[codes[graph.row] != codes[graph.col]] = 0
        graph = sparse.csr_matrix(graph + graph.T)
        total = float(graph.sum())
        if total == 0:
            return None
        degrees = np.asarray(graph.sum(axis=1)).ravel()
        # sum_ij S_ij ||z_i - z_j||^2 is twice the trace of Z' (D - S) Z.
        laplacian = (sparse.diags(degrees) - graph) * (2 * self.reg * weight / total)
        return Pull(lambda Z: laplacian @ Z, X if self.penalty == "displacement" else 0.0)

    def _map(self, X: Array, domain: str) -> Array:
        return X if domain == "target" else displace(X, self.rows_, self.images_)
