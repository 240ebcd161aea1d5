"""For every check of methods for several tasks, one that must fail it; each differs from a good one in one thing."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from transferkit import Domain
from transferkit.core.constraints import Interval
from transferkit.core.multi_task import LinearMultiTask


class GoodMultiTask(LinearMultiTask):
    """Ridge regression of each task.

    Parameters
    ----------
    reg : float in (0, inf), default=0.1
        Strength of the penalty.

    Attributes
    ----------
    coef_, intercept_, tasks_, classes_, n_iter_ : object
        What the base learns.

    Notes
    -----
    The penalty does not join the tasks.

    References
    ----------
    None but the common checks themselves.

    Examples
    --------
    >>> GoodMultiTask(reg=0.5).reg
    0.5
    """

    _constraints: ClassVar = {"reg": Interval(float, 0, closed="neither")}

    def __init__(self, reg: float = 0.1) -> None:
        self.reg = reg

    def _solve(self, tasks: Any) -> Any:
        eye = self.reg * np.eye(tasks[0].X.shape[1])
        return np.hstack([np.linalg.solve(t.X.T @ t.X + eye, t.X.T @ t.Y) for t in tasks]), 1, True


class ManyRenames(GoodMultiTask):
    def predict(self, X, *, name):
        """Another name."""
        return super().predict(X, task=name)


class ManyLacksConstraint(GoodMultiTask):
    _constraints: ClassVar = {}


class ManyLacksText(GoodMultiTask):
    __doc__ = GoodMultiTask.__doc__.replace("        Strength of the penalty.\n", "")


class ManyChangesItsArgument(GoodMultiTask):
    def __init__(self, reg=0.1):
        super().__init__(reg)
        self.ready = True


class ManyReturnsNothing(GoodMultiTask):
    def fit(self, tasks):
        """Gives nothing."""
        super().fit(tasks)


class ManyLearnsNothing(GoodMultiTask):
    def _solve(self, tasks):
        W, n, converged = super()._solve(tasks)
        return W * 0, n, converged


class ManyLearnsInSecret(GoodMultiTask):
    def _solve(self, tasks):
        self.secret_ = 1
        return super()._solve(tasks)


class ManyScalesInPlace(GoodMultiTask):
    def fit(self, tasks):
        """Changes the rows."""
        tasks[0].X[:] = tasks[0].X / 2
        return super().fit(tasks)


class ManySetsItsParameter(GoodMultiTask):
    def _solve(self, tasks):
        found = super()._solve(tasks)
        self.reg = self.reg / 2
        return found


class ManyDraws(GoodMultiTask):
    def _solve(self, tasks):
        W, n, converged = super()._solve(tasks)
        return W + 1e-9 * np.random.normal(size=W.shape), n, converged  # noqa: NPY002


class ManyStartsWarm(GoodMultiTask):
    def _solve(self, tasks):
        W, n, converged = super()._solve(tasks)
        return W * (1 - 1e-6 * hasattr(self, "coef_")), n, converged


class ManyPeeks(GoodMultiTask):
    def fit(self, tasks):
        """Looks at everything."""
        super().fit(tasks)
        for task in tasks:
            self.intercept_[task.name] = self.intercept_[task.name] + 1e-9 * np.mean(task.y == 0)
        return self


_ELSEWHERE: dict[int, Any] = {}


class ManyKeepsItElsewhere(GoodMultiTask):
    def fit(self, tasks):
        """Keeps something outside."""
        _ELSEWHERE[id(self)] = True
        return super().fit(tasks)

    def _outputs(self, X, task, method):
        return super()._outputs(X, task, method) + (0 if id(self) in _ELSEWHERE else 9)


class ManyTakesAnything(GoodMultiTask):
    def fit(self, tasks):
        """Arrays as well."""
        return super().fit([Domain(tasks, np.arange(len(tasks)) % 2)] if isinstance(tasks, np.ndarray) else tasks)


class ManyKnowsNoNames(GoodMultiTask):
    def predict(self, X, *, task):
        """Of the first task where there is none of that name."""
        return super().predict(X, task=task if task in getattr(self, "tasks_", (task,)) else self.tasks_[0])


class Anything:
    text = "be anything"

    def holds(self, value):
        return True


class ManyChecksNoParameter(GoodMultiTask):
    _constraints: ClassVar = {"reg": Anything()}


BAD: list[tuple[str, str, type, str]] = [
    ("MultiTask", name, cls, why)
    for name, cls, why in (
        ("check_protocol", ManyRenames, "must have the signature"),
        ("check_constraints", ManyLacksConstraint, "one entry a parameter"),
        ("check_docstring", ManyLacksText, "reg must have a text"),
        ("check_clone", ManyChangesItsArgument, "must only store"),
        ("check_several_tasks", ManyReturnsNothing, "fit must return self"),
        ("check_several_tasks", ManyLearnsNothing, "it must learn kind"),
        ("check_several_attributes", ManyLearnsInSecret, "undocumented attributes"),
        ("check_several_nothing_changed", ManyScalesInPlace, "inputs changed"),
        ("check_several_nothing_changed", ManySetsItsParameter, "parameters changed"),
        ("check_several_repeatable", ManyDraws, "global generator was used"),
        ("check_several_repeatable", ManyStartsWarm, "a refit must begin anew"),
        ("check_several_hidden_labels", ManyPeeks, "hidden labels were used"),
        ("check_several_round_trip", ManyKeepsItElsewhere, "must predict what the saved one did"),
        ("check_several_errors", ManyTakesAnything, "DID NOT RAISE|Regex pattern did not match"),
        ("check_several_errors", ManyKnowsNoNames, "DID NOT RAISE"),
        ("check_several_parameters", ManyChecksNoParameter, "unsupported operand"),
    )
]
GOOD: dict[str, type] = {"MultiTask": GoodMultiTask}
