"""A transformer in front of a method of several tasks, or of one that learns how to learn a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .constraints import EstimatorLike, Rule, check_params
from .errors import DomainError
from .protocols import Array, Domain

__all__ = ["AdaptedPipeline", "MetaPipeline", "MultiTaskPipeline", "transformed"]


class MultiTaskPipeline(BaseEstimator):
    """A transformer in front of a method that learns several tasks at once (protocol MultiTask).

    Parameters
    ----------
    transformer : transformer
        Fitted on the rows of the first task: an encoder of tables, or a frozen backbone.
    method : MultiTask
        Gets the transformed rows.

    Attributes
    ----------
    transformer_, method_ : estimator
        The fitted copies.
    tasks_ : tuple of str
        Names of the tasks.
    classes_ : dict of str to array
        Of each task that has classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from transferkit import Domain, TraceNorm
    >>> from transferkit.core.task_pipelines import MultiTaskPipeline
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> tasks = [Domain(X, X[:, 0] > 0, name="sign"), Domain(X, X[:, 0] + X[:, 1], name="sum")]
    >>> model = MultiTaskPipeline(StandardScaler(), TraceNorm()).fit(tasks)
    >>> model.score(X, X[:, 0] > 0, task="sign") > 0.9
    True
    """

    _constraints: ClassVar[Mapping[str, Rule]] = {
        "transformer": EstimatorLike("fit", "transform"),
        "method": EstimatorLike("fit", "predict"),
    }

    def __init__(self, transformer: Any, method: Any) -> None:
        self.transformer = transformer
        self.method = method

    @classmethod
    def from_fitted(cls, transformer: Any, method: Any) -> Self:
        """A fitted pipeline from a fitted transformer and a method fitted on its output."""
        whole = cls(clone(transformer), clone(method))
        whole._keep(transformer, method)
        return whole

    def fit(self, tasks: Sequence[Domain]) -> Self:
        """Fit the transformer on the first task's rows, then the method on all tasks.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_params(self)
        tasks = _checked(type(self).__name__, tasks)
        transformer = clone(self.transformer).fit(tasks[0].X)
        self._keep(transformer, clone(self.method).fit(transformed(transformer, tasks)))
        return self

    def _keep(self, transformer: Any, method: Any) -> None:
        self.transformer_, self.method_ = transformer, method
        self.tasks_, self.classes_ = method.tasks_, method.classes_

    def predict(self, X: Any, *, task: str) -> Array:
        """What the method predicts of a task for the transformed rows."""
        check_is_fitted(self, "method_")
        found: Array = self.method_.predict(self.transformer_.transform(X), task=task)
        return found

    def score(self, X: Any, y: Any, *, task: str) -> float:
        """What the method scores of a task on the transformed rows."""
        check_is_fitted(self, "method_")
        return float(self.method_.score(self.transformer_.transform(X), y, task=task))


class MetaPipeline(BaseEstimator):
    """A transformer in front of a meta-learner (protocol MetaLearner).

    Parameters
    ----------
    transformer : transformer
        Fitted on the rows of the first task: an encoder of tables.
    method : MetaLearner
        Gets the transformed rows.

    Attributes
    ----------
    transformer_, method_ : estimator
        The fitted copies.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from transferkit import Domain, PrototypicalNetworks, Training
    >>> from transferkit.core.task_pipelines import MetaPipeline
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(12), 8)
    >>> X = rng.normal(size=(12, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> learner = PrototypicalNetworks(n_way=3, n_query=4, n_episodes=20, training=Training(n_epochs=1), random_state=0)
    >>> model = MetaPipeline(StandardScaler(), learner).fit([Domain(X, y)])
    >>> new = Domain(10 * np.eye(4)[:2], np.array(["left", "right"]))
    >>> model.adapt(new).predict(new.X).tolist()
    ['left', 'right']
    """

    _constraints: ClassVar[Mapping[str, Rule]] = {
        "transformer": EstimatorLike("fit", "transform"),
        "method": EstimatorLike("fit", "adapt"),
    }

    def __init__(self, transformer: Any, method: Any) -> None:
        self.transformer = transformer
        self.method = method

    @classmethod
    def from_fitted(cls, transformer: Any, method: Any) -> Self:
        """A fitted pipeline from a fitted transformer and a method fitted on its output."""
        whole = cls(clone(transformer), clone(method))
        whole.transformer_, whole.method_ = transformer, method
        return whole

    def fit(self, tasks: Sequence[Domain]) -> Self:
        """Fit the transformer on the first task's rows, then the method on all tasks.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_params(self)
        tasks = _checked(type(self).__name__, tasks)
        transformer = clone(self.transformer).fit(tasks[0].X)
        self.method_ = clone(self.method).fit(transformed(transformer, tasks))
        self.transformer_ = transformer
        return self

    def adapt(self, support: Domain) -> AdaptedPipeline:
        """Learn a new task from a few labelled rows; what predicts it takes untransformed rows.

        Raises
        ------
        DomainError
            Saying what of the support cannot be used.
        """
        check_is_fitted(self, "method_")
        if not isinstance(support, Domain):
            raise DomainError(f"MetaPipeline.adapt: support must be a Domain. Got {type(support).__name__}.")
        predictor = self.method_.adapt(transformed(self.transformer_, [support])[0])
        return AdaptedPipeline(self.transformer_, predictor)

    @available_if(lambda self: hasattr(getattr(self, "method_", self.method), "evaluate"))
    def evaluate(self, tasks: Sequence[Domain], **options: Any) -> Any:
        """How well new tasks are learned, as the method's own ``evaluate`` says."""
        check_is_fitted(self, "method_")
        return self.method_.evaluate(
            transformed(self.transformer_, _checked(type(self).__name__, tasks, "evaluate")), **options
        )


class AdaptedPipeline(BaseEstimator):
    """A transformer in front of a predictor. Both are fitted, and it is made by ``MetaPipeline.adapt``.

    Parameters
    ----------
    transformer : fitted transformer
    predictor : fitted predictor
        Gets the transformed rows.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Sorted classes; not there for a regression.
    """

    def __init__(self, transformer: Any, predictor: Any) -> None:
        self.transformer = transformer
        self.predictor = predictor
        if hasattr(predictor, "classes_"):
            self.classes_ = predictor.classes_

    def predict(self, X: Any) -> Array:
        """Classes or numbers for rows of the task."""
        found: Array = self.predictor.predict(self.transformer.transform(X))
        return found

    @available_if(lambda self: hasattr(self.predictor, "predict_proba"))
    def predict_proba(self, X: Any) -> Array:
        """Probabilities of shape (n_samples, n_classes), in the order of ``classes_``."""
        found: Array = self.predictor.predict_proba(self.transformer.transform(X))
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy (classes) or R^2 (numbers)."""
        return float(self.predictor.score(self.transformer.transform(X), y, sample_weight))

    def __sklearn_is_fitted__(self) -> bool:
        return True


def transformed(transformer: Any, tasks: Sequence[Domain]) -> list[Domain]:
    """The tasks with transformed rows; rows that several tasks share stay one object."""
    found = {id(task.X): task.X for task in tasks}
    found = {key: transformer.transform(X) for key, X in found.items()}
    return [replace(task, X=found[id(task.X)], edges=None) for task in tasks]


def _checked(name: str, tasks: Any, method: str = "fit") -> list[Domain]:
    tasks = list(tasks) if isinstance(tasks, (list, tuple)) else [tasks]
    if not tasks or not all(isinstance(t, Domain) for t in tasks):
        got = [type(t).__name__ for t in tasks]
        raise DomainError(f"{name}.{method}: tasks must be a non-empty sequence of Domain. Got {got}.")
    return tasks
