"""A transformer in front of a method of several tasks: at once, one after the other, or to learn how to learn the next."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import signature
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .compose import TransferPipeline
from .constraints import EstimatorLike, Rule, check_params
from .continual import fit_stream, labelled_rows
from .errors import DomainError, ParamError
from .protocols import Array, Domain

__all__ = [
    "AdaptedPipeline", "ContinualPipeline", "MetaPipeline", "MultiTaskPipeline", "check_answers", "in_two", "transformed",
]  # fmt: skip


class _TransformerFirst(BaseEstimator, ABC):
    """A transformer in front of a method; both see the tasks that it learns from."""

    transformer_: Any
    method_: Any
    _constraints: ClassVar[Mapping[str, Rule]]

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


class MultiTaskPipeline(_TransformerFirst):
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

    def _keep(self, transformer: Any, method: Any) -> None:
        super()._keep(transformer, method)
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


class MetaPipeline(_TransformerFirst):
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


class ContinualPipeline(_TransformerFirst):
    """A transformer in front of a method that learns one task after the other (protocol Continual).

    Parameters
    ----------
    transformer : transformer
        Fitted on the rows of the first task, and left as it is then: an encoder of tables, or a frozen backbone.
    method : Continual
        Gets the transformed rows.

    Attributes
    ----------
    transformer_, method_ : estimator
        The fitted copies.
    classes_ : array of shape (n_classes,)
        All classes that have come, for a classification.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from transferkit import Domain, StreamingLDA
    >>> from transferkit.core.task_pipelines import ContinualPipeline
    >>> X = np.array([[0.0, 5.0], [1.0, 5.0], [10.0, 5.0], [11.0, 5.0]])
    >>> model = ContinualPipeline(StandardScaler(), StreamingLDA())
    >>> model.partial_fit(Domain(X, np.array(["a", "a", "b", "b"]))).predict([[0.5, 5.0]]).tolist()
    ['a']
    """

    _constraints: ClassVar[Mapping[str, Rule]] = {
        "transformer": EstimatorLike("fit", "transform"),
        "method": EstimatorLike("partial_fit", "predict"),
    }

    def partial_fit(self, task: Domain) -> Self:
        """Learn a task, or a piece of one; the first one's rows fit the transformer.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_params(self, method="partial_fit")
        begun = hasattr(self, "method_")
        X, y = labelled_rows(f"{type(self).__name__}.partial_fit", task, numbers=True)
        transformer = self.transformer_ if begun else clone(self.transformer).fit(X)
        method = self.method_ if begun else clone(self.method)
        method.partial_fit(replace(task, X=transformer.transform(X), y=y, known=None, edges=None))
        self._keep(transformer, method)
        return self

    def _keep(self, transformer: Any, method: Any) -> None:
        super()._keep(transformer, method)
        if hasattr(method, "classes_"):
            self.classes_ = method.classes_

    def fit(self, tasks: Sequence[Domain]) -> Self:
        """Forget everything and learn tasks in the order given: `partial_fit` for each."""
        fit_stream(self, tasks)
        return self

    def predict(self, X: Any, *, task: str | None = None) -> Array:
        """What the method predicts for the transformed rows."""
        check_is_fitted(self, "method_")
        found: Array = self.method_.predict(self.transformer_.transform(X), task=task)
        return found

    @available_if(lambda self: hasattr(getattr(self, "method_", self.method), "predict_proba"))
    def predict_proba(self, X: Any, *, task: str | None = None) -> Array:
        """Probabilities of shape (n_samples, n_classes), in the order of ``classes_``."""
        check_is_fitted(self, "method_")
        found: Array = self.method_.predict_proba(self.transformer_.transform(X), task=task)
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, task: str | None = None) -> float:
        """What the method scores on the transformed rows."""
        check_is_fitted(self, "method_")
        return float(self.method_.score(self.transformer_.transform(X), y, sample_weight, task=task))


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


def in_two(model: Any) -> tuple[Any, Any] | None:
    """The fitted transformer in front and the model behind it, of a fitted pipeline that predicts; None of anything else."""
    if isinstance(model, AdaptedPipeline):
        return model.transformer, model.predictor
    if isinstance(model, (TransferPipeline, MultiTaskPipeline, ContinualPipeline)):
        return model.transformer_, model.method_
    return None


def check_answers(where: str, model: Any, *, of_tasks: bool = False) -> None:
    """Refuse a model that cannot predict rows as it is; `of_tasks` lets those pass that have to be told the task.

    Raises
    ------
    ParamError
        Saying what else can be done with it.
    """
    name = type(model).__name__
    if not hasattr(model, "predict"):
        can = (
            ", a learner that has to learn a task first: `transferkit meta ... --support FILE` saves what predicts that task, and"
            " so does save(learner.adapt(support)) in Python"
            if hasattr(model, "adapt")
            else ""
        )
        raise ParamError(f"{where}: model must be a fitted model with predict. Got {name}{can}.")
    task = signature(model.predict).parameters.get("task")
    if task is not None and task.default is task.empty and not of_tasks:
        raise ParamError(
            f"{where}: model must answer for one task. Got {name}, which has to be told the task, as by `transferkit predict"
            " --task`, without --chunk-rows; `transferkit export --format zip` makes one file of it."
        )


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
