"""Linear models of several tasks: each task's own rows and intercept, and a penalty on all coefficients together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from warnings import warn

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from .constraints import Rule
from .errors import DomainError
from .protocols import Array, Domain
from .validation import check_tasks, task_of

__all__ = ["LinearMultiTask", "LinearTask"]


@dataclass(frozen=True, eq=False)
class LinearTask:
    """One task, centred.

    Attributes
    ----------
    name : str
    X : array of shape (n_known, n_features)
        Rows with a label, minus their mean.
    Y : array of shape (n_known, n_columns)
        Numbers at deviation 1, or a column of -1 and 1 a class (one column for two classes); minus their mean.
    classes : array or None
    mean_X, mean_Y, scale : array
        What was subtracted, and what numbers were divided by.
    """

    name: str
    X: Array
    Y: Array
    classes: Array | None
    mean_X: Array
    mean_Y: Array
    scale: float


class LinearMultiTask(BaseEstimator, ABC):
    """Squared losses of all tasks plus one penalty (protocol MultiTask); a subclass writes ``_solve``."""

    _constraints: ClassVar[Mapping[str, Rule]] = {}
    _test_params: ClassVar[Mapping[str, Any]] = {}
    _known_failures: ClassVar[Mapping[str, str]] = {}

    def fit(self, tasks: Sequence[Domain]) -> Self:
        """Fit on tasks.

        Parameters
        ----------
        tasks : sequence of Domain
            Each with a name of its own, equally wide rows, and labels where they are known: classes, or numbers (floats
            with a fractional part).

        Returns
        -------
        self : object
            The fitted method.

        Raises
        ------
        ParamError, DomainError
            Naming the parameter or the task that cannot be used.
        """
        checked = check_tasks(self, tasks)
        problems = [self._task(task) for task in checked]
        W, self.n_iter_, converged = self._solve(problems)
        if not converged:
            warn(
                f"{type(self).__name__}.fit: not converged after {self.n_iter_} steps. Raise max_iter or tol.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.n_features_in_ = int(checked[0].X.shape[1])
        self.tasks_ = tuple(p.name for p in problems)
        self.classes_ = {p.name: p.classes for p in problems if p.classes is not None}
        self.coef_, self.intercept_ = {}, {}
        start = 0
        for p in problems:
            own = W[:, start : start + p.Y.shape[1]]
            start += p.Y.shape[1]
            self.coef_[p.name] = (own * p.scale).T
            self.intercept_[p.name] = (p.mean_Y - p.mean_X @ own) * p.scale
        return self

    @abstractmethod
    def _solve(self, tasks: Sequence[LinearTask]) -> tuple[Array, int, bool]:
        """Coefficients of shape (n_features, n_columns of all tasks), steps done, whether they converged."""

    def _task(self, task: Domain) -> LinearTask:
        here = f"{type(self).__name__}.fit: task {task.name!r}"
        y = np.asarray(task.known_y)
        y = np.asarray(y.tolist()) if y.dtype == object else y
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise DomainError(f"{here} must have finite labels where they are known. Got NaN or infinity.")
        X = np.asarray(task.X, dtype=np.float64)[task.mask]
        if task_of(None, y) == "regression":
            Y = y.astype(np.float64)[:, None]
            classes, scale = None, float(Y.std()) or 1.0
        else:
            classes, scale = np.unique(y), 1.0
            if len(classes) < 2:
                raise DomainError(f"{here} must have labels of at least two classes. Got 1 class: {classes.tolist()}.")
            shown = classes[1:] if len(classes) == 2 else classes
            Y = np.where(y[:, None] == shown, 1.0, -1.0)
        Y = Y / scale
        mean_X, mean_Y = X.mean(axis=0), Y.mean(axis=0)
        return LinearTask(task.name, X - mean_X, Y - mean_Y, classes, mean_X, mean_Y, scale)

    def decision_function(self, X: Any, *, task: str) -> Array:
        """Outputs of a task, of shape (n_samples, n_columns): values, or a score a class (one for two classes)."""
        return self._outputs(X, task, "decision_function")

    def predict(self, X: Any, *, task: str) -> Array:
        """Classes or values of a task for rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        task : str
            One of ``tasks_``.

        Returns
        -------
        array of shape (n_samples,)

        Raises
        ------
        DomainError
            If there is no such task; those that there are, are named.
        """
        outputs = self._outputs(X, task, "predict")
        classes = self.classes_.get(task)
        if classes is None:
            return outputs[:, 0]
        return classes[outputs.argmax(axis=1) if len(classes) > 2 else (outputs[:, 0] > 0).astype(int)]

    def score(self, X: Any, y: Any, *, task: str) -> float:
        """Accuracy or R^2 of a task."""
        predicted = self.predict(X, task=task)
        return float((accuracy_score if task in self.classes_ else r2_score)(y, predicted))

    def _outputs(self, X: Any, task: str, method: str) -> Array:
        check_is_fitted(self)
        here = f"{type(self).__name__}.{method}"
        if task not in self.tasks_:
            raise DomainError(f"{here}: task must be one of {', '.join(self.tasks_)}. Got {task!r}.")
        try:
            rows = check_array(X, dtype=np.float64)
        except (TypeError, ValueError) as err:
            raise DomainError(f"{here}: X must be usable rows. Got: {err}") from err
        if rows.shape[1] != self.n_features_in_:
            raise DomainError(f"{here}: X must have {self.n_features_in_} features, as in fit. Got {rows.shape[1]}.")
        return rows @ self.coef_[task].T + self.intercept_[task]
