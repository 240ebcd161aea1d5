"""What all deep estimators share: a fit that ends in a trained network, and what is asked of that network."""

from __future__ import annotations

import copy
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import ClassifierTags, RegressorTags, Tags, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ...core.constraints import Rule, check_params
from ...core.errors import DomainError, ParamError, TrainingError
from ...core.protocols import Array, Domain
from ...ops.nn.heads import Head
from ..answers.labels import Labels
from ..inputs.inputs import as_rows, check_input
from ..inputs.rows import Rows
from ..training.device import Place, find_place
from ..training.distribution import find_processes
from ..training.freezing import FreezePlan
from ..training.loop import Loop
from ..training.objective import Objective
from ..training.settings import Training
from .backbone import Backbone, Group
from .inference import outputs_of
from .network import Network

__all__ = ["Fit", "NetworkEstimator", "split_rows"]


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


class NetworkEstimator(BaseEstimator, ABC):
    """A deep method as a scikit-learn estimator; `NetworkTransfer` and `NetworkAdaptation` are its two shapes.

    A subclass writes ``fit``, which ends in `_run`, and ``_objective``, ``_plan`` and ``_all_streams``.
    """

    head: str
    dropout: float
    training: Training | None
    task: str
    random_state: Any
    labels_: Any  # Labels, or what stands for them where a row has several
    _constraints: ClassVar[Mapping[str, Rule]]
    _test_params: ClassVar[Mapping[str, Any]] = {}
    _known_failures: ClassVar[Mapping[str, str]] = {}

    def _checked_training(self, where: str) -> Training:
        """This fit's own copy of the settings, after all parameters were checked."""
        check_params(self)
        training = self._usual() if self.training is None else copy.copy(self.training)
        try:
            check_params(training)
        except ParamError as err:
            raise ParamError(f"{where}: training must be in range. {err}") from err
        if (training.patience is not None or training.keep == "best") and training.validation == 0:
            raise ParamError(
                f"{where}: training.validation must be above 0 where patience or keep='best' is asked for. Got 0."
            )
        return training

    def _run(self, training: Training, begin: Callable[[int], Fit]) -> Self:
        """From ``begin(seed)``, all that there is before the training, to the fitted method."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        seed = find_processes(training.device).first(seed)  # without a given one, every process drew its own
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            fit = begin(seed)
            facts = self._train(fit)
            self._look_back(fit)
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

    def _train(self, fit: Fit) -> dict[str, Any]:
        """Train ``fit.network``, set ``history_`` and ``n_updates_``, give what the report should know."""
        self._edit(fit)
        objective = self._objective(fit)
        plan, groups = self._plan(fit), self._groups(fit)
        key = self._key()
        if (
            fit.training.folder is not None
        ):  # a teacher, and the rows that judge, are not among the loop's rows and weights
            key += fit.backbone.fingerprint + fit.held.digest()
        loop = Loop(
            objective,
            self._all_streams(fit),
            fit.training,
            network=fit.network,
            groups=groups,
            plan=plan,
            seed=fit.seed,
            validate=self._validation(fit, objective),
            key=key,
        )
        try:
            trained = loop.run()
        except ValueError as err:
            if "more than 1 value per channel" not in str(err):
                raise
            raise TrainingError(
                f"{type(self).__name__}.fit: training.batch_size must leave two rows or more a batch for batch normalisation."
                " Got a batch of one row, or of one row a piece."
            ) from err
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

    # What a shape of method says -----------------------------------------------------------------------------------

    def _usual(self) -> Training:
        """The settings of the training where the user gives none."""
        return Training()

    def _groups(self, fit: Fit) -> tuple[Group, ...]:
        """The network's parts from input to output; the head is the last one."""
        return fit.network.groups

    def _check_input(self, where: str, X: Any, name: str = "X") -> Any:
        """Rows that can be indexed, or an error that calls them `name`."""
        return check_input(where, X, name)

    def _rows(self, where: str, X: Any, backbone: Backbone) -> Rows:
        """Checked input as the source model takes it."""
        return as_rows(where, X, backbone)

    def _judge(self, fit: Fit, objective: Objective) -> float:
        """Score on the rows that were held back."""
        outputs = outputs_of(objective, objective.predict_step, fit.held, fit.place)
        return fit.labels.score(fit.y_held, fit.labels.predict(outputs))

    def _network(self, backbone: Backbone, labels: Labels) -> Network:
        """Body and head before training."""
        return Network(backbone, Head(backbone.n_features, labels.n_outputs, self.head, self.dropout))

    @abstractmethod
    def _objective(self, fit: Fit) -> Objective:
        """The networks and the mathematics of this method."""

    @abstractmethod
    def _plan(self, fit: Fit) -> FreezePlan:
        """Which part trains when."""

    @abstractmethod
    def _all_streams(self, fit: Fit) -> Mapping[str, Rows]:
        """Where batches come from, by name; an epoch is one pass over the first."""

    def _edit(self, fit: Fit) -> None:
        """Change the network's structure before it is trained."""

    def _validation(self, fit: Fit, objective: Objective) -> Callable[[], Any] | None:
        """What the loop calls after every epoch: the score of the rows that were held back."""
        return (lambda: self._judge(fit, objective)) if len(fit.held) else None

    def _finish(self, fit: Fit, objective: Objective) -> None:
        """After the training: fold what was added into plain layers, note what was found in ``fit.notes``."""

    def _look_back(self, fit: Fit) -> None:
        """Note in ``fit.notes`` what the report should know of the trained network."""

    def _key(self) -> str:
        """What of the parameters a resumed training must agree in."""
        data = (Domain, Backbone, nn.Module, Training)  # the weights and labels at the start stand for these
        params = {
            k: repr(v)
            for k, v in self.get_params(deep=False).items()
            if not isinstance(v, data)
            and k not in ("source", "backbone", "plan", "random_state")  # the loop sees plan and seed
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


def split_rows(where: str, rows: Rows, y: Array, labels: Labels, training: Training, seed: int) -> tuple[Array, Array]:
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
