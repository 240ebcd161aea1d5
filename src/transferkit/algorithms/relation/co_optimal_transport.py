"""COOT: rows coupled with rows and columns with columns at once, so that both tables look alike."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, fit_inner, stack
from ...core.constraints import Either, Interval, Nothing
from ...core.errors import DomainError, TransferWarning
from ...core.heterogeneous import HeterogeneousData
from ...core.plan_transfer import PlanTransfer, label_mismatch, to_unit_scale
from ...core.protocols import Array
from ...ops.folds import deal_folds
from ...ops.transport.plans import sinkhorn

CARD = {
    "class": "CoOptimalTransport",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label", "heterogeneous"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Redko, Vayer, Flamary & Courty. CO-Optimal Transport. NeurIPS 2020.",
    "url": "https://arxiv.org/abs/2002.03731",
}

__all__ = ["CoOptimalTransport"]


class CoOptimalTransport(PlanTransfer):
    """Couple the rows and the columns of two tables by the values in them; known labels and pairs help the rows.

    Parameters
    ----------
    label_weight : float in [0, inf), default=1.0
        Cost of coupling rows that are known to differ, in units of the mean squared difference of two values.
    sample_reg : float in [0, inf), default=0.0
        Strength of the entropy of the rows' plan, in the same units: it spreads each row over several. None tries 0, 0.01,
        0.03 and 0.1 and takes the one that predicts known target labels best that are held out in turn.
    feature_reg : float in [0, inf), default=0.0
        The same for the columns' plan.
    max_iter : int in [1, inf), default=100
        Rounds of rows and columns at most; a `TransferWarning` says so where they were not enough.
    estimator : estimator, default=None
        Fitted among the target's rows, on the images of the source's and on the known ones. None is logistic regression, or
        ridge regression for numbers.

    Attributes
    ----------
    row_plan_ : array of shape (n_source, n_target)
        Mass that each source row sends to each target row; it sums to 1.
    column_plan_ : array of shape (n_features_source, n_features)
        The same for columns: which of them mean the same.
    sample_reg_ : float
        Strength that was used for the rows.
    cost_ : float
        What was minimised, at the end; with the entropies where they count.
    n_iter_ : int
        Rounds made.
    rows_, images_ : arrays of shape (n_source, n_features_source) and (n_source, n_features)
        The source rows of the fit, and where they go.
    n_features_source_ : int
        Columns of the source.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``sum_ijkl (X_ik - Y_jl)^2 P_ij Q_kl + label_weight * <M, P>`` over couplings P of the rows and Q of the
    columns, all of equal mass, by turns (algorithm 1): each turn is a transport problem, exact by POT's network simplex or
    entropic, and the objective falls. It is not convex: without labels or pairs the end may be a mirror image. Each domain is
    centred and divided by one number first, so that no unit counts. A turn costs a product of the tables and a transport
    problem of the rows, at most O(n^3 log n), and as much for columns.

    A source row goes to the mean of the target rows that it is coupled with; a new one goes where the nearest row of the fit
    goes. The paper instead reads the target's labels off P, which says nothing of new rows.

    With known labels this is the paper's semi-supervised variant, whose authors' code for features of two networks has an
    entropic plan of the rows (strength 1 in the features' own unit), an exact one of the columns, and a label cost of 100.
    `sample_reg` None chooses the first of these by known labels alone, at the price of 12 more fits.

    References
    ----------
    Redko, Vayer, Flamary & Courty. CO-Optimal Transport. NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CoOptimalTransport, Domain
    >>> rng = np.random.default_rng(0)
    >>> X = rng.exponential(size=(60, 8)) * np.arange(1, 9)
    >>> y, columns = X[:, 7] > np.median(X[:, 7]), rng.permutation(8)
    >>> model = CoOptimalTransport().fit(X, y, target=Domain(X[:, columns]))
    >>> bool((model.column_plan_.argmax(axis=0) == columns).all()), model.score(X[:, columns], y) > 0.9
    (True, True)
    """

    _constraints: ClassVar = {
        "label_weight": Interval(float, 0),
        "sample_reg": Either(Nothing(), Interval(float, 0)),
        "feature_reg": Interval(float, 0),
        "max_iter": Interval(int, 1),
        "estimator": ESTIMATOR,
    }
    _ties: ClassVar = "none"

    def __init__(
        self,
        label_weight: float = 1.0,
        sample_reg: float | None = 0.0,
        feature_reg: float = 0.0,
        max_iter: int = 100,
        estimator: Any = None,
    ) -> None:
        self.label_weight = label_weight
        self.sample_reg = sample_reg
        self.feature_reg = feature_reg
        self.max_iter = max_iter
        self.estimator = estimator

    def _fit_plan(self, data: HeterogeneousData) -> Array:
        self.sample_reg_ = self._chosen(data) if self.sample_reg is None else self.sample_reg
        P, Q, cost, n_done, fell = self._plans(data, self.sample_reg_)
        if fell is not None:
            warnings.warn(
                f"CoOptimalTransport.fit: max_iter={self.max_iter} rounds were not enough; the cost still fell by {fell:.2g}.",
                TransferWarning,
                stacklevel=4,
            )
        off = max(float(np.abs(plan.sum(axis=k) - 1 / plan.shape[1 - k]).sum()) for plan in (P, Q) for k in (0, 1))
        if off > 1e-3:
            warnings.warn(
                f"CoOptimalTransport.fit: the masses of the plans are off by {off:.2g}; a larger sample_reg or feature_reg, or"
                " 0, is exact.",
                TransferWarning,
                stacklevel=4,
            )
        self.row_plan_, self.column_plan_, self.cost_, self.n_iter_ = P, Q, cost, n_done
        return P

    def _plans(self, data: HeterogeneousData, sample_reg: float) -> tuple[Array, Array, float, int, float | None]:
        """Plans of rows and columns, their cost, rounds made, and by how much the cost still fell where these were not enough."""
        A, B = to_unit_scale(data.Xs), to_unit_scale(data.Xt)
        # Two independent values of mean square 1 differ by 2 on average.
        extra = 2 * self.label_weight * label_mismatch(data)
        Q = np.full((A.shape[1], B.shape[1]), 1 / (A.shape[1] * B.shape[1]))
        cost, fell, n_done, starts = np.inf, np.inf, 0, (None, None)
        enough = 1e-6 if sample_reg or self.feature_reg else 1e-9  # Sinkhorn's plans are not exact
        while n_done < self.max_iter:
            n_done += 1
            P, of_rows, for_rows = _plan(_cost(A, B, Q) + extra, 2 * sample_reg, starts[0])
            of_columns = _cost(A.T, B.T, P)
            Q, entropy, for_columns = _plan(of_columns, 2 * self.feature_reg, starts[1])
            starts = (for_rows, for_columns)
            before, cost = cost, float((of_columns * Q).sum() + (extra * P).sum()) + of_rows + entropy
            fell = before - cost
            if fell <= enough * max(1.0, abs(cost)):
                return P, Q, cost, n_done, None
        return P, Q, cost, n_done, fell

    def _chosen(self, data: HeterogeneousData) -> float:
        """The strength whose images of the source predict known target labels best that were held out."""
        rows = np.flatnonzero(data.known)
        if len(rows) < 2:
            raise DomainError(
                f"CoOptimalTransport.fit: target must have two known labels or more where sample_reg is None. Got {len(rows)}."
            )
        folds = deal_folds(None if data.classes is None else data.codes_t, min(3, len(rows)), 0, n=len(rows))
        scores = [
            sum(self._held_out(data, rows, folds == k, reg) for k in range(folds.max() + 1)) for reg in _STRENGTHS
        ]
        return _STRENGTHS[int(np.argmax(scores))]

    def _held_out(self, data: HeterogeneousData, rows: Array, out: Array, reg: float) -> float:
        """Known labels of `rows[out]` that are predicted without them; for numbers, minus the squared errors."""
        known = np.isin(np.arange(len(data.Xt)), rows[~out])
        kept = replace(data, known=known, yt=data.yt[~out])
        P = self._plans(kept, reg)[0]
        images = P @ data.Xt / P.sum(axis=1, keepdims=True)
        model = fit_inner(self, data.task, stack(images, kept.Xt_known), np.concatenate([data.ys, kept.yt]))
        found = model.predict(data.Xt[rows[out]])
        return float(
            (found == data.yt[out]).sum() if data.classes is not None else -((found - data.yt[out]) ** 2).sum()
        )


_STRENGTHS = (0.0, 0.01, 0.03, 0.1)


def _cost(A: Array, B: Array, Q: Array) -> Array:
    """``sum_kl (A_ik - B_jl)^2 Q_kl`` for all rows i and j."""
    return np.asarray((A**2 @ Q.sum(axis=1))[:, None] + B**2 @ Q.sum(axis=0) - 2 * A @ Q @ B.T)


def _plan(cost: Array, reg: float, start: Any) -> tuple[Array, float, Any]:
    """The cheapest plan between equal masses, what its entropy adds to the cost, and potentials to start the next one from."""
    n, m = cost.shape
    if reg > 0:
        found = sinkhorn(cost, reg, max_iter=5000, start=start)
        P = found.plan
        return P, float(reg * (P * (np.log(np.maximum(P, np.finfo(float).tiny)) - 1)).sum()), (found.f, found.g)
    from ot import emd  # here, because importing POT loads every array library that is installed

    return emd(np.full(n, 1 / n), np.full(m, 1 / m), cost, numItermax=10_000_000), 0.0, None
