"""The shape of a classifier between feature spaces that scores the classes by itself, without an inner estimator."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .heterogeneous import HeterogeneousData, HeterogeneousTransfer, check_heterogeneous
from .protocols import Array, Domain
from .validation import check_rows

__all__ = ["SpaceClassifier", "one_against_rest"]


class SpaceClassifier(HeterogeneousTransfer):
    """A method whose maps and classifier are learned together.

    A subclass writes ``_fit_map``, whose result is not used, ``_map`` for `transform`, and ``_scores``.
    """

    estimator: Any = None
    classes_: Array
    _ties: ClassVar = "labels"
    _task: ClassVar = "classification"

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None, pairs: Any = None) -> Self:
        data = check_heterogeneous(self, X, y, target, pairs=pairs, groups=groups, task="classification")
        self._check_ties(data)
        self._fit_map(data)
        return self

    fit.__doc__ = HeterogeneousTransfer.fit.__doc__

    @abstractmethod
    def _fit_map(self, data: HeterogeneousData) -> None:  # type: ignore[override]
        """Learn maps and classifier, set the fitted attributes."""

    @abstractmethod
    def _scores(self, X: Array) -> Array:
        """Scores of checked target rows, of shape (n_samples, n_classes); the highest names the class."""

    def predict(self, X: Any) -> Array:
        """The class of highest score for each row of the target, of shape (n_samples,)."""
        check_is_fitted(self)
        return self.classes_[self._scores(self._target_rows(X, "predict")).argmax(axis=1)]

    def decision_function(self, X: Any) -> Array:
        """Scores for rows of the target, of shape (n_samples, n_classes); of two classes, how much the second leads."""
        check_is_fitted(self)
        scores = self._scores(self._target_rows(X, "decision_function"))
        return scores if scores.shape[1] > 2 else scores[:, 1] - scores[:, 0]

    @available_if(lambda self: False)
    def predict_proba(self, X: Any) -> Array:
        """Not there: the scores are margins, not probabilities."""
        raise NotImplementedError

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method)


def one_against_rest(codes: Array, n_classes: int) -> Array:
    """1 where a row has the class and -1 elsewhere, of shape (n_classes, n)."""
    return np.where(codes == np.arange(n_classes)[:, None], 1.0, -1.0)
