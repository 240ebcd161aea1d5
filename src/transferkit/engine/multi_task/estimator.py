"""Multi-task learning: one network trained on several tasks, each with its own rows, labels and loss.

How to add an architecture
--------------------------
``_network``   body and head; the head's outputs are those of all tasks, one block after the other (`TaskHeads` has one head a
               task). What is one task's own lies under a module list called ``of_task``
``_edits``     changes of the body's structure, as `transferkit.ops.nn.edits` takes them
``_load``      another backbone than the one that was named

Balancing is no part of an architecture: see `transferkit.ops.nn.balancing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ...core.constraints import Either, Fulfils, Interval, Nothing, Options, RandomState, Rule
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...ops.nn.balancing import BALANCERS, GradientBalancer, make_balancer
from ...ops.nn.edits import apply_edit
from ...ops.nn.heads import HEADS
from ...ops.nn.task_heads import TaskHeads
from ..answers.labels import as_values
from ..backbones import load_backbone
from ..backbones.small_models import small_name
from ..inputs.inputs import as_rows
from ..inputs.rows import Rows
from ..networks.backbone import Backbone
from ..networks.estimator import Fit, NetworkEstimator
from ..networks.inference import outputs_of
from ..networks.network import Network
from ..training.device import find_place
from ..training.freezing import FreezePlan, Part, make_plan
from ..training.objective import Objective
from ..training.settings import Training
from .objective import MultiTaskObjective
from .task_rows import HeldTasks, TaskLabels, TaskStream, split_stream, task_streams

_KINDS = ("auto", "classification", "regression")

__all__ = ["MULTI_TASK_RULES", "NetworkMultiTask", "TaskFit"]

# What the `_constraints` of every architecture begin with.
MULTI_TASK_RULES: Mapping[str, Rule] = {
    "backbone": Fulfils(
        "be 'auto', a backbone's name such as 'small:mlp' or 'timm:resnet18', a torch Module or a Backbone",
        lambda v: isinstance(v, (str, nn.Module, Backbone)) and v != "",
    ),
    "head": Options(*(h for h in HEADS if h != "conv")),
    "dropout": Interval(float, 0, 1, closed="left"),
    "balancing": Fulfils(
        f"be one of {', '.join(map(repr, BALANCERS))}, or 'torchjd:NAME'",
        lambda v: isinstance(v, str) and (v in BALANCERS or (v.startswith("torchjd:") and len(v) > 8)),
    ),
    "balancing_options": Either(
        Nothing(),
        Fulfils("be a mapping of names to values", lambda v: isinstance(v, Mapping) and all(type(k) is str for k in v)),
    ),
    "kinds": Fulfils(
        f"be one of {', '.join(_KINDS)}, or a mapping of tasks to these",
        lambda v: v in _KINDS if isinstance(v, str) else isinstance(v, Mapping) and all(k in _KINDS for k in v.values()),
    ),
    "training": Either(Nothing(), Fulfils("be a Training", lambda v: isinstance(v, Training))),
    "random_state": RandomState(),
}  # fmt: skip


@dataclass(eq=False, kw_only=True)
class TaskFit(Fit):
    """What an objective of several tasks is built from.

    Attributes
    ----------
    streams : mapping of str to TaskStream
        The rows that are trained on, by the name that a batch has for them.
    balancing_rate : float
        Learning rate of what the balancer learns, as a multiple of the training's.
    """

    streams: Mapping[str, TaskStream]
    balancing_rate: float = 1.0


class NetworkMultiTask(NetworkEstimator):
    """A network for several tasks (protocol MultiTask); what a subclass may write is at the top of this file."""

    backbone: Any
    balancing: str
    balancing_options: Mapping[str, Any] | None
    kinds: str | Mapping[str, str]
    labels_: TaskLabels
    _constraints: ClassVar[Mapping[str, Rule]] = MULTI_TASK_RULES

    def fit(self, tasks: Sequence[Domain]) -> Self:
        """Fit on tasks.

        Parameters
        ----------
        tasks : sequence of Domain
            Each with a name of its own, rows of the kind that the backbone takes, and labels where they are known: classes
            or numbers. Tasks whose rows are the same object, or equal, go through the network once.

        Returns
        -------
        self : object
            The fitted method.

        Raises
        ------
        ParamError, DomainError, TrainingError
            Naming the task that cannot be used, or why the training stopped.
        """
        where = f"{type(self).__name__}.fit"
        training = self._checked_training(where)
        checked = self._check_tasks(where, tasks)
        self._run(training, lambda seed: self._begin(where, checked, training, seed))
        self.tasks_ = self.labels_.names
        self.classes_ = {
            name: own.classes for name, own in zip(self.tasks_, self.labels_.each) if own.classes is not None
        }
        return self

    def _check_tasks(self, where: str, tasks: Any) -> list[Domain]:
        tasks = list(tasks) if isinstance(tasks, (list, tuple)) else [tasks]
        if not tasks or not all(isinstance(t, Domain) for t in tasks):
            raise DomainError(
                f"{where}: tasks must be a non-empty sequence of Domain. Got {[type(t).__name__ for t in tasks]}."
            )
        names = [t.name for t in tasks]
        if len(set(names)) < len(names):
            raise DomainError(f"{where}: tasks must have names of their own. Got {names}.")
        if not isinstance(self.kinds, str) and set(self.kinds) - set(names):
            extra = sorted(set(self.kinds) - set(names))
            raise ParamError(f"{where}: kinds must name tasks of {', '.join(names)}. Got also {', '.join(extra)}.")
        given: dict[int, Any] = {}  # one object stays one object
        checked = []
        for task in tasks:
            if id(task.X) not in given:
                given[id(task.X)] = self._check_input(where, task.X, f"task {task.name!r}: X")
            checked.append(replace(task, X=given[id(task.X)]))
        shapes = [getattr(t.X, "shape", (0,))[1:] for t in checked]
        for task, shape in zip(checked, shapes):
            if shape != shapes[0]:
                raise DomainError(
                    f"{where}: task {task.name!r} must have rows of the shape of the first task's, {shapes[0]}. Got {shape}."
                )
        return checked

    def _begin(self, where: str, tasks: Sequence[Domain], training: Training, seed: int) -> TaskFit:
        """Backbone, labels, rows and the network before training."""
        place = find_place(training.device, training.precision, training.channels_last)
        backbone = self._load(where, tasks[0].X)
        wanted = {t.name: self.kinds if isinstance(self.kinds, str) else self.kinds.get(t.name, "auto") for t in tasks}
        labels, streams = task_streams(where, tasks, lambda X: as_rows(where, X, backbone), wanted)
        parts = [split_stream(where, s, training.validation, seed, labels) for s in streams]
        held = HeldTasks(s.take(index) for s, (_, index) in zip(streams, parts) if len(index))
        train = {"+".join(s.tasks): s.take(index) for s, (index, _) in zip(streams, parts)}
        first = next(iter(train.values())).rows
        network = self._network(backbone, labels)
        none = np.empty(0)
        return TaskFit(
            network, backbone, labels, first, held, place, training, seed, none, none, streams=train  # type: ignore[arg-type]
        )  # fmt: skip

    # What an architecture may say ---------------------------------------------------------------------------------

    def _load(self, where: str, X: Any) -> Backbone:
        """The backbone, built for the first row where it is a small one or the user's own."""
        source = self.backbone
        if source == "auto":
            try:
                source = small_name(X[0])
            except ParamError as err:
                raise ParamError(f"{where}: {err}") from err
        from_sample = isinstance(source, nn.Module) or (isinstance(source, str) and source.startswith("small:"))
        return load_backbone(source, **({"sample": X[0]} if from_sample else {}))

    def _network(self, backbone: Backbone, labels: TaskLabels) -> Network:  # type: ignore[override]
        """Body and heads before training."""
        outputs = [own.n_outputs for own in labels.each]
        return Network(backbone, TaskHeads(backbone.n_features, outputs, self.head, self.dropout))  # type: ignore[arg-type]

    def _edits(self, labels: TaskLabels) -> Sequence[Mapping[str, Any]]:
        """Changes of the body's structure."""
        return ()

    def _edit(self, fit: TaskFit) -> None:
        new = []
        for edit in self._edits(fit.labels):  # type: ignore[arg-type]
            new += apply_edit(fit.network.body, edit, seed=fit.seed)
            fit.network.edits.append(dict(edit))
        if self._body_stays():
            fit.only = frozenset(f"body.{name}" for name in new)

    def _body_stays(self) -> bool:
        """Whether of the body only what the edits added trains."""
        return False

    def _on_representation(self, where: str) -> bool:
        """Whether gradients are those with respect to the shared representation."""
        return False

    def _affinity_rate(self, fit: TaskFit) -> float | None:
        """Learning rate with which inter-task affinity is measured, if it is."""
        return None

    def _objective(self, fit: TaskFit) -> Objective:
        where, labels = f"{type(self).__name__}.fit", fit.labels
        assert isinstance(labels, TaskLabels)
        kinds = [own.kind for own in labels.each]
        try:
            balancer = make_balancer(self.balancing, kinds, fit.seed, self.balancing_options)
        except ParamError as err:
            raise ParamError(f"{where}: {err}") from err
        shares = {name: float(s.known[name].mean()) for s in fit.streams.values() for name in s.tasks}
        fit.balancing_rate = balancer.lr_scale
        return MultiTaskObjective(
            fit.network, labels, {k: s.tasks for k, s in fit.streams.items()}, shares, balancer, fit.training.n_epochs,
            on_representation=isinstance(balancer, GradientBalancer) and self._on_representation(where),
            affinity_rate=self._affinity_rate(fit),
        )  # fmt: skip

    def _plan(self, fit: TaskFit) -> FreezePlan:
        """All trains, a pretrained body slower than what is new; batch normalisation follows the batches."""
        is_new = (fit.backbone.spec or {}).get("family") in ("small", "identity")
        scale = 1.0 if is_new else fit.training.body_lr_scale
        if fit.only is not None:
            scale = 1.0  # what trains of the body is new
        norm = "train" if fit.only is None else "frozen"
        plan = make_plan(fit.network.groups, n_epochs=fit.training.n_epochs, body_lr_scale=scale, batch_norm=norm)
        own = Part("", lr_scale=fit.balancing_rate)  # of what is in no part of the network
        return replace(plan, parts=(*plan.parts, own), only=fit.only)

    def _all_streams(self, fit: TaskFit) -> Mapping[str, Rows]:
        return dict(sorted(((k, s.rows) for k, s in fit.streams.items()), key=lambda item: -len(item[1])))

    def _validation(self, fit: TaskFit, objective: Objective) -> Callable[[], dict[str, float]] | None:
        if not len(fit.held):
            return None

        def scores() -> dict[str, float]:
            found = {}
            for stream in fit.held:
                outputs = outputs_of(objective, objective.predict_step, stream.rows, fit.place)
                for name in stream.tasks:
                    own, known = fit.labels.of(name), stream.known[name]
                    predicted = own.predict(outputs[known][:, fit.labels.columns(name)])
                    found[f"{name}/score"] = own.score(as_values(stream.values[name][known]), predicted)
            return {**found, "validation": float(np.mean(list(found.values())))}

        return scores

    # Use ----------------------------------------------------------------------------------------------------------

    def _own_outputs(self, X: Any, task: str, method: str) -> tuple[Any, Array]:
        """Labels of a task, and its outputs for rows."""
        check_is_fitted(self, "network_")
        self._check_name(task, method)
        outputs = self._outputs(X, method)
        return self.labels_.of(task), outputs[:, self.labels_.columns(task)]

    def _check_name(self, task: str, method: str) -> None:
        if task not in self.tasks_:
            raise DomainError(
                f"{type(self).__name__}.{method}: task must be one of {', '.join(self.tasks_)}. Got {task!r}."
            )

    def predict(self, X: Any, *, task: str) -> Array:
        """Classes or values of a task for rows.

        Parameters
        ----------
        X : rows of the kind that the backbone takes
        task : str
            One of ``tasks_``.

        Returns
        -------
        array of shape (n_samples,)

        Raises
        ------
        DomainError
            If there is no such task; those that there are, are named.
        """
        labels, outputs = self._own_outputs(X, task, "predict")
        return labels.predict(outputs)

    def predict_proba(self, X: Any, *, task: str) -> Array:
        """Class probabilities of a task, of shape (n_samples, n_classes), in the order of ``classes_[task]``."""
        labels, outputs = self._own_outputs(X, task, "predict_proba")
        if labels.kind == "regression":
            raise DomainError(
                f"{type(self).__name__}.predict_proba: task must have classes. Got {task!r}, which has numbers."
            )
        return labels.proba(outputs)

    def decision_function(self, X: Any, *, task: str) -> Array:
        """The outputs of a task's head, of shape (n_samples, n_outputs)."""
        return self._own_outputs(X, task, "decision_function")[1].astype(np.float64)

    def score(self, X: Any, y: Any, *, task: str) -> float:
        """Accuracy or R^2 of a task."""
        predicted = self.predict(X, task=task)
        return self.labels_.of(task).score(y, predicted)

    def __sklearn_tags__(self) -> Tags:
        return BaseEstimator.__sklearn_tags__(self)
