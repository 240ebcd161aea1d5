"""Step 3, select: how the domains differ, and which candidates are worth a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from .. import catalogue
from ..catalogue import Card
from ..core.compose import TransferPipeline
from ..core.errors import ParamError
from ..core.scaling import NormScaler
from ..core.sources_as_tasks import SourcesAsTasks
from .define import TransferTask
from .gap import gap_profile
from .label_search import LabelSearch, space_of
from .plain_models import N_FOLDS, plain_model, select_estimator
from .prepare import Prepared
from .studies import SHARE

__all__ = [
    "ANCHOR", "NETWORK_ANCHOR", "Candidate", "Selected", "candidates_for", "epochs_for", "is_tried", "named_alone", "scaler_for",
    "select", "tested_by_labels",
]  # fmt: skip

ANCHOR = "source_only-1"
NETWORK_ANCHOR = "deep_source_only"  # what methods that train a network are compared with
PROPOSAL = "pooled-2"  # what a few labels test, where nothing else was named
# Rows a method of that cost is tried on; beyond, it is listed as skipped with this reason.
MAX_ROWS = {"n": np.inf, "n^2": 10_000, "n^3": 6_000}
# Updates of a network between domains, about: few rows are passed over more often.
UPDATES, BATCH, LEAST_EPOCHS, MOST_EPOCHS = 1000, 32, 10, 100
# Of a meta-learner: tasks an epoch, and in a batch; epochs where nothing else is asked.
EPISODES, TASKS, META_EPOCHS = 100, 8, 20
MANY_SOURCES, FROM_TASKS = 5, "prototypical_networks"  # from so many sources on, this one is tried without being named


@dataclass(frozen=True, eq=False)
class Candidate:
    """One method with one setting, ready to be fitted.

    Attributes
    ----------
    id : str
        Method id and number of the setting, as in ``"coral-1"``.
    card : Card
    params : mapping
        Constructor parameters beyond the inner estimator.
    estimator : estimator
        Unfitted inner estimator.
    inner : str
        Its name, as in a card's portfolio; empty for the one that does best in the source's cross-validation.
    role : {"baseline", "candidate"}
    skip : str
        Why it is not fitted; empty where it is.
    epochs : int or None
        Passes over the rows, of a method that trains a network.
    scaler : transformer or None
        What brings the rows of both domains to one scale, for such a method.
    trials : int
        Settings that each of its fits tries on the target's known labels; 0 where nothing is tuned.
    seconds : float or None
        Limit of that in one fit.
    """

    id: str
    card: Card
    params: Mapping[str, Any]
    estimator: Any
    role: str
    skip: str = ""
    epochs: int | None = None
    scaler: Any = None
    trials: int = 0
    seconds: float | None = None
    inner: str = ""

    def build(self, seed: int) -> Any:
        """The unfitted method, with the scaling of its published protocol in front, and the search of its numbers around it."""
        method = self._plain(seed)
        return LabelSearch(method, space_of(method), self.trials, self.seconds, seed) if self.trials else method

    def _plain(self, seed: int) -> Any:
        cls = catalogue.load(self.card.name)
        accepted = cls._constraints
        params = dict(self.params)
        for name, value in (("estimator", clone(self.estimator)), ("random_state", seed)):
            if name in accepted and accepted[name].holds(value):  # some prescribe the kind of their inner estimator
                params.setdefault(name, value)
        if self.epochs is not None and "training" in accepted:
            from ..engine.training.settings import Training  # needs torch

            of_tasks = self.card.protocol == "MetaLearner" and cls._episodic  # and so a batch is of tasks
            if of_tasks:
                params.setdefault("n_episodes", EPISODES)
            size = TASKS if of_tasks else BATCH
            params.setdefault("training", Training(n_epochs=self.epochs, batch_size=size, progress=False))
        method = cls(**params)
        if self.card.protocol == "MetaLearner":
            method = SourcesAsTasks(method, random_state=seed)
        if self.card.scaling == "domain":
            return TransferPipeline([("scale", StandardScaler())], method, fit_on="each")
        if self.scaler is not None:
            return TransferPipeline([("scale", clone(self.scaler))], method, fit_on="pooled")
        return method


@dataclass(frozen=True, eq=False)
class Selected:
    """What step 3 found.

    Attributes
    ----------
    gap : dict
        The shift profile, as in ``run.json``.
    candidates : list of Candidate
        Baselines first; the cheap ones before the costly ones.
    estimator : estimator
        The plain model that does best in the source's cross-validation; every candidate fits this inside, but for those
        that prescribe another kind (trees, linear models): they fit their own.
    estimator_score : float
        Its cross-validated score on the source.
    search : dict or None
        What `search` tried; None where nothing was tuned.
    """

    gap: dict[str, Any]
    candidates: list[Candidate]
    estimator: Any
    estimator_score: float
    search: dict[str, Any] | None = None


def select(prepared: Prepared, task: TransferTask) -> Selected:
    """Profile the shift, choose the inner estimator on the source alone, and list the candidates.

    Raises
    ------
    ParamError
        If a method that was asked for by name does not exist or does not fit the task.
    """
    gap = gap_profile(
        prepared.source,
        prepared.target,
        groups=prepared.groups,
        feature_names=prepared.column_names,
        own_columns=prepared.has_own_columns,
        task=prepared.kind,
        random_state=task.seed,
    )
    estimator, score = select_estimator(prepared, task.seed, task.jobs)
    return Selected(gap, candidates_for(prepared, task, estimator), estimator, score)


def candidates_for(prepared: Prepared, task: TransferTask, estimator: Any) -> list[Candidate]:
    few = bool(prepared.target.mask.any())
    wanted = None if task.methods is None else [catalogue.card_of(m) for m in task.methods]
    settings = {"unsupervised", "label_shift"} | ({"few_label", "supervised"} if few else set())
    fitting = [
        c
        for c in catalogue.find(protocol="Transfer", task=prepared.kind, data="vectors")
        if prepared.kind in c.tasks
        and settings & set(c.settings)
        and (is_tried(c) if wanted is None else c in wanted or _is_baseline(c))
    ]
    fitting += [c for c in wanted or () if c.protocol == "MetaLearner" and _learns_sources(c, prepared)]
    for card in wanted or ():
        if card not in fitting:
            raise ParamError(
                f"run: method {card.name!r} must fit the task: {prepared.kind} on vectors"
                f" {'with a few' if few else 'without'} target labels. Its card says {', '.join(card.settings)};"
                f" {', '.join(card.tasks)}; {', '.join(card.data)}."
            )
    if any(map(_is_network, fitting)) and not any(c.name == NETWORK_ANCHOR for c in fitting):
        fitting.append(catalogue.card_of(NETWORK_ANCHOR))  # else a network's gain would pass for that of its adaptation
    if wanted is None and few and _many_tasks(prepared):
        fitting.append(catalogue.card_of(FROM_TASKS))
    rows = max(prepared.source.n_samples, prepared.target.n_samples)
    epochs = epochs_for(prepared, task.epochs)
    listed = []
    for card in sorted(fitting, key=lambda c: (c.paradigm != "baseline", catalogue.COSTS.index(c.cost), c.name)):
        for k, setting in enumerate(card.portfolio or ({},), start=1):
            params = {name: value for name, value in setting.items() if name != "estimator"}
            params |= _grown(card, params, prepared)
            listed.append(
                Candidate(
                    id=f"{card.name}-{k}",
                    card=card,
                    params=params,
                    estimator=plain_model(setting["estimator"], prepared.kind, task.seed)
                    if "estimator" in setting
                    else estimator,
                    inner=setting.get("estimator", ""),
                    role="baseline" if card.paradigm == "baseline" else "candidate",
                    skip=_why_not(card, rows),
                    epochs=_epochs_of(card, epochs, task.epochs),
                    scaler=scaler_for(card, prepared),
                )
            )
    proposal = tested_by_labels(task) if task.tune_proposal else None
    return [_tuned(c, task) if c.id == proposal else c for c in listed]


def _grown(card: Card, params: Mapping[str, Any], prepared: Prepared) -> dict[str, Any]:
    """Weights that have to grow with the square of the rows, by the number of rows alone (the mean of both domains)."""
    rows = (prepared.source.n_samples + prepared.target.n_samples) / 2
    names = [name for name, most in card.grows.items() if rows > most]
    if not names:
        return {}
    usual = signature(catalogue.load(card.name)).parameters
    return {name: params.get(name, usual[name].default) * (rows / card.grows[name]) ** 2 for name in names}


def tested_by_labels(task: TransferTask) -> str:
    """Id of the one candidate that known target labels test: fixed before anything is fitted."""
    return named_alone(task) or PROPOSAL


def named_alone(task: TransferTask) -> str | None:
    """The first setting of the one method that was named; None where none was, or several."""
    one = task.methods is not None and len(task.methods) == 1
    return f"{catalogue.card_of(task.methods[0]).name}-1" if one and task.methods else None


def _tuned(candidate: Candidate, task: TransferTask) -> Candidate:
    """The proposal with the search of its numbers, for which its fit and those of the test have a share of the budget.

    Raises
    ------
    ParamError
        If it is source-only, with which the labels compare; has no numbers to tune; or trains a network, of which each setting
        would take as long as the rest of the run.
    """
    if candidate.id == ANCHOR:
        why = "is what they compare others with"
    elif _is_network(candidate.card):
        why = "trains a network"
    elif not candidate.skip and not space_of(candidate.build(task.seed)):
        why = "has no numbers to tune"
    else:
        why = ""
    if why:
        raise ParamError(
            f"run: tune_proposal must be left out where the labels test {candidate.card.name!r}: it {why}."
            f" Got {task.tune_proposal!r}."
        )
    seconds = None if task.budget is None else SHARE * task.budget / (1 + N_FOLDS)
    return replace(candidate, trials=task.tune_proposal, seconds=seconds)


def _learns_sources(card: Card, prepared: Prepared) -> bool:
    """Whether a meta-learner can take every source for a task, and the target's known labels for the support of a new one.

    Raises
    ------
    ParamError
        If there is one source only, or no target label is known.
    """
    n_sources, n_known = len(np.unique(prepared.groups)), int(prepared.target.mask.sum())
    if n_sources < 2:
        raise ParamError(
            f"run: method {card.name!r} must have two sources at least, each a task to learn from; five or more are better."
            f" Got {n_sources}."
        )
    if not n_known:
        raise ParamError(
            f"run: method {card.name!r} must have a few known target labels to learn from (--target-labels few). Got none."
        )
    return prepared.kind in card.tasks and "vectors" in card.data


def _many_tasks(prepared: Prepared) -> bool:
    """Whether so many sources hold every class that a meta-learner is tried without being named."""
    if prepared.classes is None or catalogue.card_of(FROM_TASKS).missing:
        return False
    names, y = np.unique(prepared.groups), np.asarray(prepared.source.y)
    least = min(int(((prepared.groups == n) & (y == c)).sum()) for n in names for c in prepared.classes)
    return len(names) >= MANY_SOURCES and least >= 2


def _epochs_of(card: Card, epochs: int, asked: int | None) -> int | None:
    if not _is_network(card):
        return None
    return asked or META_EPOCHS if card.protocol == "MetaLearner" else epochs


def epochs_for(prepared: Prepared, asked: int | None = None) -> int:
    """Passes over the longer domain for a network between domains: as asked, or about a thousand updates."""
    longest = max(prepared.source.n_samples, prepared.target.n_samples)
    return asked or int(np.clip(round(UPDATES * BATCH / longest), LEAST_EPOCHS, MOST_EPOCHS))


def scaler_for(card: Card, prepared: Prepared) -> Any:
    """What stands in front of a method that trains a network; None for all others.

    Columns of a table get mean 0 and variance 1 over the rows of both domains together: the units are gone, and with them
    values that no training survives (a column that hardly varies in the source), while what differs between the domains is
    left to the method. Where one scale belongs to all columns (features of a network, components of a reduction), all are
    divided by one number: to stretch weak components would bury the strong ones in noise.
    """
    if not _is_network(card) or card.scaling == "domain":
        return None
    one_scale = prepared.model is not None or "reduce" in prepared.transformer.named_steps
    return NormScaler() if one_scale else StandardScaler()


def _is_network(card: Card) -> bool:
    return card.cost == "epochs"


def is_tried(card: Card) -> bool:
    """What trains a network on both domains, and what has an empty portfolio, is tried only where it is named."""
    return not _is_network(card) and bool(card.portfolio)


def _is_baseline(card: Card) -> bool:
    return card.paradigm == "baseline" and is_tried(card)


def _why_not(card: Card, rows: int) -> str:
    if card.missing:
        return f"needs {', '.join(card.missing)}, which is not installed"
    limit = MAX_ROWS.get(card.cost, np.inf)
    return f"cost grows with {card.cost}; tried up to {limit:,.0f} rows a domain, here {rows:,}" if rows > limit else ""
