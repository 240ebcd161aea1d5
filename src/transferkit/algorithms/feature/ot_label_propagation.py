"""Label propagation by optimal transport: each target row gets the labels of the source rows that are matched to it."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from ...core.base import ESTIMATOR, ShallowTransfer, fit_inner
from ...core.constraints import Boolean, Either, Interval, Nothing, Options
from ...core.protocols import Array, Domain
from ...core.soft_labels import fit_soft
from ...core.validation import check_rows, check_transfer
from ...ops.transport.plans import plan_of, transport_cost

CARD = {
    "class": "OTLabelPropagation",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Solomon, Rustamov, Guibas & Butscher. Wasserstein Propagation for Semi-Supervised Learning. ICML 2014; Redko, "
    "Courty, Flamary & Tuia. Optimal Transport for Multi-source Domain Adaptation under Target Shift. AISTATS 2019.",
    "url": "https://arxiv.org/abs/1803.04899",
}

__all__ = ["OTLabelPropagation"]


class OTLabelPropagation(ShallowTransfer):
    """Carry the source's labels, not its rows, along the transport plan, and fit the inner estimator on the target's own rows.

    Parameters
    ----------
    reg : float in [0, inf), default=0.0
        Weight of the plan's entropy, in units of the cost after `norm`. 0 is the exact plan.
    hard : bool, default=False
        For classes: train on each row's likeliest class, as skada does, in place of the shares of the classes. No
        ``sample_weight`` is needed then. A class that is likeliest nowhere keeps the row that is likeliest to have it.
    norm : {"median", "max"} or None, default="median"
        What squared distances are divided by. None leaves them as they are.
    limit_max : float in [1, inf), default=10.0
        For classes: the cost of matching a source row to a target row that is known to be of another class, in units of
        the largest cost.
    max_iter : int in [1, inf), default=2000
        Scaling iterations at most, where ``reg > 0``. A `TransferWarning` says so where they were not enough.
    max_pivots : int in [1, inf), default=1_000_000
        Pivots of the network simplex at most, where ``reg == 0``; a `ParamError` says so where they were not enough.
    estimator : estimator, default=None
        Fitted on the target. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    labels_target_ : array of shape (n_target, n_classes) or (n_target,)
        What arrives at each target row: shares of classes that sum to 1, or the mean of the values. Known labels are as
        they are.
    n_iter_ : int
        Scaling iterations used; 1 for the exact plan.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    With P the plan between uniform weights and Y the source's labels, as one column a class or as values, target rows get
    ``m P' Y``: for each, the mean of the labels that are matched to it. That is the discrete form of Wasserstein
    propagation, and the step with which JCPOT ends. Unlike the barycentric map it leaves rows in place, so that nothing
    is lost where a plan blurs the source, and needs no image for a row that is new.

    References
    ----------
    Solomon, Rustamov, Guibas & Butscher. Wasserstein Propagation for Semi-Supervised Learning. ICML 2014.
    Redko, Courty, Flamary & Tuia. Optimal Transport for Multi-source Domain Adaptation under Target Shift. AISTATS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, OTLabelPropagation
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    >>> X[:, 0] += 4 * y
    >>> model = OTLabelPropagation().fit(X, y, target=Domain(X + 3))
    >>> model.score(X + 3, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "reg": Interval(float, 0),
        "hard": Boolean(),
        "norm": Either(Options("median", "max"), Nothing()),
        "limit_max": Interval(float, 1),
        "max_iter": Interval(int, 1),
        "max_pivots": Interval(int, 1),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        reg: float = 0.0,
        hard: bool = False,
        norm: str | None = "median",
        limit_max: float = 10.0,
        max_iter: int = 2000,
        max_pivots: int = 1_000_000,
        estimator: Any = None,
    ) -> None:
        self.reg = reg
        self.hard = hard
        self.norm = norm
        self.limit_max = limit_max
        self.max_iter = max_iter
        self.max_pivots = max_pivots
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups)
        cost = transport_cost(data, self.norm, self.limit_max)
        plan, self.n_iter_ = plan_of(
            "OTLabelPropagation.fit", cost, self.reg, max_pivots=self.max_pivots, max_iter=self.max_iter
        )
        mass = np.asarray(plan.sum(axis=0)).ravel()
        if data.classes is None:
            labels = plan.T @ data.ys / mass
            labels[data.known] = data.yt
            self.estimator_ = fit_inner(self, data.task, data.Xt, labels)
        else:
            one_hot = np.eye(len(data.classes))
            labels = plan.T @ one_hot[data.codes] / mass[:, None]
            labels[data.known] = one_hot[data.codes_t]
            self.estimator_ = (
                self._fit_hard(data, labels) if self.hard else fit_soft(self, data.Xt, labels, data.classes)
            )
        self.labels_target_ = labels
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _fit_hard(self, data: Any, labels: Array) -> Any:
        codes = labels.argmax(axis=1)
        rows = np.arange(len(codes))
        absent = np.setdiff1d(np.arange(len(data.classes)), codes)
        rows = np.append(rows, labels[:, absent].argmax(axis=0))
        return fit_inner(self, data.task, data.Xt[rows], data.classes[np.append(codes, absent)])

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method)
