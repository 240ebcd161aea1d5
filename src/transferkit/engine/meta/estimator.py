"""Meta-learners: many tasks teach a network how to learn the next one from a few rows (protocol MetaLearner).

How to add a method
-------------------
Write ``_learner(network, labels, n_support)``, which gives a `TaskLearner`: ``adapt`` and ``answer`` for one task; see
``algorithms/meta/maml.py``. What else may be written:

``_network``       another network than body and head
``_edit``          changes of the network's structure before it is trained
``_episodic``      False: there is no training by episodes; the body is what `pretrain` leaves (``pretraining.py``)
``_before``        what comes before the episodes, such as a pretraining
``_streams``       further streams of rows beside "tasks"
``_more_classes``  whether a new task may have more classes than an episode had (a method without a head of fixed width)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ...core.constraints import Rule, check_params
from ...core.errors import DomainError, ParamError
from ...core.protocols import Domain
from ...ops.nn.edits import apply_edit
from ...ops.nn.heads import Head
from ..answers.labels import Labels, as_values, find_labels
from ..backbones import load_backbone
from ..backbones.small_models import small_name
from ..inputs.inputs import as_rows, check_input
from ..inputs.rows import Rows
from ..networks.backbone import Backbone
from ..networks.network import Network
from ..training.device import Place, find_place
from ..training.distribution import find_processes
from ..training.freezing import FreezePlan, make_plan
from ..training.loop import Loop
from ..training.settings import Training
from .adapted import AdaptedTask, batch_of, kept
from .episodes import Episodes, Shape
from .rules import GRADIENT_RULES, META_RULES, checked_shape, checked_training
from .task_learner import TaskLearner
from .task_scores import TaskScores, score_episodes
from .tasks import MetaTasks, check_domains, fresh_episodes, known_part, read_tasks, split_tasks

__all__ = ["GRADIENT_RULES", "META_RULES", "MetaEstimator", "MetaFit"]


@dataclass(eq=False)
class MetaFit:
    """What a method's learner is built from.

    Attributes
    ----------
    network : Network
    backbone : Backbone
        As it came.
    tasks, held : MetaTasks
        What episodes are drawn from in training, and to judge an epoch (possibly without pools).
    place : Place
    training : Training
    seed : int
    shape : Shape
    notes : dict
        What a method wants the report to know.
    """

    network: Network
    backbone: Backbone
    tasks: MetaTasks
    held: MetaTasks
    place: Place
    training: Training
    seed: int
    shape: Shape
    notes: dict[str, Any] = field(default_factory=dict)


class MetaEstimator(BaseEstimator, ABC):
    """A meta-learner. A subclass writes ``_learner``; what else it may write is at the top of this file."""

    backbone: Any
    n_way: int
    k_shot: int
    n_query: int
    by: str
    rotations: bool
    n_episodes: int
    training: Training | None
    task: str
    random_state: Any
    labels_: Labels
    _constraints: ClassVar[Mapping[str, Rule]] = META_RULES
    _test_params: ClassVar[Mapping[str, Any]] = {}
    _known_failures: ClassVar[Mapping[str, str]] = {}
    _episodic: ClassVar[bool] = True
    _more_classes: ClassVar[bool] = False
    _kinds: ClassVar[tuple[str, ...]] = ("classification", "regression")

    def fit(self, tasks: Any) -> Self:
        """Learn from tasks how to learn.

        Parameters
        ----------
        tasks : sequence of Domain
            Labelled domains of one kind of rows. Episodes are small tasks drawn from them: a few classes of one domain, whose
            names then mean nothing beyond it; or a few rows of one domain, with the classes or numbers of all (see `by`).

        Returns
        -------
        self : object
            The fitted method.

        Raises
        ------
        ParamError, DomainError, TrainingError
            Naming what cannot be used, or why the training stopped.
        """
        where = f"{type(self).__name__}.fit"
        check_params(self)
        training = checked_training(where, self._default_training() if self.training is None else self.training)
        domains = check_domains(where, tasks)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        seed = find_processes(training.device).first(seed)  # without a given one, every process drew its own
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            fit = self._begin(where, domains, training, seed)
            self._edit(fit)
            self._before(fit)
            learner = self._learner(fit.network, fit.tasks.labels, self._episodes(fit).n_support)
            facts = self._train(fit, learner) if self._episodic else {}
        self._keep(fit, learner, facts)
        return self

    def _begin(self, where: str, domains: list[Domain], training: Training, seed: int) -> MetaFit:
        place = find_place(training.device, training.precision, training.channels_last)
        backbone = self._load(where, domains[0].X)
        shape = Shape(self.n_way, self.k_shot, self.n_query)
        given = {"task": self.task, "by": self.by, "rotations": self.rotations}
        tasks = read_tasks(where, domains, backbone, shape=shape, **given)
        if tasks.labels.kind not in self._kinds:
            raise DomainError(
                f"{where}: the tasks' y must be for {' or '.join(self._kinds)}. Got labels for {tasks.labels.kind}."
            )
        shape = shape if tasks.by == "classes" else replace(shape, n_way=None)
        train, held = split_tasks(where, tasks, shape, training.validation, seed)
        return MetaFit(self._network(backbone, tasks.labels), backbone, train, held, place, training, seed, shape)

    def _train(self, fit: MetaFit, learner: TaskLearner) -> dict[str, Any]:
        """Train by episodes."""
        groups = fit.network.groups
        plan = self._plan(fit)
        loop = Loop(
            learner,
            {"tasks": self._episodes(fit), **self._streams(fit, learner)},
            fit.training,
            network=fit.network,
            groups=groups,
            plan=plan,
            seed=fit.seed,
            validate=self._validation(fit, learner),
            key=f"{type(self).__name__} {self._settings()} {fit.backbone.fingerprint}",
        )
        trained = loop.run()
        self.history_, self.n_updates_ = trained.history, trained.n_updates
        return {
            "lr": loop.lr,
            "pieces": trained.pieces,
            "stopped_early": trained.stopped_early,
            "best_epoch": trained.best_epoch,
            "plan": plan.table(fit.network, groups, loop.lr),
        }

    def _keep(self, fit: MetaFit, learner: TaskLearner, facts: Mapping[str, Any]) -> None:
        self.network_, self.labels_, self.by_ = fit.network.eval(), fit.tasks.labels, fit.tasks.by
        own = {name: value.detach().cpu() for name, value in learner.state_dict().items()}
        self.extra_ = {name: value for name, value in own.items() if not name.startswith("network.")}
        self.backbone_name_, self.fingerprint_ = fit.backbone.name, fit.backbone.fingerprint
        self.facts_ = {
            "backbone": fit.backbone.name,
            "weights": fit.backbone.fingerprint,
            **{"device": str(fit.place.device), "precision": fit.place.precision},
            "episodes_by": fit.tasks.by,
            "pools": len(fit.tasks.pools),
            "left_out": fit.tasks.left_out,
            **facts,
            **fit.notes,
        }
        for name in ("classes_", "n_features_in_"):
            self.__dict__.pop(name, None)  # of an earlier fit
        if fit.tasks.by == "domains" and fit.tasks.labels.classes is not None:
            self.classes_ = fit.tasks.labels.classes
        if fit.backbone.kind == "vectors":
            self.n_features_in_ = int(fit.tasks.domains[0][0].shape[0])

    # What a method says -------------------------------------------------------------------------------------------

    @abstractmethod
    def _learner(self, network: Network, labels: Labels, n_support: int) -> TaskLearner:
        """How this method learns one task; built in `fit`, and again from what was saved."""

    def _default_training(self) -> Training:
        """The settings of the loop where none are given."""
        return Training()

    def _load(self, where: str, X: Any) -> Backbone:
        """The backbone, built for the first row where it is a small one or the user's own."""
        try:
            source = small_name(X[0]) if self.backbone == "auto" else self.backbone
        except ParamError as err:
            raise ParamError(f"{where}: {err}") from err
        from_sample = isinstance(source, nn.Module) or (isinstance(source, str) and source.startswith("small:"))
        return load_backbone(source, **({"sample": X[0]} if from_sample else {}))

    def _network(self, backbone: Backbone, labels: Labels) -> Network:
        """Body and head before training."""
        return Network(backbone, Head(backbone.n_features, labels.n_outputs))

    def _edit(self, fit: MetaFit) -> None:
        """Change the network's structure before it is trained: batch normalisation becomes that of the task."""
        if getattr(self, "batch_norm", None) is None or self._statistics(fit.network) == "frozen":
            return
        edit = {"edit": "task_norm"}
        if apply_edit(fit.network.body, edit):
            fit.network.edits.append(edit)

    def _statistics(self, network: Network) -> Any:
        """What batch normalisation goes by: "auto" keeps that of a pretrained body."""
        asked = getattr(self, "batch_norm", "frozen")
        return ("support" if _is_new(network.backbone) else "frozen") if asked == "auto" else asked

    def _before(self, fit: MetaFit) -> None:
        """What comes before the episodes."""

    def _plan(self, fit: MetaFit) -> FreezePlan:
        """All trains, a pretrained body slower than what is new, and its batch normalisation keeps its statistics."""
        is_new = _is_new(fit.backbone)
        return make_plan(
            fit.network.groups,
            n_epochs=fit.training.n_epochs,
            body_lr_scale=1.0 if is_new else fit.training.body_lr_scale,
            batch_norm="train" if is_new and getattr(self, "batch_norm", None) != "frozen" else "frozen",
        )

    def _streams(self, fit: MetaFit, learner: TaskLearner) -> Mapping[str, Rows]:
        """Further streams beside "tasks"."""
        return {}

    def _episodes(self, fit: MetaFit) -> Episodes:
        """The tasks that are trained on."""
        return Episodes(
            fit.tasks.domains, fit.tasks.pools, fit.shape, fit.seed, self.n_episodes if self._episodic else 1
        )

    def _validation(self, fit: MetaFit, learner: TaskLearner) -> Callable[[], float] | None:
        """What the loop calls after every epoch: the mean score of fixed episodes of what was held back."""
        if not fit.held.pools:
            return None
        episodes = Episodes(fit.held.domains, fit.held.pools, fit.shape, fit.seed + 1, _VALIDATION_EPISODES)
        return lambda: score_episodes(learner, episodes, fit.place).mean_score

    def _settings(self) -> list[tuple[str, str]]:
        """What of the parameters a resumed training must agree in; data and weights are hashed by the loop."""
        params = {
            k: v for k, v in self.get_params().items() if not k.startswith(("backbone", "training", "random_state"))
        }
        return sorted((k, repr(v)) for k, v in params.items())

    # Use ----------------------------------------------------------------------------------------------------------

    def adapt(self, support: Domain) -> AdaptedTask:
        """Learn a new task from its support; the meta-learner itself stays as it is.

        Parameters
        ----------
        support : Domain
            A few rows with known labels. By classes their names are free, and as many as an episode had at most where the
            method has a head of fixed width; by domains they are those of fit.

        Returns
        -------
        predictor : AdaptedTask
            With ``predict``, ``score``, and for classes ``predict_proba`` and ``classes_``.

        Raises
        ------
        DomainError
            Saying what of the support cannot be used.
        """
        check_is_fitted(self, "network_")
        where = f"{type(self).__name__}.adapt"
        domain = known_part(where, support, "support")
        rows = self.query_rows(where, domain.X, "X of support")
        labels = self._support_labels(where, domain)
        learner, place = self.task_learner()
        y = labels.encode(as_values(domain.y)).to(place.device)
        with torch.no_grad(), place.autocast(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(0)  # of a method that draws: a task is learned alike each time
            state = learner.adapt(batch_of(rows, range(len(rows)), place), y, labels.n_outputs)
        return AdaptedTask(self, labels, kept(state))

    def _support_labels(self, where: str, support: Domain) -> Labels:
        """What the labels of a new task are."""
        if self.by_ == "domains":
            try:
                self.labels_.encode(as_values(support.y))
            except (DomainError, ValueError, TypeError) as err:
                raise DomainError(f"{where}: support must have labels as the tasks of fit. Got: {err}") from err
            return self.labels_
        labels = find_labels(where, support.y, support.n_samples, "classification")
        limit = self.labels_.n_outputs
        if labels.n_outputs > limit and not self._more_classes:
            raise DomainError(
                f"{where}: support must have at most {limit} classes, as an episode of fit (n_way). Got {labels.n_outputs}."
            )
        return labels

    def task_learner(self) -> tuple[TaskLearner, Place]:
        """The fitted learner in evaluation mode, and where it runs."""
        training = self._default_training() if self.training is None else self.training
        place = find_place(training.device, training.precision, training.channels_last)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):  # first weights are drawn and replaced
            learner = self._learner(self.network_, self.labels_, self.k_shot)
        learner.load_state_dict(self.extra_, strict=False)
        place.put(learner)
        return learner.eval(), place

    def query_rows(self, where: str, X: Any, name: str = "X") -> Rows:
        """Checked rows of a new task."""
        X = check_input(where, X, name)
        wanted = getattr(self, "n_features_in_", None)
        if wanted is not None and hasattr(X, "shape") and X.shape[1:] != (wanted,):
            raise DomainError(f"{where}: {name} must have {wanted} features, as in fit. Got shape {tuple(X.shape)}.")
        return as_rows(where, X, self.network_.backbone, name).once()

    def evaluate(
        self,
        tasks: Any,
        *,
        n_episodes: int = 600,
        n_way: int | None = None,
        k_shot: int | None = None,
        n_query: int | None = None,
        random_state: int = 0,
    ) -> TaskScores:
        """How well new tasks are learned: the score of each of many episodes, on queries that were not learned from.

        Parameters
        ----------
        tasks : sequence of Domain
            As in `fit`, of classes or domains that it has not seen.
        n_episodes : int
            How many episodes.
        n_way, k_shot, n_query : int, optional
            Size of an episode; None is that of fit. By domains, an episode has all classes, and `n_way` is refused.
        random_state : int
            Of the episodes.

        Returns
        -------
        scores : TaskScores
            Accuracy, or mean squared error in the unit of y, of each episode; the mean, and its 95 % interval.

        Raises
        ------
        ParamError, DomainError
            As of `fit`.
        """
        check_is_fitted(self, "network_")
        where, shape = f"{type(self).__name__}.evaluate", Shape(self.n_way, self.k_shot, self.n_query)
        most = self.labels_.n_outputs if self.by_ == "classes" and not self._more_classes else None
        shape = checked_shape(where, shape, n_episodes, self.by_, most, n_way=n_way, k_shot=k_shot, n_query=n_query)
        episodes = fresh_episodes(
            where, tasks, self.network_.backbone, self.labels_, self.by_, shape, self.rotations,
            random_state, n_episodes,
        )  # fmt: skip
        learner, place = self.task_learner()
        learner.n_support = episodes.n_support
        if self.by_ == "classes" and self._more_classes:
            learner.labels = replace(self.labels_, n_outputs=shape.n_way, classes=np.arange(shape.n_way))
        return score_episodes(learner, episodes, place)


_VALIDATION_EPISODES = 100


def _is_new(backbone: Backbone) -> bool:
    """Whether a body begins without pretrained weights."""
    spec = backbone.spec or {}
    return spec.get("family") == "small" or str(spec.get("options", {}).get("pretrained", "")).lower() == "false"
