"""Class-regularised optimal transport: each target row receives its mass from source rows of one class."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, FeatureTransfer
from ...core.constraints import Either, Interval, Nothing, Options, RandomState
from ...core.errors import DomainError, TransferWarning
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.transport.class_penalties import class_plan
from ...ops.transport.parts import transport_parts
from ...ops.transport.plans import barycentric, displace, transport_cost

CARD = {
    "class": "ClassRegularisedOT",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "scaling": "domain",
    "portfolio": ({"reg": 0.1, "reg_class": 0.1},),
    "paper": "Courty, Flamary & Tuia. Domain adaptation with regularized optimal transport. ECML PKDD 2014; Courty, "
    "Flamary, Tuia & Rakotomamonjy. Optimal Transport for Domain Adaptation. TPAMI 2017.",
    "url": "https://arxiv.org/abs/1507.00504",
}

__all__ = ["ClassRegularisedOT"]


class ClassRegularisedOT(FeatureTransfer):
    """Entropic transport with a penalty on target rows that receive mass from several source classes.

    Parameters
    ----------
    reg : float in (0, inf), default=0.1
        Weight of the entropy, in units of the cost after `norm`.
    reg_class : float in [0, inf), default=0.1
        Weight of the class penalty; 0 is entropic transport. The penalty ``"lp_l1"`` grows with the square root of the
        number of target rows.
    penalty : {"lp_l1", "l1_l2"}, default="lp_l1"
        ``"lp_l1"``: square root of the mass that a target row receives from a class, summed (Courty et al. 2014; not
        convex). ``"l1_l2"``: Euclidean norm of what it receives from the rows of a class, summed (group lasso, Courty
        et al. 2017; convex).
    norm : {"median", "max"} or None, default="median"
        What squared distances are divided by. None leaves them as they are.
    limit_max : float in [1, inf), default=10.0
        The cost of moving a source row onto a target row that is known to be of another class, in units of the largest
        cost.
    max_iter : int in [1, inf), default=200
        Entropic problems solved at most, one after the other.
    max_inner_iter : int in [1, inf), default=2000
        Scaling iterations at most in each of them.
    tol : float in (0, inf), default=1e-5
        Stops when a step moves less than this share of the mass; marginals are met to the same L1 distance. A
        `TransferWarning` says so where `max_iter` was reached before.
    approx : {None, "minibatch"}, default=None
        ``"minibatch"`` deals the rows of both domains into parts and seeks the plan of each by itself: time and memory then
        grow with the number of rows, not with its square. None is one plan over all rows.
    batch_size : int in [2, inf), default=1000
        Rows of the larger domain in a part, about; with as many as there are it is the whole plan.
    random_state : int, RandomState or None, default=None
        Deals the rows.
    estimator : estimator, default=None
        Fitted on the moved source. None is logistic regression.

    Attributes
    ----------
    class_mass_ : array of shape (n_classes, n_target)
        Share of each target row's mass that comes from each class; columns sum to 1.
    rows_ : array of shape (n_source, n_features)
        The source rows of the fit.
    images_ : array of shape (n_source, n_features)
        Where they go.
    n_iter_ : int
        Entropic problems solved.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Minimises ``<P, C> + reg * sum_ij P_ij log P_ij + reg_class * Omega(P)`` over plans P with uniform marginals. With
    ``P_cj`` the entries of column j in the rows of class c, ``Omega`` is

    - ``sum_cj (sum P_cj + 1e-3)^(1/2)`` for ``"lp_l1"``, solved by majorisation-minimisation as in the paper: the
      concave root is replaced by its tangent, which is one more entropic problem. The objective falls at each step;
    - ``sum_cj ||P_cj||_2`` for ``"l1_l2"``. The paper uses a generalised conditional gradient with a line search. We
      take Bregman proximal steps: the Hessian of ``||x||_2`` is below ``diag(1 / x)``, that of the entropy, so that
      with the entropy as distance the step ``1 / reg_class`` needs no line search, falls at each step and converges
      linearly to the same, unique, minimum. Each step is an entropic problem with ``reg + reg_class``.

    Every entropic problem starts from the potentials of the last and is solved as precisely as the last step was long, in single
    precision while that is enough; the final one to `tol`. A source row goes to the mean of the target rows,
    weighted by its row of P; a new one moves like the nearest row of the fit.

    References
    ----------
    Courty, Flamary & Tuia. Domain adaptation with regularized optimal transport. ECML PKDD 2014.
    Courty, Flamary, Tuia & Rakotomamonjy. Optimal Transport for Domain Adaptation. TPAMI 39(9), 2017.
    Lu, Freund & Nesterov. Relatively Smooth Convex Optimization by First-Order Methods. SIAM J. Optim. 28(1), 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import ClassRegularisedOT, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    >>> X[:, 0] += 4 * y
    >>> model = ClassRegularisedOT().fit(X, y, target=Domain(X + 3))
    >>> model.score(X + 3, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "reg": Interval(float, 0, closed="neither"),
        "reg_class": Interval(float, 0),
        "penalty": Options("lp_l1", "l1_l2"),
        "norm": Either(Options("median", "max"), Nothing()),
        "limit_max": Interval(float, 1),
        "max_iter": Interval(int, 1),
        "max_inner_iter": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
        "approx": Either(Nothing(), Options("minibatch")),
        "batch_size": Interval(int, 2),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        reg: float = 0.1,
        reg_class: float = 0.1,
        penalty: str = "lp_l1",
        norm: str | None = "median",
        limit_max: float = 10.0,
        max_iter: int = 200,
        max_inner_iter: int = 2000,
        tol: float = 1e-5,
        approx: str | None = None,
        batch_size: int = 1000,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.reg = reg
        self.reg_class = reg_class
        self.penalty = penalty
        self.norm = norm
        self.limit_max = limit_max
        self.max_iter = max_iter
        self.max_inner_iter = max_inner_iter
        self.tol = tol
        self.approx = approx
        self.batch_size = batch_size
        self.random_state = random_state
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        if data.classes is None:
            raise DomainError("ClassRegularisedOT.fit: y must hold classes. Unknown label type: continuous.")
        n_classes = len(data.classes)
        self.class_mass_ = np.empty((n_classes, len(data.Xt)))
        self.rows_, self.images_, self.n_iter_ = data.Xs, np.empty_like(data.Xs), 0
        moved = error = 0.0
        for s, t, part in transport_parts(data, self.approx, self.batch_size, self.random_state):
            members = (part.codes == np.arange(n_classes)[:, None]).astype(np.float64)
            found = class_plan(
                transport_cost(part, self.norm, self.limit_max), members, self.penalty, self.reg, self.reg_class,
                max_iter=self.max_iter, max_inner_iter=self.max_inner_iter, tol=self.tol,
            )  # fmt: skip
            mass = members @ found.plan
            self.class_mass_[:, t] = mass / mass.sum(axis=0)
            self.images_[s] = barycentric(found.plan, part.Xt)
            self.n_iter_ = max(self.n_iter_, found.n_iter)
            moved, error = max(moved, found.moved), max(error, found.error)
        if not error <= self.tol or moved > self.tol:
            warnings.warn(
                f"ClassRegularisedOT.fit: max_iter, max_inner_iter or reg must be larger to reach tol={self.tol:g}. Got a"
                f" last step of {moved:.2g} and a marginal error of {error:.2g}, after {self.n_iter_} problems.",
                TransferWarning,
                stacklevel=3,
            )
        return self.images_

    def _map(self, X: Array, domain: str) -> Array:
        return X if domain == "target" else displace(X, self.rows_, self.images_)
