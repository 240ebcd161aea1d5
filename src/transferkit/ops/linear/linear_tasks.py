"""Squared losses of several tasks' linear models, as `transferkit.ops.linear.proximal` takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...core.multi_task import LinearTask
from ...core.protocols import Array
from .proximal import descend

__all__ = ["fit_penalised", "squared_losses"]


def squared_losses(tasks: Sequence[LinearTask]) -> tuple[Callable[[Array], Array], Array, float]:
    """``sum_t |X_t W_t - Y_t|^2 / (2 n_t)``.

    Returns
    -------
    gradient : callable
        Of coefficients of shape (n_features, n_columns of all tasks).
    start : array
        Zeros of that shape.
    lipschitz : float
    """
    wide = tasks[0].X.shape[1]
    parts, largest = [], 0.0
    for task in tasks:
        n = len(task.X)
        largest = max(largest, float(np.linalg.norm(task.X, 2)) ** 2 / n)
        gram = task.X.T @ task.X / n if wide <= n else None
        parts.append((task, n, gram, task.X.T @ task.Y / n))
    ends = np.cumsum([0, *(t.Y.shape[1] for t in tasks)])

    def gradient(W: Array) -> Array:
        found = np.empty_like(W)
        for (task, n, gram, towards), start, end in zip(parts, ends, ends[1:]):
            own = W[:, start:end]
            found[:, start:end] = (gram @ own if gram is not None else task.X.T @ (task.X @ own) / n) - towards
        return found

    return gradient, np.zeros((wide, int(ends[-1]))), largest


def fit_penalised(
    tasks: Sequence[LinearTask], shrink: Callable[[Array, float], Array], max_iter: int, tol: float
) -> tuple[Array, int, bool]:
    """Minimise the squared losses plus the penalty with this proximal map; parameters and result as of `descend`."""
    gradient, start, lipschitz = squared_losses(tasks)
    return descend(gradient, shrink, start, lipschitz, max_iter, tol)
