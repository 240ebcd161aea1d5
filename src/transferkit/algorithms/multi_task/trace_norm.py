"""Trace norm: the tasks' coefficients lie in a common subspace of few dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ...core.constraints import Interval
from ...core.multi_task import LinearMultiTask, LinearTask
from ...core.protocols import Array
from ...ops.linear.linear_tasks import fit_penalised
from ...ops.linear.proximal import shrink_singular_values

CARD = {
    "class": "TraceNorm",
    "protocol": "MultiTask",
    "settings": ("supervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Ji & Ye. An Accelerated Gradient Method for Trace Norm Minimization. ICML 2009.",
    "url": "https://doi.org/10.1145/1553374.1553434",
}

__all__ = ["TraceNorm"]


class TraceNorm(LinearMultiTask):
    """Penalise the sum of the singular values of all tasks' coefficients, so that they share few directions.

    Parameters
    ----------
    reg : float in (0, inf), default=0.01
        Strength of the penalty; large leaves fewer directions.
    max_iter : int in [1, inf), default=2000
        Most steps of the solver.
    tol : float in (0, inf), default=1e-6
        Relative change at which it ends.

    Attributes
    ----------
    coef_ : dict of str to array of shape (n_columns, n_features)
        By task, in the units of its labels; one row, or one a class for more than two classes.
    intercept_ : dict of str to array of shape (n_columns,)
        By task.
    tasks_ : tuple of str
        Names of the tasks.
    classes_ : dict of str to array
        Of each task that has classes.
    n_iter_ : int
        Steps done.

    Notes
    -----
    Minimises the losses plus ``reg * |W|_*`` (eq. 1), W with a column for each output of each task, by accelerated proximal
    gradient descent with a fixed step (algorithm 2, with the Lipschitz constant known), begun anew where it overshoots.
    The losses are ``|X_t w_t - y_t|^2 / (2 n_t)`` over each task's labelled rows, with an intercept of
    its own; numbers are brought to deviation 1 by task, classes are -1 and 1 (a column a class for more than two).

    References
    ----------
    Ji & Ye. An Accelerated Gradient Method for Trace Norm Minimization. ICML 2009.
    Argyriou, Evgeniou & Pontil. Convex multi-task feature learning. Machine Learning 73, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, TraceNorm
    >>> X = np.random.default_rng(0).normal(size=(60, 5))
    >>> tasks = [Domain(X[:30], X[:30, 0] > 0, name="sign"), Domain(X[30:], 3 * X[30:, 0] + X[30:, 1], name="sum")]
    >>> model = TraceNorm().fit(tasks)
    >>> model.score(X, 3 * X[:, 0] + X[:, 1], task="sum") > 0.9
    True
    """

    _constraints: ClassVar = {
        "reg": Interval(float, 0, closed="neither"),
        "max_iter": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
    }

    def __init__(
        self,
        reg: float = 0.01,
        max_iter: int = 2000,
        tol: float = 1e-6,
    ) -> None:
        self.reg = reg
        self.max_iter = max_iter
        self.tol = tol

    def _solve(self, tasks: Sequence[LinearTask]) -> tuple[Array, int, bool]:
        return fit_penalised(tasks, lambda V, step: shrink_singular_values(V, step * self.reg), self.max_iter, self.tol)
