"""Clustered multi-task learning: tasks fall into groups with similar coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ...core.constraints import Interval
from ...core.multi_task import LinearMultiTask, LinearTask
from ...core.protocols import Array
from ...ops.linear.linear_tasks import fit_penalised
from ...ops.linear.proximal import shrink_clusters

CARD = {
    "class": "ClusteredTasks",
    "protocol": "MultiTask",
    "settings": ("supervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Zhou, Chen & Ye. Clustered Multi-Task Learning Via Alternating Structure Optimization. NIPS 2011.",
    "url": "https://arxiv.org/abs/1110.5454",
}

__all__ = ["ClusteredTasks"]


class ClusteredTasks(LinearMultiTask):
    """Pull the tasks' coefficients towards a few centres that are found at once, by a convex relaxation of k-means.

    Parameters
    ----------
    n_clusters : int in [1, inf), default=2
        Number of groups; as many as outputs, or more, is ridge regression of each task.
    reg : float in (0, inf), default=0.01
        The paper's rho_1: how near to their centre the coefficients of a group are.
    ridge : float in (0, inf), default=0.001
        The paper's rho_2: how near to zero all are.
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
    Minimises the losses plus ``reg * eta * (1 + eta) * min_M tr(W (eta I + M)^-1 W^T)`` over ``0 <= M <= I`` with ``tr M =
    n_clusters``, eta = ridge / reg (eq. 10, cCMTL): the convex relaxation of a k-means of the tasks' coefficients (Jacob,
    Bach & Vert, NIPS 2008, relax a kindred penalty with a term for the mean). The minimum over M is one for the singular
    values alone, so its proximal map is exact, and accelerated proximal gradient descent takes the place of the paper's
    alternation. The losses are ``|X_t w_t - y_t|^2 / (2 n_t)`` over each task's labelled rows, with an intercept of
    its own; numbers are brought to deviation 1 by task, classes are -1 and 1 (a column a class for more than two).
    The outputs of a task with more than two classes are clustered as tasks are.

    References
    ----------
    Zhou, Chen & Ye. Clustered Multi-Task Learning Via Alternating Structure Optimization. NIPS 2011.
    Jacob, Bach & Vert. Clustered Multi-Task Learning: A Convex Formulation. NIPS 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, ClusteredTasks
    >>> X = np.random.default_rng(0).normal(size=(60, 5))
    >>> tasks = [Domain(X[:30], X[:30, 0] > 0, name="sign"), Domain(X[30:], 3 * X[30:, 0] + X[30:, 1], name="sum")]
    >>> model = ClusteredTasks().fit(tasks)
    >>> model.score(X, 3 * X[:, 0] + X[:, 1], task="sum") > 0.9
    True
    """

    _constraints: ClassVar = {
        "n_clusters": Interval(int, 1),
        "reg": Interval(float, 0, closed="neither"),
        "ridge": Interval(float, 0, closed="neither"),
        "max_iter": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
    }

    def __init__(
        self,
        n_clusters: int = 2,
        reg: float = 0.01,
        ridge: float = 0.001,
        max_iter: int = 2000,
        tol: float = 1e-6,
    ) -> None:
        self.n_clusters = n_clusters
        self.reg = reg
        self.ridge = ridge
        self.max_iter = max_iter
        self.tol = tol

    def _solve(self, tasks: Sequence[LinearTask]) -> tuple[Array, int, bool]:
        eta = self.ridge / self.reg
        weight = self.reg * eta * (1 + eta)
        return fit_penalised(
            tasks, lambda V, step: shrink_clusters(V, step * weight, eta, self.n_clusters), self.max_iter, self.tol
        )
