"""GOAT: self-training through made-up domains that lie on the way of optimal transport from the source to the target."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.linear_model import LogisticRegression

from ...core.base import ESTIMATOR, ShallowTransfer, fit_inner, stack
from ...core.constraints import Interval
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...core.validation import check_rows, check_transfer
from ...ops.transport.plans import plan_of, transport_cost

CARD = {
    "class": "GOAT",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "source",
    "paper": "He, Wang, Li & Zhao. Gradual Domain Adaptation: Theory and Algorithms. JMLR 2024.",
    "url": "https://arxiv.org/abs/2310.13852",
}

__all__ = ["GOAT"]


class GOAT(ShallowTransfer):
    """Walk from the source to the target in small steps of optimal transport, and let the model relabel itself at each.

    Parameters
    ----------
    n_steps : int in [1, inf), default=10
        Steps; the last ends at the target. 1 is plain self-training, once.
    drop : float in [0, 1), default=0.1
        Share of the rows, the least confident, that a step leaves out of the fit. More than 0 needs an inner estimator
        with ``predict_proba``.
    limit_max : float in [1, inf), default=10.0
        The cost of matching a source row to a target row that is known to be of another class, in units of the largest
        cost.
    max_pivots : int in [1, inf), default=1_000_000
        Pivots of the network simplex at most; a `ParamError` says so where they were not enough.
    estimator : classifier, default=None
        Trained anew in each step; must take ``sample_weight`` where the domains differ in their number of rows. None is
        logistic regression.

    Attributes
    ----------
    agreement_ : array of shape (n_steps,)
        Share of the mass, in each step, whose new label is the one of the source row that it comes from. It stays
        near 1 where the labels follow the transport; the plan may be wrong where it falls, or the self-training.
    pseudo_labels_ : array of shape (n_target,)
        Labels that the last step gave the target's rows; known ones are as they are.
    estimator_ : classifier
        The classifier of the last step.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    With P the exact plan for squared distances, the domain at ``t`` in [0, 1] holds for each entry ``P_ij > 0`` the row
    ``(1 - t) x_i + t x_j`` with that weight: McCann's interpolation, the shortest way between the two distributions,
    of at most ``n_source + n_target - 1`` rows. The theory of gradual self-training asks for many domains near each other on a
    short way; this is the shortest. In each step the last model labels the next domain, the least confident rows
    are left out, and a new model is trained on the rest with its own labels alone; the last step is on the target's rows.

    The paper works in the features of a network and may also be given real domains in between; here rows are used
    as they are. A class that a step predicts nowhere keeps one row that comes from it. Known target labels are trained on
    in each step and make matches with other classes prohibitive. `drop` and the exact plan are those of the authors' code; there a
    step goes on from the last network, where an estimator begins anew, and a row's confidence is its largest logit less its
    smallest, which is here its largest probability.

    References
    ----------
    He, Wang, Li & Zhao. Gradual Domain Adaptation: Theory and Algorithms. JMLR 25, 2024.
    Kumar, Ma & Liang. Understanding Self-Training for Gradual Domain Adaptation. ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import GOAT, Domain, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 2)), np.arange(80) % 2
    >>> X[:, 0] += 6 * y
    >>> Xt = X + [5, 0]  # the first class now stands where the second stood
    >>> SourceOnly().fit(X, y, target=Domain(Xt)).score(Xt, y) < 0.7
    True
    >>> GOAT().fit(X, y, target=Domain(Xt)).score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "n_steps": Interval(int, 1),
        "drop": Interval(float, 0, 1, closed="left"),
        "limit_max": Interval(float, 1),
        "max_pivots": Interval(int, 1),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        n_steps: int = 10,
        drop: float = 0.1,
        limit_max: float = 10.0,
        max_pivots: int = 1_000_000,
        estimator: Any = None,
    ) -> None:
        self.n_steps = n_steps
        self.drop = drop
        self.limit_max = limit_max
        self.max_pivots = max_pivots
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups)
        if data.classes is None:
            raise DomainError("GOAT.fit: y must hold classes. Unknown label type: continuous.")
        inner = LogisticRegression() if self.estimator is None else self.estimator
        if self.drop > 0 and not hasattr(inner, "predict_proba"):
            raise ParamError(
                f"GOAT.fit: estimator must have predict_proba, or set drop=0. Got {type(inner).__name__}, which has not."
            )
        cost = transport_cost(data, "max", self.limit_max)
        plan, _ = plan_of("GOAT.fit", cost, 0, max_pivots=self.max_pivots)
        pairs = plan.tocoo()
        origin, mass = data.codes[pairs.row], pairs.data / pairs.data.mean()
        model = fit_inner(self, data.task, stack(data.Xs, data.Xt_known), np.concatenate([data.ys, data.yt]))
        agreement = []
        for t in np.arange(1, self.n_steps + 1) / self.n_steps:
            rows = ((1 - t) * data.Xs[pairs.row] + t * data.Xt[pairs.col]).astype(data.Xs.dtype, copy=False)
            codes = np.searchsorted(data.classes, model.predict(rows))
            agreement.append(float(mass @ (codes == origin) / mass.sum()))
            kept = self._surest(model, rows, mass)
            absent = np.setdiff1d(data.classes, np.append(data.classes[codes[kept]], data.yt))
            for c in np.searchsorted(data.classes, absent):
                row = np.flatnonzero(origin == c)[0]
                kept, codes = np.append(kept, row), np.where(np.arange(len(codes)) == row, c, codes)
            weights = np.concatenate([mass[kept], np.ones(len(data.yt))])
            model = fit_inner(
                self,
                data.task,
                stack(rows[kept], data.Xt_known),
                np.concatenate([data.classes[codes[kept]], data.yt]),
                None if np.allclose(weights, 1) else weights,
            )
        self.pseudo_labels_ = np.empty(len(data.Xt), dtype=data.classes.dtype)
        self.pseudo_labels_[pairs.col] = data.classes[codes]
        self.pseudo_labels_[data.known] = data.yt
        self.agreement_, self.estimator_ = np.array(agreement), model
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _surest(self, model: Any, rows: Array, mass: Array) -> Array:
        """Positions of the rows that stay when the share `drop` of the mass, the least confident, is left out."""
        if self.drop == 0:
            return np.arange(len(rows))
        order = np.argsort(model.predict_proba(rows).max(axis=1), kind="stable")
        return np.sort(order[np.cumsum(mass[order]) > self.drop * mass.sum()])

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method)
