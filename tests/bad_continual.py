"""For every check of methods that learn one task after the other, one that must fail it; each differs in one thing."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np

from transferkit.core.constraints import Interval, RandomState
from transferkit.core.continual import ContinualStatistics


class GoodContinual(ContinualStatistics):
    """Nearest mean of the first rows of each class.

    Parameters
    ----------
    memory_size : int in [1, inf), default=24
        Rows that are kept.
    random_state : int, RandomState or None, default=0
        Nothing is drawn.

    Attributes
    ----------
    memory_, codes_ : array
        The rows and their outputs.
    outputs_, classes_ : object
        What the base learns.

    Notes
    -----
    Keeps as many rows of each class, and scores by the distance to their mean.

    References
    ----------
    None but the common checks themselves.

    Examples
    --------
    >>> GoodContinual(memory_size=5).memory_size
    5
    """

    _constraints: ClassVar = {"memory_size": Interval(int, 1), "random_state": RandomState()}

    def __init__(self, memory_size: int = 24, random_state: Any = 0) -> None:
        self.memory_size = memory_size
        self.random_state = random_state

    def _add(self, X: Any, y: Any, n_outputs: int, numbers: bool) -> None:
        if hasattr(self, "memory_"):
            X, y = np.vstack([self.memory_, X]), np.concatenate([self.codes_, y])
        kept = np.concatenate([np.flatnonzero(y == k)[: self.memory_size // n_outputs] for k in range(n_outputs)])
        self.memory_, self.codes_ = X[kept], y[kept]

    def _outputs(self, X: Any) -> Any:
        means = [self.memory_[self.codes_ == k].mean(axis=0) for k in range(len(self.outputs_))]
        return -np.square(X[:, None] - np.stack(means)).sum(axis=2)


class ContinualRenames(GoodContinual):
    def partial_fit(self, domain):
        """Another name."""
        return super().partial_fit(domain)


class ContinualLacksConstraint(GoodContinual):
    _constraints: ClassVar = {"memory_size": Interval(int, 1)}


class ContinualLacksText(GoodContinual):
    __doc__ = GoodContinual.__doc__.replace("        Rows that are kept.\n", "")


class ContinualChangesItsArgument(GoodContinual):
    def __init__(self, memory_size=24, random_state=0):
        super().__init__(memory_size, random_state)
        self.ready = True


class ForgetsTheTask(GoodContinual):
    def predict(self, X, *, task=None):
        """Whatever the task."""
        return super().predict(X)


class LearnsNothing(GoodContinual):
    def _outputs(self, X):
        return np.zeros((len(X), len(self.outputs_)))


class ContinualReturnsNothing(GoodContinual):
    def partial_fit(self, task):
        """Gives nothing."""
        super().partial_fit(task)


class ContinualLearnsInSecret(GoodContinual):
    def _add(self, X, y, n_outputs, numbers):
        super()._add(X, y, n_outputs, numbers)
        self.secret_ = 1


class ContinualScalesInPlace(GoodContinual):
    def partial_fit(self, task):
        """Changes the rows."""
        if hasattr(task, "X"):
            task.X[:] = task.X / 2
        return super().partial_fit(task)


class ContinualSetsItsParameter(GoodContinual):
    def _add(self, X, y, n_outputs, numbers):
        super()._add(X, y, n_outputs, numbers)
        self.memory_size = self.memory_size - 1


class ContinualDraws(GoodContinual):
    def _add(self, X, y, n_outputs, numbers):
        super()._add(X + 0.1 * np.random.normal(size=X.shape), y, n_outputs, numbers)  # noqa: NPY002


class ContinualStartsWarm(GoodContinual):
    def fit(self, tasks):
        """On top of what is there."""
        for task in tasks:
            self.partial_fit(task)
        return self


class ContinualPeeks(GoodContinual):
    def partial_fit(self, task):
        """Looks at all labels."""
        super().partial_fit(task)
        self.memory_ = self.memory_ + 0.01 * len(set(task.y))
        return self


_ROWS: dict[int, int] = {}


class KeepsACountElsewhere(GoodContinual):
    def _add(self, X, y, n_outputs, numbers):
        _ROWS[id(self)] = _ROWS.get(id(self), 0) + len(X)
        super()._add(X + 0.001 * _ROWS[id(self)], y, n_outputs, numbers)


class KeepsEveryRow(GoodContinual):
    def _add(self, X, y, n_outputs, numbers):
        size, self.memory_size = self.memory_size, 10**6
        super()._add(X, y, n_outputs, numbers)
        self.memory_size = size


class TakesTasksApart(GoodContinual):
    def partial_fit(self, task):
        """A list of tasks, too."""
        if isinstance(task, list):
            for one in task:
                self.partial_fit(one)
            return self
        return super().partial_fit(task)


class LosesWhatItKnows(GoodContinual):
    def partial_fit(self, task):
        """Begins before it has looked."""
        if hasattr(self, "memory_"):
            self.memory_ = np.zeros_like(self.memory_)
        return super().partial_fit(task)


class ContinualChecksNoParameter(GoodContinual):
    def partial_fit(self, task):
        """With whatever size."""
        size = self.memory_size
        self.memory_size = size if isinstance(size, int) else 24
        found = super().partial_fit(task)
        self.memory_size = size
        warnings.warn("none", stacklevel=2) if size is None else None
        return found


BAD: list[tuple[str, str, type, str]] = [
    ("Continual", "check_protocol", ContinualRenames, "must have the signature"),
    ("Continual", "check_constraints", ContinualLacksConstraint, "one entry a parameter"),
    ("Continual", "check_docstring", ContinualLacksText, "memory_size must have a text"),
    ("Continual", "check_clone", ContinualChangesItsArgument, "must only store"),
    ("Continual", "check_stream", ForgetsTheTask, "must keep to the task"),
    ("Continual", "check_stream", LearnsNothing, "must learn the task"),
    ("Continual", "check_stream", ContinualReturnsNothing, "must return self"),
    ("Continual", "check_stream_attributes", ContinualLearnsInSecret, "undocumented attributes"),
    ("Continual", "check_stream_nothing_changed", ContinualScalesInPlace, "inputs changed"),
    ("Continual", "check_stream_nothing_changed", ContinualSetsItsParameter, "parameters changed"),
    ("Continual", "check_stream_repeatable", ContinualDraws, "global generator was used|same seed"),
    ("Continual", "check_stream_repeatable", ContinualStartsWarm, "begin anew|Mismatch|keys"),
    ("Continual", "check_stream_hidden_labels", ContinualPeeks, "hidden labels were used"),
    ("Continual", "check_stream_resumed", KeepsACountElsewhere, "must go on as the unbroken one"),
    ("Continual", "check_stream_memory", KeepsEveryRow, "must keep its bound"),
    ("Continual", "check_stream_errors", TakesTasksApart, "DID NOT RAISE"),
    ("Continual", "check_stream_errors", LosesWhatItKnows, "what was learned must stay"),
    ("Continual", "check_stream_parameters", ContinualChecksNoParameter, "DID NOT RAISE"),
]
GOOD: dict[str, type] = {"Continual": GoodContinual}
