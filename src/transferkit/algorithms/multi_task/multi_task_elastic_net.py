"""Multi-task elastic net: tasks choose the same features."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from ...core.constraints import Interval
from ...core.multi_task import LinearMultiTask, LinearTask
from ...core.protocols import Array
from ...ops.linear.linear_tasks import fit_penalised
from ...ops.linear.proximal import shrink_rows

CARD = {
    "class": "MultiTaskElasticNet",
    "protocol": "MultiTask",
    "settings": ("supervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Obozinski, Taskar & Jordan. Joint covariate selection and joint subspace selection. Stat. Comput. 20, 2010.",
    "url": "https://doi.org/10.1007/s11222-008-9111-x",
}

__all__ = ["MultiTaskElasticNet"]


class MultiTaskElasticNet(LinearMultiTask):
    """Let a feature count for all tasks or for none, by a penalty on the norm of its coefficients over the tasks.

    Parameters
    ----------
    reg : float in (0, inf), default=0.01
        Strength of the penalty.
    l1_ratio : float in [0, 1], default=0.5
        Share of the part that removes features; 0 is ridge regression of each task.
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
    Minimises the losses plus ``reg * (l1_ratio * sum_j |W_j| + (1 - l1_ratio) / 2 * |W|^2)``, W_j the coefficients of feature
    j in all tasks. The losses are ``|X_t w_t - y_t|^2 / (2 n_t)`` over each task's labelled rows, with an intercept of its
    own; numbers are brought to deviation 1 by task, classes are -1 and 1 (a column a class for more than two). Where all
    tasks have the same labelled rows this is scikit-learn's ``MultiTaskElasticNet``, which solves it by coordinate descent;
    else accelerated proximal gradient descent does.

    References
    ----------
    Obozinski, Taskar & Jordan. Joint covariate selection and joint subspace selection for multiple classification
    problems. Statistics and Computing 20, 2010.
    Beck & Teboulle. A Fast Iterative Shrinkage-Thresholding Algorithm. SIAM J. Imaging Sciences 2, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, MultiTaskElasticNet
    >>> X = np.random.default_rng(0).normal(size=(60, 5))
    >>> tasks = [Domain(X[:30], X[:30, 0] > 0, name="sign"), Domain(X[30:], 3 * X[30:, 0] + X[30:, 1], name="sum")]
    >>> model = MultiTaskElasticNet().fit(tasks)
    >>> model.score(X, 3 * X[:, 0] + X[:, 1], task="sum") > 0.9
    True
    """

    _constraints: ClassVar = {
        "reg": Interval(float, 0, closed="neither"),
        "l1_ratio": Interval(float, 0, 1),
        "max_iter": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
    }

    def __init__(
        self,
        reg: float = 0.01,
        l1_ratio: float = 0.5,
        max_iter: int = 2000,
        tol: float = 1e-6,
    ) -> None:
        self.reg = reg
        self.l1_ratio = l1_ratio
        self.max_iter = max_iter
        self.tol = tol

    def _solve(self, tasks: Sequence[LinearTask]) -> tuple[Array, int, bool]:
        first = tasks[0].X
        if self.l1_ratio > 0 and all(t.X.shape == first.shape and np.array_equal(t.X, first) for t in tasks):
            return self._shared(tasks)
        l21, l2 = self.reg * self.l1_ratio, self.reg * (1 - self.l1_ratio)
        return fit_penalised(tasks, lambda V, step: shrink_rows(V, step * l21, step * l2), self.max_iter, self.tol)

    def _shared(self, tasks: Sequence[LinearTask]) -> tuple[Array, int, bool]:
        inner = linear_model.MultiTaskElasticNet(
            self.reg, l1_ratio=self.l1_ratio, fit_intercept=False, max_iter=self.max_iter, tol=self.tol
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # said once, in our words
            inner.fit(tasks[0].X, np.hstack([t.Y for t in tasks]))
        return np.asarray(inner.coef_).T, int(inner.n_iter_), int(inner.n_iter_) < self.max_iter
