"""Single-task: a network of its own for each task, which multi-task learning has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import quote

from sklearn.base import clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...engine.multi_task.estimator import MULTI_TASK_RULES, NetworkMultiTask
from ...engine.multi_task.task_rows import TaskLabels
from ...engine.training.settings import Training

CARD = {
    "class": "SingleTask",
    "protocol": "MultiTask",
    "settings": ("supervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Vandenhende et al. Multi-Task Learning for Dense Prediction Tasks: A Survey. TPAMI 2021.",
    "url": "https://arxiv.org/abs/2004.13379",
}

__all__ = ["SingleTask"]


class SingleTask(NetworkMultiTask):
    """Train the same network once for each task, on that task's rows alone.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body of each network, as for `HardSharing`.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to a task's outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that a head drops in training.
    kinds : str or mapping, default="auto"
        What labels are, "classification" or "regression", for all tasks or by task; "auto" decides from each task's.
    training : Training, default=None
        Epochs (passes over the task's rows) and all else; None is ``Training()``. With a folder, each task has one in it.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, the batches and the augmentation.

    Attributes
    ----------
    models_ : dict of str to fitted network
        By task.
    tasks_ : tuple of str
        Names of the tasks.
    labels_ : TaskLabels
        How outputs become labels, by task.
    classes_ : dict of str to array
        Of each task that has classes.
    history_ : dict of str to list of dict
        One row an epoch, by task.

    Notes
    -----
    Each network minimises its own loss. With a given seed all begin with the same weights in the body. The gains of other
    methods over this one are what `transferkit.ops.metrics.task_gains.delta_m` averages; a task whose gain is negative suffers
    from negative transfer.

    References
    ----------
    Vandenhende, Georgoulis, Van Gansbeke, Proesmans, Dai & Van Gool. Multi-Task Learning for Dense Prediction Tasks: A
    Survey. TPAMI 2021 (the baseline, and delta_m).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, SingleTask, Training
    >>> X = np.random.default_rng(0).normal(size=(80, 4))
    >>> tasks = [Domain(X, X[:, 0] > 0, name="sign"), Domain(X, X[:, 0] + X[:, 1], name="sum")]
    >>> model = SingleTask("small:mlp?hidden=16", training=Training(n_epochs=30, lr=0.02)).fit(tasks)
    >>> model.score(X, X[:, 0] > 0, task="sign") > 0.9
    True
    """

    _constraints: ClassVar = {k: v for k, v in MULTI_TASK_RULES.items() if not k.startswith("balancing")}

    def __init__(
        self,
        backbone: Any = "auto",
        head: str = "linear",
        dropout: float = 0.0,
        kinds: Any = "auto",
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self.dropout = dropout
        self.kinds = kinds
        self.training = training
        self.random_state = random_state

    def fit(self, tasks: Sequence[Domain]) -> Self:
        where = f"{type(self).__name__}.fit"
        training = self._checked_training(where)
        checked = self._check_tasks(where, tasks)
        try:
            models = {task.name: self._alone(training, task.name).fit([task]) for task in checked}
        except (DomainError, ParamError) as err:
            raise self._ours(err) from err
        self.models_ = models
        self.tasks_ = tuple(models)
        self.labels_ = TaskLabels(self.tasks_, tuple(m.labels_.each[0] for m in models.values()))
        self.classes_ = {name: m.classes_[name] for name, m in models.items() if name in m.classes_}
        self.history_ = {name: m.history_ for name, m in models.items()}
        return self

    fit.__doc__ = NetworkMultiTask.fit.__doc__

    def _alone(self, training: Training, task: str) -> _Alone:
        """The network of one task, before its fit."""
        own: Training = clone(training)
        if training.folder is not None:
            own.folder = Path(training.folder) / quote(task, safe=" ").replace(".", "%2E")  # a name is no path
        kind = self.kinds if isinstance(self.kinds, str) else self.kinds.get(task, "auto")
        return _Alone(self.backbone, self.head, self.dropout, kind, own, self.random_state)

    def _own_outputs(self, X: Any, task: str, method: str) -> tuple[Any, Array]:
        check_is_fitted(self, "models_")
        self._check_name(task, method)
        try:
            return self.models_[task]._own_outputs(X, task, method)
        except DomainError as err:
            raise self._ours(err) from err

    def _ours(self, err: DomainError | ParamError) -> DomainError | ParamError:
        """What the network of one task says, in the name of this class."""
        return type(err)(str(err).replace(_Alone.__name__, type(self).__name__, 1))

    @available_if(lambda self: False)
    def transform(self, X: Any) -> Any:
        """Not there: the tasks have no features in common."""
        raise NotImplementedError


class _Alone(NetworkMultiTask):
    """One body, one head."""

    _constraints: ClassVar = SingleTask._constraints
    balancing = "equal"
    balancing_options: ClassVar[Mapping[str, Any] | None] = None

    def __init__(
        self, backbone: Any, head: str, dropout: float, kinds: Any, training: Training, random_state: Any
    ) -> None:
        self.backbone = backbone
        self.head = head
        self.dropout = dropout
        self.kinds = kinds
        self.training = training
        self.random_state = random_state
