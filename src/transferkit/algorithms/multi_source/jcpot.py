"""JCPOT: find the target's class shares by transport from all sources at once, and carry their labels over."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import numpy as np

from ...core.base import ShallowTransfer
from ...core.constraints import Either, EstimatorLike, Interval, Nothing, Options
from ...core.errors import DomainError, TransferWarning
from ...core.protocols import Domain
from ...core.soft_labels import fit_soft
from ...core.validation import check_rows, check_transfer
from ...ops.transport.plans import transport_cost
from ...ops.transport.several_sources import shared_class_shares

CARD = {
    "class": "JCPOT",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label", "multi_source", "label_shift"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Redko, Courty, Flamary & Tuia. Optimal Transport for Multi-source Domain Adaptation under Target Shift. AISTATS "
    "2019.",
    "url": "https://arxiv.org/abs/1803.04899",
}

__all__ = ["JCPOT"]


class JCPOT(ShallowTransfer):
    """Find the class shares under which every source is cheap to carry to the target, and give target rows the labels that come.

    Parameters
    ----------
    reg : float in (0, inf), default=0.1
        Weight of the plans' entropy, in units of the cost after `norm`.
    norm : {"median", "max"} or None, default="median"
        What squared distances, of all sources alike, are divided by. None leaves them as they are.
    limit_max : float in [1, inf), default=10.0
        The cost of moving a source row onto a target row that is known to be of another class, in units of the largest
        cost.
    max_iter : int in [1, inf), default=2000
        Iterations at most. A `TransferWarning` says so where they were not enough.
    tol : float in (0, inf), default=1e-6
        Stops when no share changes by more.
    estimator : classifier, default=None
        Fitted on the target's rows and the labels that arrive; must take ``sample_weight``. None is logistic regression.

    Attributes
    ----------
    target_prior_ : array of shape (n_classes,)
        Estimated class shares of the target.
    labels_target_ : array of shape (n_target, n_classes)
        Shares of classes that arrive at each target row, averaged over the sources; known labels are as they are.
    n_iter_ : int
        Iterations used.
    estimator_ : classifier
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    With one plan P_k for each source (``groups`` says which row is of which), minimises ``sum_k <P_k, C_k> + reg sum P_k (log
    P_k - 1)``, all sources weighed alike, over plans whose columns have the target's uniform weights and whose rows are
    weighed so that class c has the share h_c in every source, and over h. The solution comes from alternating Bregman
    projections (proposition 4), done here as scalings of fixed kernels, with which no row under- or overflows. The classes
    that arrive at a target row are its soft labels.

    Where a class keeps its distribution and only the shares move (target shift), h is the target's shares. Without
    ``groups`` there is one source. A source may lack a class, for which the paper has no solution: see
    `transferkit.ops.transport.several_sources`. The paper labels target rows only; the inner fit makes the labels
    into a predictor for new rows.

    References
    ----------
    Redko, Courty, Flamary & Tuia. Optimal Transport for Multi-source Domain Adaptation under Target Shift. AISTATS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import JCPOT, Domain
    >>> rng = np.random.default_rng(0)
    >>> groups, y = np.repeat([0, 1], 60), (np.arange(120) % 10 < np.repeat([3, 6], 60)).astype(int)
    >>> yt = (np.arange(100) % 10 < 9).astype(int)
    >>> X, Xt = rng.normal(size=(120, 2)) + 5 * y[:, None], rng.normal(size=(100, 2)) + 5 * yt[:, None]
    >>> model = JCPOT(reg=0.01).fit(X, y, target=Domain(Xt), groups=groups)
    >>> bool(abs(model.target_prior_[1] - 0.9) < 0.03)
    True
    """

    _constraints: ClassVar = {
        "reg": Interval(float, 0, closed="neither"),
        "norm": Either(Options("median", "max"), Nothing()),
        "limit_max": Interval(float, 1),
        "max_iter": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
        "estimator": Either(Nothing(), EstimatorLike("fit", "predict")),
    }

    def __init__(
        self,
        reg: float = 0.1,
        norm: str | None = "median",
        limit_max: float = 10.0,
        max_iter: int = 2000,
        tol: float = 1e-6,
        estimator: Any = None,
    ) -> None:
        self.reg = reg
        self.norm = norm
        self.limit_max = limit_max
        self.max_iter = max_iter
        self.tol = tol
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups)
        if data.classes is None:
            raise DomainError("JCPOT.fit: y must hold classes. Unknown label type: continuous.")
        n_classes, m = len(data.classes), len(data.Xt)
        cost = transport_cost(data, self.norm, self.limit_max)
        group = (
            np.zeros(len(data.ys), dtype=int) if data.groups is None else np.unique(data.groups, return_inverse=True)[1]
        )
        members = [np.flatnonzero(group == k) for k in range(group.max() + 1)]
        codes = [data.codes[rows] for rows in members]
        found = shared_class_shares(
            [cost[rows] for rows in members], codes, n_classes, self.reg, max_iter=self.max_iter, tol=self.tol
        )
        if not found.error <= self.tol:
            warnings.warn(
                f"JCPOT.fit: max_iter or reg must be larger to reach tol={self.tol:g}."
                f" Got a change of {found.error:.2g} after {found.n_iter} iterations.",
                TransferWarning,
                stacklevel=2,
            )
        one_hot = np.eye(n_classes)
        labels = m * sum((P.T @ one_hot[code] for P, code in zip(found.plans, codes)), start=np.zeros((m, n_classes)))
        labels /= labels.sum(axis=1, keepdims=True)
        labels[data.known] = one_hot[data.codes_t]
        self.target_prior_, self.labels_target_, self.n_iter_ = found.shares, labels, found.n_iter
        self.estimator_ = fit_soft(self, data.Xt, labels, data.classes)
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method)
