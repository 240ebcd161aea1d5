"""Target-only: the inner estimator fitted on the known target labels alone, as if there were no source."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from ...core.base import ESTIMATOR, ShallowTransfer, fit_inner, inner_has
from ...core.errors import DomainError
from ...core.protocols import Array, Domain
from ...core.validation import check_rows, check_transfer

CARD = {
    "class": "TargetOnly",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Daumé III. Frustratingly Easy Domain Adaptation. ACL 2007, baseline TGTONLY.",
    "url": "https://arxiv.org/abs/0907.1815",
}

__all__ = ["TargetOnly"]


class TargetOnly(ShallowTransfer):
    """No source: fit on the target rows whose label is known.

    Parameters
    ----------
    estimator : estimator, default=None
        Fitted on the known target rows. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification. Those without a known target label are never predicted; they keep their
        column in `predict_proba` (with probability 0) and in `decision_function` (with minus infinity).

    Notes
    -----
    Minimises the risk on the known target rows. The source is only checked: it says which task it is and which classes
    there may be. Known target labels of fewer than two classes, or fewer than two values to regress on, are an error.

    References
    ----------
    Daumé III. Frustratingly Easy Domain Adaptation. ACL 2007, section 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, TargetOnly
    >>> X, y = np.array([[0.0], [1.0], [4.0], [5.0]]), np.array([0, 0, 1, 1])
    >>> model = TargetOnly().fit(X, y, target=Domain(X, 1 - y))
    >>> model.predict([[0.2], [4.9]])
    array([1, 0])
    """

    _constraints: ClassVar = {"estimator": ESTIMATOR}
    _accept_sparse: ClassVar = True

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups, accept_sparse=True)
        n_labels, n_present = len(data.yt), len(np.unique(data.yt))
        if data.classes is None and n_labels < 2:
            raise DomainError(f"TargetOnly.fit: target must have at least two known labels. Got {n_labels}.")
        if data.classes is not None and n_present < 2:
            raise DomainError(
                f"TargetOnly.fit: target must have known labels of at least two classes."
                f" Got {n_labels} known labels of {n_present} classes."
            )
        self.estimator_ = fit_inner(self, data.task, data.Xt_known, data.yt)
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method, accept_sparse=True)

    @inner_has("predict_proba")
    def predict_proba(self, X: Any) -> Array:
        """Class probabilities for rows of the target, of shape (n_samples, n_classes), in the order of ``classes_``."""
        return self._in_columns(super().predict_proba(X), 0.0)

    @inner_has("decision_function")
    def decision_function(self, X: Any) -> Array:
        """Scores of the inner estimator for rows of the target, in the order of ``classes_``."""
        scores = super().decision_function(X)
        if scores.ndim == 1 and len(self.classes_) > 2:
            scores = np.column_stack([-scores, scores])
        return self._in_columns(scores, -np.inf)

    def _in_columns(self, values: Array, fill: float) -> Array:
        """One column for every source class, where the inner estimator knows fewer."""
        if values.ndim == 1 or values.shape[1] == len(self.classes_):
            return values
        padded = np.full((len(values), len(self.classes_)), fill, dtype=values.dtype)
        padded[:, np.searchsorted(self.classes_, self.estimator_.classes_)] = values
        return padded
