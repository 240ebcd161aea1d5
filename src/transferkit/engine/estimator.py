"""Deep estimators: constructor parameters become an Objective, and the loop trains it."""

from __future__ import annotations

import copy
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import ClassifierTags, RegressorTags, Tags, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..core.constraints import Either, Fulfils, Interval, Nothing, Options, RandomState, Rule, check_params
from ..core.errors import DomainError, ParamError
from ..core.protocols import Array, Domain
from ..ops.nn.edits import apply_edit, merge_edits
from ..ops.nn.heads import HEADS, Head
from .backbone import Backbone
from .backbones import load_backbone
from .device import Place, find_place
from .distribution import find_processes
from .forgetting import forgetting
from .freezing import BATCH_NORM, FreezePlan, make_plan
from .inference import outputs_of
from .inputs import as_rows, check_input
from .labels import KINDS, Labels, as_values, find_labels
from .loop import Loop
from .network import Network
from .objective import Objective
from .rows import Rows
from .training import Training

__all__ = ["NETWORK_RULES", "PLAN_RULES", "Fit", "NetworkTransfer"]

# What every deep estimator's `_constraints` begins with.
NETWORK_RULES: Mapping[str, Rule] = {
    "source": Fulfils(
        "be a backbone's name such as 'timm:resnet18', a torch Module or a Backbone",
        lambda v: isinstance(v, (str, nn.Module, Backbone)) and v != "",
    ),
    "head": Options(*HEADS),
    "dropout": Interval(float, 0, 1, closed="left"),
    "training": Either(Nothing(), Fulfils("be a Training", lambda v: isinstance(v, Training))),
    "task": Options(*KINDS),
    "random_state": RandomState(),
}
# And, where the user may choose what trains when:
PLAN_RULES: Mapping[str, Rule] = {
    "plan": Fulfils("be a freeze plan", lambda v: isinstance(v, (str, FreezePlan, Mapping))),
    "lr_decay": Interval(float, 0, 1, closed="right"),
    "batch_norm": Options(*BATCH_NORM),
}

_FORGETTING_ROWS = 200


@dataclass(eq=False)
class Fit:
    """What a method's objective is built from.

    Attributes
    ----------
    network : Network
        To be trained.
    backbone : Backbone
        As it came, untouched: what is known.
    labels : Labels
        Kind of task, classes.
    rows, held : Rows
        The rows that are trained on, and those that judge an epoch (possibly none); with encoded labels.
    place : Place
        Where the network will run.
    training : Training
        The settings.
    seed : int
    y, y_held : array of shape (n_samples, ...)
        Labels of `rows` and `held` as given.
    notes : dict
        What a method wants the report to know.
    only : frozenset of str or None
        Names of the body's parameters that may train; None is all.
    """

    network: Network
    backbone: Backbone
    labels: Labels
    rows: Rows
    held: Rows
    place: Place
    training: Training
    seed: int
    y: Array
    y_held: Array
    notes: dict[str, Any] = field(default_factory=dict)
    only: frozenset[str] | None = None


def _has_proba(self: Any) -> bool:
    labels = getattr(self, "labels_", None)
    return self.task != "regression" if labels is None else labels.kind in ("classification", "multilabel")


class NetworkTransfer(BaseEstimator, ABC):
    """A trained network carried over to labelled target rows (protocol ModelTransfer).

    A subclass writes ``_objective``, and, where it needs to, ``_edits`` or ``_edit``, ``_plan``, ``_streams`` and
    ``_finish``. One whose labels are not one a row writes ``_check_input``, ``_rows``, ``_read_labels``, ``_judge`` and the
    methods of use too.
    """

    source: Any
    head: str
    dropout: float
    training: Training | None
    task: str
    random_state: Any
    labels_: Any  # Labels, or what stands for them where a row has several
    _constraints: ClassVar[Mapping[str, Rule]] = NETWORK_RULES
    _test_params: ClassVar[Mapping[str, Any]] = {}
    _known_failures: ClassVar[Mapping[str, str]] = {}

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit on labelled rows of the target.

        Parameters
        ----------
        X : Samples, list of str, array, tensor or map-style torch Dataset
            Target rows of the kind that the backbone takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classes; a table of 0 and 1 for several labels a row; or numbers.

        Returns
        -------
        self : object
            The fitted method.

        Raises
        ------
        ParamError, DomainError, TrainingError
            Naming what cannot be used, or why the training stopped.
        """
        check_params(self)
        where = f"{type(self).__name__}.fit"
        training = Training() if self.training is None else copy.copy(self.training)
        _check_training(where, training)
        X = self._check_input(where, X)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        seed = find_processes(training.device).first(seed)  # without a given one, every process drew its own
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            fit = self._begin(where, X, y, training, seed)
            facts = self._train(fit)
            if "forgetting" not in fit.notes:  # a method that has source data measures it there
                options = {"place": fit.place, "limit": _FORGETTING_ROWS}
                fit.notes["forgetting"] = forgetting(fit.backbone, fit.network.body, fit.rows, **options)
        self.network_, self.labels_ = fit.network.eval(), fit.labels
        self.backbone_name_, self.fingerprint_ = fit.backbone.name, fit.backbone.fingerprint
        self.facts_ = {
            "backbone": fit.backbone.name,
            "weights": fit.backbone.fingerprint,
            "device": str(fit.place.device),
            "precision": fit.place.precision,
            **facts,
            **fit.notes,
        }
        if fit.labels.classes is not None:
            self.classes_ = fit.labels.classes
        elif hasattr(self, "classes_"):
            del self.classes_  # of an earlier fit
        if fit.backbone.kind == "vectors":
            self.n_features_in_ = int(fit.rows[0].shape[0])
        elif hasattr(self, "n_features_in_"):
            del self.n_features_in_
        return self

    def _begin(self, where: str, X: Any, y: Any, training: Training, seed: int) -> Fit:
        """Backbone, labels, rows and the network before training."""
        place = find_place(training.device, training.precision, training.channels_last)
        backbone = self._load(X)
        rows = self._rows(where, X, backbone)
        labels, values = self._read_labels(where, y, X, rows)
        train, held = _split(where, rows, values, labels, training, seed)
        network = self._network(backbone, labels)
        return Fit(
            network,
            backbone,
            labels,
            rows.take(train),
            rows.take(held),
            place,
            training,
            seed,
            values[train],
            values[held],
        )

    def _train(self, fit: Fit) -> dict[str, Any]:
        """Train ``fit.network``, set ``history_`` and ``n_updates_``, give what the report should know."""
        self._edit(fit)
        objective = self._objective(fit)
        plan, groups = self._plan(fit), fit.network.groups
        key = self._key()
        if (
            fit.training.folder is not None
        ):  # a teacher, and the rows that judge, are not among the loop's rows and weights
            key += fit.backbone.fingerprint + fit.held.digest()
        loop = Loop(
            objective,
            {"target": fit.rows, **self._streams(fit)},
            fit.training,
            network=fit.network,
            groups=groups,
            plan=plan,
            seed=fit.seed,
            validate=(lambda: self._judge(fit, objective)) if len(fit.held) else None,
            key=key,
        )
        trained = loop.run()
        table = plan.table(fit.network, groups, loop.lr)
        self._finish(fit, objective)
        self.history_, self.n_updates_ = trained.history, trained.n_updates
        return {
            "lr": loop.lr,
            "pieces": trained.pieces,
            "stopped_early": trained.stopped_early,
            "best_epoch": trained.best_epoch,
            "plan": table,
        }

    # What a method may say ----------------------------------------------------------------------------------------

    def _backbone_options(self) -> dict[str, Any]:
        """Options of `load_backbone` that follow from the parameters."""
        return {"pool": "none"} if self.head == "conv" else {}

    def _check_input(self, where: str, X: Any) -> Any:
        """Rows that can be indexed, or an error."""
        return check_input(where, X)

    def _load(self, X: Any) -> Backbone:
        """The source model."""
        options = self._backbone_options()
        if isinstance(self.source, nn.Module):
            options["sample"] = X[0]
        return load_backbone(self.source, **options)

    def _rows(self, where: str, X: Any, backbone: Backbone) -> Rows:
        """Checked input as the source model takes it."""
        return as_rows(where, X, backbone)

    def _read_labels(self, where: str, y: Any, X: Any, rows: Rows) -> tuple[Labels, Array]:
        """What the labels are, and their values; sets ``rows.y``."""
        labels, values = find_labels(where, y, len(rows), self.task), as_values(y)
        rows.y = labels.encode(values)
        return labels, values

    def _judge(self, fit: Fit, objective: Objective) -> float:
        """Score on the rows that were held back."""
        outputs = outputs_of(objective, objective.predict_step, fit.held, fit.place)
        return fit.labels.score(fit.y_held, fit.labels.predict(outputs))

    def _network(self, backbone: Backbone, labels: Labels) -> Network:
        """Body and head before training."""
        return Network(backbone, Head(backbone.n_features, labels.n_outputs, self.head, self.dropout))

    def _edits(self) -> Sequence[Mapping[str, Any]]:
        """Changes of the body's structure, as `transferkit.ops.nn.edits` takes them; then nothing else of the body trains."""
        return ()

    def _edit(self, fit: Fit) -> None:
        """Change the network's structure before it is trained."""
        names = [
            n for k, edit in enumerate(self._edits()) for n in apply_edit(fit.network.body, edit, seed=fit.seed + k)
        ]
        fit.network.edits = [dict(edit) for edit in self._edits()]
        fit.only = frozenset(f"body.{name}" for name in names) if fit.network.edits else None

    @abstractmethod
    def _objective(self, fit: Fit) -> Objective:
        """The networks and the mathematics of this method."""

    def _plan(self, fit: Fit) -> FreezePlan:
        """Which part trains when: as `plan`, `lr_decay` and `batch_norm` say, where the method has them."""
        found = make_plan(
            fit.network.groups,
            getattr(self, "plan", "full"),
            n_epochs=fit.training.n_epochs,
            lr_decay=getattr(self, "lr_decay", 1.0),
            body_lr_scale=fit.training.body_lr_scale if fit.only is None else 1.0,
            batch_norm=getattr(self, "batch_norm", "frozen"),
        )
        return found if fit.only is None else replace(found, only=fit.only)

    def _streams(self, fit: Fit) -> Mapping[str, Rows]:
        """Further streams of rows beside the target's."""
        return {}

    def _finish(self, fit: Fit, objective: Objective) -> None:
        """After the training: fold what was added into plain layers, note what was found in ``fit.notes``."""
        if fit.network.edits:
            fit.network.edits = merge_edits(fit.network.body)

    def _key(self) -> str:
        """What of the parameters a resumed training must agree in."""
        data = (Domain, Backbone, nn.Module, Training)  # the weights and labels at the start stand for these
        params = {
            k: repr(v)
            for k, v in self.get_params(deep=False).items()
            if not isinstance(v, data) and k not in ("source", "plan", "random_state")  # the loop sees plan and seed
        }
        return hashlib.sha256(json.dumps([type(self).__name__, params], sort_keys=True).encode()).hexdigest()

    # Use ----------------------------------------------------------------------------------------------------------

    def _outputs(self, X: Any, method: str, forward: str = "forward") -> Array:
        check_is_fitted(self, "network_")
        where = f"{type(self).__name__}.{method}"
        X = self._check_input(where, X)
        wanted = getattr(self, "n_features_in_", None)
        if wanted is not None and hasattr(X, "shape") and X.shape[1:] != (wanted,):
            raise DomainError(f"{where}: X must have {wanted} features, as in fit. Got shape {tuple(X.shape)}.")
        training = Training() if self.training is None else self.training
        place = find_place(training.device, training.precision, training.channels_last)
        place.put(self.network_)
        rows = self._rows(where, X, self.network_.backbone).once()
        call = getattr(self.network_, forward)
        return outputs_of(self.network_, call, rows, place, max(64, training.batch_size), training.workers)

    def predict(self, X: Any) -> Any:
        """Classes, 0 and 1 a label, or values for rows of the target."""
        outputs = self._outputs(X, "predict")
        return self.labels_.predict(outputs)

    @available_if(_has_proba)
    def predict_proba(self, X: Any) -> Array:
        """Probabilities of shape (n_samples, n_classes), in the order of ``classes_``; one a label for several labels."""
        outputs = self._outputs(X, "predict_proba")
        return self.labels_.proba(outputs)

    @available_if(_has_proba)
    def decision_function(self, X: Any) -> Array:
        """The network's logits, of shape (n_samples, n_classes)."""
        return self._outputs(X, "decision_function").astype(np.float64)

    def transform(self, X: Any) -> Any:
        """What the head gets, of shape (n_samples, n_features)."""
        return self._outputs(X, "transform", "features")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy (classes), micro-averaged F1 (several labels) or R^2 (numbers)."""
        predicted = self.predict(X)
        return self.labels_.score(y, predicted, sample_weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if self.task == "regression":
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        else:
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        tags.target_tags.required = True
        return tags


def _check_training(where: str, training: Training) -> None:
    try:
        check_params(training)
    except ParamError as err:
        raise ParamError(f"{where}: training must be in range. {err}") from err
    if (training.patience is not None or training.keep == "best") and training.validation == 0:
        raise ParamError(
            f"{where}: training.validation must be above 0 where patience or keep='best' is asked for. Got 0."
        )


def _split(where: str, rows: Rows, y: Array, labels: Labels, training: Training, seed: int) -> tuple[Array, Array]:
    """Rows to train on, and rows of the training labels that judge an epoch."""
    every = np.arange(len(rows))
    if training.validation == 0:
        return every, every[:0]
    if labels.kind == "regression" and np.ceil(training.validation * len(rows)) < 2:
        raise DomainError(f"{where}: training.validation must leave two rows for R^2. Got {len(rows)} rows.")
    classes = y if labels.kind == "classification" else None
    try:
        train, held = train_test_split(
            every, test_size=training.validation, random_state=seed % 2**32, stratify=classes
        )
    except ValueError as err:
        raise DomainError(
            f"{where}: X must have rows enough for training.validation={training.validation}. Got: {err}"
        ) from err
    return np.sort(train), np.sort(held)
