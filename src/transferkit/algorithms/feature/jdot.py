"""JDOT: transport of rows together with their labels, with a predictor for the target learned from the labels that arrive."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse

from ...core.base import ESTIMATOR, ShallowTransfer, fit_inner, stack
from ...core.constraints import Interval, Options
from ...core.errors import ParamError
from ...core.protocols import Array, Domain
from ...core.soft_labels import fit_soft
from ...core.validation import TransferData, check_rows, check_transfer
from ...ops.transport.plans import contradictions, plan_of, transport_cost

CARD = {
    "class": "JDOT",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Courty, Flamary, Habrard & Rakotomamonjy. Joint Distribution Optimal Transportation for Domain Adaptation. "
    "NIPS 2017.",
    "url": "https://arxiv.org/abs/1705.08848",
}

__all__ = ["JDOT"]

_LEAST = 1e-10  # probabilities below this count as this in the logarithmic loss


class JDOT(ShallowTransfer):
    """Match source rows with their labels to target rows with their predictions, fit the predictor to the match, and repeat.

    Parameters
    ----------
    alpha : float in (0, inf), default=1.0
        Weight of the distance between rows against the loss between labels. Distances are divided as `norm` says, so that
        1 with ``norm="max"`` is the paper's choice; the loss is the logarithmic one of probabilities, or the squared error
        in units of the source values' variance.
    reg : float in [0, inf), default=0.0
        Weight of the plan's entropy, in the unit of that sum. 0 is the exact plan. A `TransferWarning` says so where it is
        too small for the scaling to end.
    norm : {"max", "median"}, default="max"
        What squared distances are divided by.
    limit_max : float in [1, inf), default=10.0
        For classes: the cost of matching a source row to a target row that is known to be of another class, in units of
        the largest distance, and times `alpha` where that is above 1.
    n_rounds : int in [1, inf), default=10
        Rounds at most, each a plan and a fit. The first has no predictor yet, and takes the distances only.
    tol : float in [0, inf), default=1e-4
        Stops when a round lowers the objective by less than this share of it.
    max_pivots : int in [1, inf), default=1_000_000
        Pivots of the network simplex at most; a `ParamError` says so where they were not enough.
    estimator : estimator, default=None
        The predictor: fitted on target rows with the labels that arrive there. A classifier needs ``predict_proba``, and
        ``sample_weight`` unless each row gets one label. None is logistic regression for classes and ridge regression
        for numbers.

    Attributes
    ----------
    objective_ : array of shape (n_iter_,)
        ``alpha <P, distances> + <P, losses>`` after each round's fit.
    labels_target_ : array of shape (n_target, n_classes) or (n_target,)
        The labels that arrive at each target row: shares of classes, or the mean of the values.
    n_iter_ : int
        Rounds made.
    estimator_ : estimator
        The fitted predictor.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``sum_ij P_ij (alpha d(x_i, x_j) + L(y_i, f(x_j))) + penalty(f)`` over plans P with uniform marginals and
    predictors f, in turn (block coordinate descent): with f held it is transport, with P held it is a weighted fit, which for
    the squared loss needs only the mean of the values that arrive at a row, and for the logarithmic loss only
    their shares of classes. A logistic regression takes the shares themselves, other classifiers one copy of a row for each
    class. The sum falls in every round where the inner fit minimises that loss, as logistic and ridge regression do with
    their own penalty; with any other estimator rounds end as soon as the objective does not fall, and the best
    fit is kept.

    The paper uses a hinge or squared loss for classes; we take the logarithmic one, as skada does, which any estimator with
    probabilities has. Known target labels make matches with other classes prohibitive, and their rows join the fit.

    References
    ----------
    Courty, Flamary, Habrard & Rakotomamonjy. Joint Distribution Optimal Transportation for Domain Adaptation. NIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import JDOT, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    >>> X[:, 0] += 4 * y
    >>> model = JDOT().fit(X, y, target=Domain(X + 3))
    >>> model.score(X + 3, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "alpha": Interval(float, 0, closed="neither"),
        "reg": Interval(float, 0),
        "norm": Options("max", "median"),
        "limit_max": Interval(float, 1),
        "n_rounds": Interval(int, 1),
        "tol": Interval(float, 0),
        "max_pivots": Interval(int, 1),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        alpha: float = 1.0,
        reg: float = 0.0,
        norm: str = "max",
        limit_max: float = 10.0,
        n_rounds: int = 10,
        tol: float = 1e-4,
        max_pivots: int = 1_000_000,
        estimator: Any = None,
    ) -> None:
        self.alpha = alpha
        self.reg = reg
        self.norm = norm
        self.limit_max = limit_max
        self.n_rounds = n_rounds
        self.tol = tol
        self.max_pivots = max_pivots
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups)
        cost = transport_cost(data, self.norm, self.limit_max)
        distance = self.alpha * cost
        if self.alpha < 1:  # known labels count even where distances hardly do
            wrong = contradictions(data)
            distance[wrong] = cost[wrong]
        unit = float(data.ys.var()) or 1.0 if data.classes is None else 1.0
        values = data.ys if data.classes is None else np.eye(len(data.classes))[data.codes]
        losses: Array | float = 0.0
        objective: list[float] = []
        for _ in range(self.n_rounds):
            plan, _ = plan_of("JDOT.fit", distance + losses, self.reg, max_pivots=self.max_pivots, tol=1e-4)
            arrived = len(data.Xt) * (plan.T @ values)
            model = self._fit_labels(data, arrived)
            losses = _losses(model, data, values, unit)
            value = float(
                plan.multiply(distance + losses).sum() if sparse.issparse(plan) else (plan * (distance + losses)).sum()
            )
            if objective and value >= objective[-1]:
                break
            self.estimator_, self.labels_target_ = model, arrived
            objective.append(value)
            if len(objective) > 1 and objective[-2] - value <= self.tol * abs(value):
                break
        self.objective_, self.n_iter_ = np.array(objective), len(objective)
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _fit_labels(self, data: TransferData, arrived: Array) -> Any:
        rows = stack(data.Xt, data.Xt_known)
        if data.classes is None:
            return fit_inner(self, data.task, rows, np.concatenate([arrived, data.yt]))
        shares = arrived / arrived.sum(axis=1, keepdims=True)
        known = np.eye(len(data.classes))[data.codes_t]
        return fit_soft(self, rows, np.vstack([shares, known]), data.classes)

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method)


def _losses(model: Any, data: TransferData, values: Array, unit: float) -> Array:
    """Loss of the predictions for each target row with the label of each source row, of shape (n_source, n_target)."""
    if data.classes is None:
        predicted = np.asarray(model.predict(data.Xt), np.float64)
        return (values[:, None] - predicted) ** 2 / unit
    if not hasattr(model, "predict_proba"):
        raise ParamError(f"JDOT.fit: estimator must have predict_proba. Got {type(model).__name__}, which has not.")
    return -values @ np.log(np.maximum(model.predict_proba(data.Xt), _LEAST)).T
