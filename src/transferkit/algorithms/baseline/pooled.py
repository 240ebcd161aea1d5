"""Pooled: the inner estimator fitted on the source and the known target labels together."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from ...core.base import ESTIMATOR, ShallowTransfer, fit_inner, stack
from ...core.constraints import Either, Interval, Options
from ...core.errors import DomainError
from ...core.protocols import Domain
from ...core.validation import check_rows, check_transfer

CARD = {
    "class": "Pooled",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": ({"target_weight": 1.0}, {"target_weight": "balanced"}),
    "paper": "Daumé III. Frustratingly Easy Domain Adaptation. ACL 2007, baselines ALL and WEIGHTED.",
    "url": "https://arxiv.org/abs/0907.1815",
}

__all__ = ["Pooled"]


class Pooled(ShallowTransfer):
    """Fit on the source and on the target rows whose label is known, as one data set.

    Parameters
    ----------
    target_weight : float in (0, inf) or "balanced", default=1.0
        How much one target row counts; a source row counts 1. Values other than 1 need an inner estimator that takes
        ``sample_weight``. ``"balanced"`` is n_source / n_known: the known target rows together count as much as the
        source together.
    estimator : estimator, default=None
        Fitted on the pooled rows. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    target_weight_ : float
        The weight of a target row that was used.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``sum_source loss + target_weight * sum_known_target loss``. The paper's ALL is a weight of 1; its WEIGHTED
    chooses the weight by cross-validation, here ``"balanced"`` is a fixed stand-in. A target without known labels is an
    error: `SourceOnly` is the method for it.

    References
    ----------
    Daumé III. Frustratingly Easy Domain Adaptation. ACL 2007, section 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, Pooled
    >>> X, y = np.array([[0.0], [1.0], [4.0], [5.0]]), np.array([0, 0, 1, 1])
    >>> target = Domain(np.array([[2.0], [9.0]]), np.array([1, 1]), known=np.array([True, False]))
    >>> Pooled("balanced").fit(X, y, target=target).target_weight_
    4.0
    """

    _constraints: ClassVar = {
        "target_weight": Either(Interval(float, 0, closed="neither"), Options("balanced")),
        "estimator": ESTIMATOR,
    }
    _accept_sparse: ClassVar = True

    def __init__(self, target_weight: float | str = 1.0, estimator: Any = None) -> None:
        self.target_weight = target_weight
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups, accept_sparse=True)
        n_known = len(data.yt)
        if not n_known:
            raise DomainError("Pooled.fit: target must have known labels. Got 0 known labels.")
        self.target_weight_ = (
            len(data.ys) / n_known if isinstance(self.target_weight, str) else float(self.target_weight)
        )
        weights = None
        if self.target_weight_ != 1.0:
            weights = np.concatenate([np.ones(len(data.ys)), np.full(n_known, self.target_weight_)])
        rows, labels = stack(data.Xs, data.Xt_known), np.concatenate([data.ys, data.yt])
        self.estimator_ = fit_inner(self, data.task, rows, labels, weights)
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method, accept_sparse=True)
