"""Networks that learn one task after the other: a head that grows, a seed a task, and what a method keeps between tasks.

How to add a method
-------------------
Most are terms beside the loss on the new rows: write ``_terms(fit)``, which gives a list of
`transferkit.engine.fine_tuning.supervised.Term`, and ``_finish(fit, objective)``, which puts what has to be kept for the next
task into ``fit.kept``, by the name of a fitted attribute. Only when the whole training is done are these set, so that a task
that fails leaves the method as it was. What is kept must be what `transferkit.store` can save: numbers, arrays, tensors,
containers, a `Memory`. Then a method that was saved after a task and loaded goes on exactly as the unbroken one: every random
number follows from ``seed_`` and the task's number. ``_streams``, ``_objective`` and ``_begin_task`` are there for methods
that need other rows or several losses.
"""

from __future__ import annotations

import copy
from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ...core.constraints import Either, Fulfils, Interval, Nothing, Options, RandomState, Rule, check_params
from ...core.continual import Outputs, fit_stream, labelled_rows, softmax
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...ops.nn.continual import grouped_cross_entropy, grow_head
from ...ops.nn.heads import HEADS, Head
from ..answers.labels import Labels
from ..backbones import load_backbone
from ..backbones.small_models import small_name
from ..fine_tuning.supervised import Supervised, Term
from ..inputs.rows import Rows
from ..networks.backbone import Backbone
from ..networks.estimator import Fit, NetworkEstimator, split_rows
from ..networks.inference import outputs_of
from ..networks.network import Network
from ..training.device import find_place
from ..training.distribution import find_processes
from ..training.freezing import BATCH_NORM, FreezePlan, make_plan
from ..training.objective import Objective
from ..training.settings import Training
from .memory import Memory

__all__ = ["CONTINUAL_RULES", "MEMORY_SIZE", "ContinualNetwork", "TaskFit", "TaskLabels"]

# What the `_constraints` of every method begin with, and that of a bounded memory.
CONTINUAL_RULES: Mapping[str, Rule] = {
    "backbone": Fulfils(
        "be 'auto', a backbone's name such as 'small:mlp' or 'timm:resnet18', a torch Module or a Backbone",
        lambda v: isinstance(v, (str, nn.Module, Backbone)) and v != "",
    ),
    "heads": Options("shared", "separate"),
    "plan": Fulfils("be a freeze plan", lambda v: isinstance(v, (str, FreezePlan, Mapping))),
    "batch_norm": Options(*BATCH_NORM),
    "head": Options(*(h for h in HEADS if h != "conv")),
    "dropout": Interval(float, 0, 1, closed="left"),
    "training": Either(Nothing(), Fulfils("be a Training", lambda v: isinstance(v, Training))),
    "random_state": RandomState(),
}
MEMORY_SIZE: Rule = Interval(int, 1)


@dataclass(frozen=True, eq=False)
class TaskLabels(Labels):
    """Classes as numbers of outputs; where tasks have outputs of their own, each row's loss is over those of its task.

    Attributes
    ----------
    groups : int64 array of shape (n_outputs,)
        Which outputs answer together.
    """

    groups: Any = None

    def loss(self, outputs: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        """Cross-entropy over the outputs that belong to the row's task."""
        return grouped_cross_entropy(outputs, y, torch.as_tensor(self.groups, device=outputs.device), reduction)


@dataclass(eq=False, kw_only=True)
class TaskFit(Fit):
    """What the objective for one task is built from.

    Attributes
    ----------
    task : str
        Its name.
    outputs : Outputs
        With the classes of this task.
    n_known : int
        Outputs that were there before.
    first : bool
        Whether nothing has been learned yet.
    kept : dict of str to object
        Fitted attributes that will be set when all is done.
    """

    task: str
    outputs: Outputs
    n_known: int
    first: bool
    kept: dict[str, Any] = field(default_factory=dict)


class ContinualNetwork(NetworkEstimator, ABC):
    """A network that learns from one task after the other (protocol Continual); how to add one is at the top of this file."""

    backbone: Any
    heads: str = "shared"
    task = "classification"
    _constraints: ClassVar[Mapping[str, Rule]] = CONTINUAL_RULES
    _anew: ClassVar[bool] = False  # whether every task's training begins with first weights

    def partial_fit(self, task: Domain) -> Self:
        """Learn a task, or a piece of one.

        Parameters
        ----------
        task : Domain
            Labelled rows of the kind that the backbone takes; only known labels are used. Its name is what `predict` takes
            as `task`; a name that has come before continues that task. Classes may be new.

        Returns
        -------
        self : object

        Raises
        ------
        ParamError, DomainError, TrainingError
            Naming what cannot be used, or why the training stopped; what was learned before stays as it is.
        """
        where = f"{type(self).__name__}.partial_fit"
        begun = hasattr(self, "network_")
        training = self._checked_settings(where, begun)
        X, y = labelled_rows(where, task)
        X = self._check_input(where, X)
        number = self.n_fits_ if begun else 0
        first_seed = (
            self.seed_
            if begun
            else find_processes(training.device).first(int(check_random_state(self.random_state).randint(2**31 - 1)))
        )
        seed = int(np.random.SeedSequence([first_seed, number]).generate_state(1)[0] >> 1)
        if training.folder is not None:
            training.folder = Path(training.folder) / f"{number:03d}"
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            fit = self._begin(where, task.name, X, y, training, seed)
            fit.kept["seed_"] = first_seed
            self._begin_task(fit)
            self._learn(fit, number)
        return self

    def fit(self, tasks: Sequence[Domain]) -> Self:
        """Forget everything and learn tasks in the order given: `partial_fit` for each."""
        fit_stream(self, tasks)
        return self

    def _learn(self, fit: TaskFit, number: int) -> None:
        """Train, and then set all that has been learned."""
        before = getattr(self, "history_", []), getattr(self, "n_updates_", 0)
        facts = self._train(fit)
        for name, value in fit.kept.items():
            setattr(self, name, value)
        self.network_, self.outputs_, self.n_fits_ = fit.network.eval(), fit.outputs, number + 1
        self.classes_ = fit.outputs.known_classes
        self.history_ = before[0] + [{"task": fit.task, **row} for row in self.history_]
        self.n_updates_ += before[1]
        self.facts_ = {
            "backbone": fit.backbone.name,
            "weights": fit.backbone.fingerprint,
            "device": str(fit.place.device),
            "precision": fit.place.precision,
            "memory": len(getattr(self, "memory_", ())),
            **facts,
            **fit.notes,
        }
        if fit.backbone.kind == "vectors":
            self.n_features_in_ = int(fit.rows[0].shape[0])

    def _checked_settings(self, where: str, begun: bool) -> Training:
        """The settings of this training, after all parameters were checked."""
        checked = self
        if begun and self.backbone is None:  # loaded without the module that it began with, and not needed any more
            checked = copy.copy(self)
            checked.backbone = "auto"
        check_params(checked, method="partial_fit")
        training = Training() if self.training is None else copy.copy(self.training)
        try:
            check_params(training)
        except ParamError as err:
            raise ParamError(f"{where}: training must be in range. {err}") from err
        if (training.patience is not None or training.keep == "best") and training.validation == 0:
            raise ParamError(f"{where}: training.validation must be above 0 with patience or keep='best'. Got 0.")
        return training

    def _begin(self, where: str, name: str, X: Any, y: Array, training: Training, seed: int) -> TaskFit:
        """Rows, labels and the network before training, with outputs for the classes that are new."""
        begun = hasattr(self, "network_")
        place = find_place(training.device, training.precision, training.channels_last)
        backbone = self.network_.backbone if begun else self._load(where, X)
        if begun and backbone.kind == "vectors" and getattr(X, "shape", (0,))[1:] != (self.n_features_in_,):
            got = getattr(X, "shape", type(X).__name__)
            raise DomainError(f"{where}: X must have {self.n_features_in_} features, as in the first task. Got {got}.")
        rows = self._rows(where, X, backbone)
        outputs = copy.deepcopy(self.outputs_) if begun else Outputs(self.heads == "separate")
        n_known = len(outputs)
        codes = outputs.add(where, name, y)
        rows.y = torch.as_tensor(codes)
        labels = TaskLabels("classification", len(outputs), np.arange(len(outputs)), groups=outputs.groups)
        few = len(np.unique(codes)) < 2 or np.bincount(codes).max() < 2
        train, held = split_rows(where, rows, np.zeros(len(codes)) if few else codes, labels, training, seed)
        if begun:
            network = (self.start_ if self._anew else self.network_).copy()
            if self._anew:
                network.head = Head(**{**network.head.spec, "n_outputs": len(outputs)})
            network.head = grow_head(network.head, len(outputs))
        else:
            network = Network(backbone, Head(backbone.n_features, len(outputs), self.head, self.dropout))
        fit = TaskFit(
            network,
            backbone,
            labels,
            rows.take(train),
            rows.take(held),
            place,
            training,
            seed,
            y[train],
            y[held],
            task=name,
            outputs=outputs,
            n_known=n_known,
            first=not begun,
        )
        if self._anew and not begun:
            fit.kept["start_"] = network.copy()
        return fit

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

    # What a method may say ----------------------------------------------------------------------------------------

    def _begin_task(self, fit: TaskFit) -> None:
        """Before the training: other rows, or what has to be noted of the network as it is."""

    def _terms(self, fit: TaskFit) -> Sequence[Term]:
        """Parts of the loss beside that on the new rows."""
        return ()

    def _objective(self, fit: TaskFit) -> Objective:
        return Supervised(fit.network, fit.labels, self._terms(fit))

    def _streams(self, fit: TaskFit) -> Mapping[str, Rows]:
        """Further streams of rows beside the new ones; each batch has as many rows of every stream."""
        return {}

    def _all_streams(self, fit: TaskFit) -> Mapping[str, Rows]:
        return {"target": fit.rows, **self._streams(fit)}

    def _plan(self, fit: TaskFit) -> FreezePlan:
        is_new = (fit.backbone.spec or {}).get("family") == "small"
        return make_plan(
            fit.network.groups,
            getattr(self, "plan", "full"),
            n_epochs=fit.training.n_epochs,
            body_lr_scale=1.0 if is_new else fit.training.body_lr_scale,
            batch_norm=getattr(self, "batch_norm", "train"),
        )

    def _judge(self, fit: TaskFit, objective: Objective) -> float:
        found = outputs_of(objective, objective.predict_step, fit.held, fit.place)
        scores = fit.outputs.scores("", found, fit.task if fit.outputs.separate else None)
        return float(accuracy_score(fit.y_held, fit.outputs.known_classes[scores.argmax(axis=1)]))

    def _memory(self) -> Memory:
        """The rows that are kept, before a task."""
        return getattr(self, "memory_", Memory())

    # Use ----------------------------------------------------------------------------------------------------------

    def _raw_outputs(self, X: Any, method: str) -> Array:
        """One number an output, of shape (n_samples, n_outputs)."""
        return self._outputs(X, method).astype(np.float64)

    def decision_function(self, X: Any, *, task: str | None = None) -> Array:
        """Scores of shape (n_samples, n_classes) in the order of ``classes_``; minus infinity outside the task."""
        return self._scores(X, task, "decision_function")

    def _scores(self, X: Any, task: str | None, method: str) -> Array:
        check_is_fitted(self, "network_")
        where = f"{type(self).__name__}.{method}"
        self.outputs_.scores(where, np.empty((0, len(self.outputs_))), task)  # an unknown task costs no forward pass
        return self.outputs_.scores(where, self._raw_outputs(X, method), task)

    def predict(self, X: Any, *, task: str | None = None) -> Array:
        """Classes of shape (n_samples,).

        Parameters
        ----------
        X : rows
            Of the kind that the backbone takes.
        task : str, optional
            Only classes that this task has brought are answered; None takes all that have come.
        """
        scores = self._scores(X, task, "predict")
        return np.asarray(self.classes_)[scores.argmax(axis=1)]

    def predict_proba(self, X: Any, *, task: str | None = None) -> Array:
        """Probabilities of shape (n_samples, n_classes) in the order of ``classes_``; 0 outside the task."""
        return softmax(self._scores(X, task, "predict_proba"))

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, task: str | None = None) -> float:
        """Accuracy."""
        return float(accuracy_score(y, self.predict(X, task=task), sample_weight=sample_weight))
