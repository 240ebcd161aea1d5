"""Streaming ridge: ridge regression from sums that every new row is added to; equal to the fit on all rows at once."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy import linalg
from sklearn.utils.multiclass import type_of_target

from ...core.constraints import Interval, Options
from ...core.continual import ContinualStatistics
from ...core.protocols import Array

CARD = {
    "class": "StreamingRidge",
    "protocol": "Continual",
    "settings": ("supervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Zhuang et al. ACIL: Analytic Class-Incremental Learning with Absolute Memorization. NeurIPS 2022.",
    "url": "https://arxiv.org/abs/2205.14922",
}

__all__ = ["StreamingRidge"]


class StreamingRidge(ContinualStatistics):
    """Ridge regression of frozen features on numbers, or on a column of 0 and 1 for each class.

    Parameters
    ----------
    reg : float in (0, inf), default=1.0
        Strength of the pull of the weights to zero.
    task : {"auto", "classification", "regression"}, default="auto"
        "auto" takes numbers with a fraction in the first task for a regression.

    Attributes
    ----------
    n_rows_ : int
        Rows that have come.
    mean_, mean_y_ : array of shape (n_features,), (n_outputs,)
        Their means.
    scatter_, scatter_xy_ : array of shape (n_features, n_features), (n_features, n_outputs)
        Sums of centred products.
    coef_ : array of shape (n_outputs, n_features)
        Weights.
    intercept_ : array of shape (n_outputs,)
        And what is added.
    outputs_ : Outputs
        Which class each output stands for, and the classes of each task.
    classes_ : array of shape (n_classes,)
        All classes that have come, sorted; for a classification.

    Notes
    -----
    Minimises ``||Y - 1 b - X W||^2 + reg ||W||^2`` over all rows that have come, with an intercept that is not penalised: the
    solution follows from centred sums, which are merged exactly, so that any order and any pieces give what one fit gives
    (the paper updates the inverse instead, which is the same up to rounding, and expands the features at random first, which
    is left to the user). A class that is new has a column of zeros for all rows before. Memory is one matrix of the features
    and one column an output.

    References
    ----------
    Zhuang, Weng, Wei et al. ACIL: Analytic Class-Incremental Learning with Absolute Memorization and Privacy Protection.
    NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, StreamingRidge
    >>> X = np.random.default_rng(0).normal(size=(90, 3)) + 4 * np.repeat(np.eye(3), 30, axis=0)
    >>> y = np.repeat(["ash", "birch", "cedar"], 30)
    >>> model = StreamingRidge().partial_fit(Domain(X[:60], y[:60], name="first"))
    >>> model.partial_fit(Domain(X[60:], y[60:], name="late")).score(X, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "reg": Interval(float, 0, closed="neither"),
        "task": Options("auto", "classification", "regression"),
    }
    _numbers: ClassVar = True

    def __init__(self, reg: float = 1.0, task: str = "auto") -> None:
        self.reg = reg
        self.task = task

    def _is_regression(self, y: Array) -> bool:
        if self.task != "auto" or y.dtype.kind in "US":
            return self.task == "regression"
        if hasattr(self, "n_rows_") and not self.outputs_.classes:
            return True  # as in the first task: whole numbers are numbers, too
        return bool(type_of_target(y) == "continuous")

    def _add(self, X: Array, y: Array, n_outputs: int, numbers: bool) -> None:
        Y = y[:, None] if numbers else np.eye(n_outputs)[y]
        n, mean, mean_y = len(X), X.mean(axis=0), Y.mean(axis=0)
        left, left_y = X - mean, Y - mean_y
        scatter, cross = left.T @ left, left.T @ left_y
        if hasattr(self, "n_rows_"):
            m, wider = self.n_rows_, n_outputs - len(self.mean_y_)
            old_y = np.pad(self.mean_y_, (0, wider))
            apart, apart_y, share = mean - self.mean_, mean_y - old_y, n * m / (n + m)
            scatter += self.scatter_ + np.outer(apart, apart) * share
            cross += np.pad(self.scatter_xy_, ((0, 0), (0, wider))) + np.outer(apart, apart_y) * share
            mean, mean_y, n = self.mean_ + apart * (n / (n + m)), old_y + apart_y * (n / (n + m)), n + m
        self.n_rows_, self.mean_, self.mean_y_, self.scatter_, self.scatter_xy_ = n, mean, mean_y, scatter, cross
        matrix = scatter.copy()
        matrix[np.diag_indices(len(mean))] += self.reg
        self.coef_ = linalg.solve(matrix, cross, assume_a="pos").T
        self.intercept_ = mean_y - self.coef_ @ mean

    def _outputs(self, X: Array) -> Array:
        found: Array = X @ self.coef_.T + self.intercept_
        return found if self.outputs_.classes else found[:, 0]
