"""Tasks that come one after the other: which classes each has brought, and the shape of a method that only keeps sums."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from .constraints import Rule, check_params
from .errors import DomainError
from .protocols import Array, Domain, take_rows
from .validation import check_rows

__all__ = ["ContinualStatistics", "Outputs", "fit_stream", "labelled_rows", "softmax"]


def fit_stream(est: Any, tasks: Any) -> None:
    """Begin anew, and learn tasks one after the other.

    Raises
    ------
    DomainError
        If they are no list of Domain.
    """
    where = f"{type(est).__name__}.fit"
    if not isinstance(tasks, (list, tuple)) or not tasks or not all(isinstance(t, Domain) for t in tasks):
        raise DomainError(
            f"{where}: tasks must be a list of Domain, in the order of learning. Got {type(tasks).__name__}."
        )
    for name in [n for n in vars(est) if n.endswith("_")]:
        delattr(est, name)
    for task in tasks:
        est.partial_fit(task)


def labelled_rows(where: str, task: Any, *, numbers: bool = False) -> tuple[Any, Array]:
    """The rows of a task whose label may be used, and these labels.

    Parameters
    ----------
    where : str
        Beginning of messages, as in ``"EWC.partial_fit"``.
    task : Domain
        What came.
    numbers : bool
        Whether labels may be numbers of a regression.

    Returns
    -------
    X : rows
    y : array of shape (n_rows,)

    Raises
    ------
    DomainError
        If it is no Domain, has no row with a known label, or labels that are neither text nor numbers.
    """
    if not isinstance(task, Domain):
        raise DomainError(
            f"{where}: task must be a Domain, as in Domain(X, y, name='first'). Got {type(task).__name__}."
        )
    if not isinstance(task.name, str) or not task.name:
        raise DomainError(f"{where}: task must have a name that is text. Got {task.name!r}.")
    if not task.mask.any():
        got = "none" if task.n_samples else "no rows"
        raise DomainError(f"{where}: task {task.name!r} must have rows with known labels. Got {got}.")
    y = np.asarray(task.known_y)
    if y.dtype == object:
        if len({isinstance(v, str) for v in y.flat}) > 1:  # numpy would make text of all
            raise DomainError(f"{where}: y of task {task.name!r} must hold text or numbers, one type. Got both.")
        y = np.asarray(y.tolist())
    if y.ndim != 1 or y.dtype.kind not in "biufUS":
        raise DomainError(f"{where}: y of task {task.name!r} must hold text or numbers, one type. Got {y.dtype}.")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise DomainError(f"{where}: y of task {task.name!r} must be finite. Got NaN or infinity.")
    if not numbers and type_of_target(y) == "continuous":
        raise DomainError(f"{where}: y of task {task.name!r} must hold classes. Got numbers with a fraction.")
    every = bool(task.mask.all())
    return task.X if every else take_rows(task.X, task.known_rows), y


def softmax(scores: Array) -> Array:
    """Probabilities from scores of shape (n_samples, n_classes); minus infinity is 0."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: Array = powers / powers.sum(axis=1, keepdims=True)
    return found


@dataclass(eq=False)
class Outputs:
    """What the outputs of a growing model stand for.

    Parameters
    ----------
    separate : bool
        Whether every task has outputs of its own, also for classes that another task has brought.

    Attributes
    ----------
    classes : list
        The class of each output, in the order of arrival.
    owners : list of str
        The task that brought it.
    tasks : dict of str to list of int
        The outputs of each task, in the order of arrival.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.core.continual import Outputs
    >>> outputs = Outputs()
    >>> outputs.add("fit", "first", np.array(["cat", "dog"])).tolist()
    [0, 1]
    >>> outputs.add("fit", "second", np.array(["cow", "cat"])).tolist()
    [2, 0]
    >>> outputs.known_classes.tolist(), outputs.tasks
    (['cat', 'cow', 'dog'], {'first': [0, 1], 'second': [0, 2]})
    """

    separate: bool = False
    classes: list[Any] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    tasks: dict[str, list[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def known_classes(self) -> Array:
        """All classes that have come, sorted."""
        return np.unique(np.asarray(self.classes))

    @property
    def groups(self) -> Array:
        """Which outputs answer together: one number an output, of its task where tasks are separate."""
        names = {name: k for k, name in enumerate(self.tasks)}
        return np.array([names[o] if self.separate else 0 for o in self.owners], dtype=np.int64)

    def add(self, where: str, task: str, y: Array) -> Array:
        """The output of each label, with new outputs for what is new.

        Raises
        ------
        DomainError
            If the labels are text where those before were numbers, or the other way.
        """
        if self.classes and (y.dtype.kind in "US") != isinstance(self.classes[0], str):
            old = "text" if isinstance(self.classes[0], str) else "numbers"
            raise DomainError(f"{where}: y of task {task!r} must be {old}, as in the first task. Got {y.dtype}.")
        known, codes = np.unique(y, return_inverse=True)
        places = []
        for label in known.tolist():
            label = label.decode() if isinstance(label, bytes) else label
            own = [
                k for k, c in enumerate(self.classes) if c == label and (not self.separate or self.owners[k] == task)
            ]
            if not own:
                own = [len(self.classes)]
                self.classes.append(label)
                self.owners.append(task)
            places.append(own[0])
        self.tasks[task] = sorted({*self.tasks.get(task, []), *places})
        return np.asarray(places, dtype=np.int64)[codes]

    def scores(self, where: str, outputs: Array, task: str | None) -> Array:
        """The largest allowed output of each class, of shape (n_samples, n_classes), in the order of `known_classes`.

        Parameters
        ----------
        where : str
        outputs : array of shape (n_samples, n_outputs)
        task : str or None
            Only outputs of this task are allowed; minus infinity elsewhere.

        Raises
        ------
        DomainError
            If no task of this name has come.
        """
        if task is not None and task not in self.tasks:
            raise DomainError(f"{where}: task must be one that has come ({', '.join(self.tasks)}). Got {task!r}.")
        names = self.known_classes
        column = np.searchsorted(names, np.asarray(self.classes))
        found = np.full((len(outputs), len(names)), -np.inf)
        for k in range(len(self.classes)) if task is None else self.tasks[task]:
            found[:, column[k]] = np.maximum(found[:, column[k]], outputs[:, k])
        return found


def _classifies(self: Any) -> bool:
    """Whether classes are learned, as far as that is known yet."""
    return not hasattr(self, "outputs_") or bool(self.outputs_.classes)


class ContinualStatistics(BaseEstimator, ABC):
    """A method for frozen features that only keeps sums over the rows (protocol Continual).

    A subclass writes ``_add`` and ``_outputs``. What it has learned depends on which rows have come, not on their order
    or on how they were cut into pieces.
    """

    outputs_: Outputs
    _constraints: ClassVar[Mapping[str, Rule]] = {}
    _test_params: ClassVar[Mapping[str, Any]] = {}
    _known_failures: ClassVar[Mapping[str, str]] = {}
    _numbers: ClassVar[bool] = False  # whether labels may be numbers of a regression

    def partial_fit(self, task: Domain) -> Self:
        """Take in the rows of a task, or a piece of one.

        Parameters
        ----------
        task : Domain
            Rows with labels; only known labels are used. A name that has come before continues that task.

        Returns
        -------
        self : object

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used; what was learned before stays as it is.
        """
        where = f"{type(self).__name__}.partial_fit"
        check_params(self, method="partial_fit")
        X, y = labelled_rows(where, task, numbers=self._numbers)
        begun = hasattr(self, "outputs_")
        outputs = copy.deepcopy(self.outputs_) if begun else Outputs()
        numbers = self._numbers and self._is_regression(y)
        if begun and numbers != (not outputs.classes):
            raise DomainError(f"{where}: y of task {task.name!r} must be of the kind that came first. Got {y.dtype}.")
        if numbers and y.dtype.kind in "SU":
            raise DomainError(f"{where}: y of task {task.name!r} must hold numbers. Got text.")
        codes = None
        if numbers:
            outputs.tasks.setdefault(task.name, [0])
        else:
            codes = outputs.add(where, task.name, y)
        try:
            Z = validate_data(self, X, reset=not begun, dtype=np.float64)
        except (ValueError, TypeError) as err:
            features = "the features of the first" if begun else "usable rows"
            raise DomainError(f"{where}: task {task.name!r} must have {features}. Got: {err}") from err
        self._add(Z, y.astype(np.float64) if codes is None else codes, max(1, len(outputs)), codes is None)
        self.outputs_ = outputs
        if codes is not None:
            self.classes_ = outputs.known_classes
        return self

    def fit(self, tasks: Sequence[Domain]) -> Self:
        """Forget everything and learn tasks in the order given: `partial_fit` for each."""
        fit_stream(self, tasks)
        return self

    def _is_regression(self, y: Array) -> bool:
        """Whether labels of the first task are numbers of a regression."""
        return False

    @abstractmethod
    def _add(self, X: Array, y: Array, n_outputs: int, numbers: bool) -> None:
        """Add rows, with the output that each belongs to (or its number), to the sums."""

    @abstractmethod
    def _outputs(self, X: Array) -> Array:
        """Outputs of shape (n_samples, n_outputs) for checked rows; values of shape (n_samples,) for a regression."""

    def predict(self, X: Any, *, task: str | None = None) -> Array:
        """Classes or numbers, of shape (n_samples,).

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
        task : str, optional
            Only classes that this task has brought are answered; None takes all that have come.
        """
        if _classifies(self):
            found: Array = self.decision_function(X, task=task).argmax(axis=1)
            return np.asarray(self.classes_)[found]
        if task is not None and task not in self.outputs_.tasks:
            self.outputs_.scores(f"{type(self).__name__}.predict", np.empty((0, 0)), task)  # says which have come
        return self._outputs(check_rows(self, X, dtype=np.float64))

    @available_if(_classifies)
    def decision_function(self, X: Any, *, task: str | None = None) -> Array:
        """Scores of shape (n_samples, n_classes) in the order of ``classes_``; minus infinity outside the task.

        A regression has none.
        """
        check_is_fitted(self, "outputs_")
        rows = check_rows(self, X, method="decision_function", dtype=np.float64)
        return self.outputs_.scores(f"{type(self).__name__}.predict", self._outputs(rows), task)

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, task: str | None = None) -> float:
        """Accuracy for classes, R^2 for numbers."""
        metric = accuracy_score if hasattr(self, "classes_") else r2_score
        return float(metric(y, self.predict(X, task=task), sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        tags.target_tags.required = True
        return tags
