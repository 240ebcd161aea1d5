"""Model soup: fine-tune several times from the same start, and average the weights instead of choosing one."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from sklearn.model_selection import ParameterGrid
from torch import Tensor

from ...core.constraints import Either, Fulfils, Interval, Nothing, Options, check_params
from ...core.errors import ParamError
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.start_head import start_from_probe
from ...engine.fine_tuning.supervised import Supervised
from ...engine.networks.inference import outputs_of
from ...engine.training.freezing import FreezePlan
from ...engine.training.settings import Training
from ...ops.nn.interpolate import interpolate

CARD = {
    "class": "ModelSoup",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Wortsman et al. Model Soups: Averaging Weights of Multiple Fine-Tuned Models. ICML 2022.",
    "url": "https://arxiv.org/abs/2203.05482",
}

__all__ = ["ModelSoup"]


class ModelSoup(NetworkTransfer):
    """Put a probe on the source model, fine-tune both several times with different settings and seeds, and average the weights.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    recipe : {"uniform", "greedy"}, default="uniform"
        "uniform": the mean of all. "greedy": from the best on, each is added if the mean with it is no worse on the rows that
        ``training.validation`` sets aside; never worse there than the best one alone.
    grid : mapping of str to sequence, default=None
        Settings of the training to try, every combination, such as ``{"lr": [1e-4, 3e-5], "augment": [True, False]}``.
        None varies the seed alone.
    n_seeds : int in [1, inf), default=3
        Fine-tunings for every combination; seeds change the batches, dropout and the augmentation, not the start.
    reg : float in (0, inf) or "cv", default=1.0
        L2 penalty of the probe that is the start of the head; "cv" chooses it by cross-validation within the training rows.
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`.
    lr_decay : float in (0, 1], default=1.0
        Learning rate of each part as a multiple of that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        Whether batch normalisation keeps its statistics, follows the batches, or is left alone altogether.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    training : Training, default=None
        Everything that the grid does not vary; None is ``Training()``. Each fine-tuning has a folder of its own in
        ``training.folder``.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        "auto" decides from the labels.
    random_state : int, RandomState or None, default=0
        The first seed.

    Attributes
    ----------
    network_ : Network
        Body and head with the mean of the weights.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        For a classification.
    members_ : list of dict
        Each fine-tuning: ``settings``, ``seed``, ``taken``; with rows set aside ``score`` and ``loss`` on them.
    history_ : list of dict
        One row an epoch of every fine-tuning, with ``member``.
    n_updates_ : int
        Updates done, all together.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    The uniform soup is ``1/k * sum_i theta_i``; the greedy one is the paper's recipe 1: members sorted by their score on held
    out rows (of equal scores the smaller loss first), each kept if the soup's score with it is at least the score without.
    Test rows are never looked at, and prediction costs what one network costs. Only networks from one start lie in one
    basin: like the paper's for models without a zero-shot classifier, ours begin from a probe on the frozen features.
    Statistics of batch normalisation, if they follow the batches, are averaged too. Large learning rates leave the basin
    (the paper's appendix): then the uniform soup is worse than its members, the greedy one leaves them out.

    References
    ----------
    Wortsman, Ilharco, Gadre, Roelofs, Gontijo-Lopes, Morcos, Namkoong, Farhadi, Carmon, Kornblith & Schmidt. Model Soups:
    Averaging Weights of Multiple Fine-Tuned Models Improves Accuracy without Increasing Inference Time. ICML 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit import ModelSoup
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> source = nn.Sequential(nn.Linear(4, 16), nn.ReLU())
    >>> model = ModelSoup(source, grid={"lr": [1e-3, 3e-3]}, n_seeds=2, training=Training(n_epochs=3)).fit(X, y)
    >>> len(model.members_), model.score(X, y) > 0.9
    (4, True)
    """

    _constraints: ClassVar = {
        **{name: rule for name, rule in NETWORK_RULES.items() if name != "head"},
        **PLAN_RULES,
        "recipe": Options("uniform", "greedy"),
        "grid": Either(
            Nothing(),
            Fulfils(
                "be a mapping of Training's parameters to sequences of values",
                lambda v: (
                    isinstance(v, Mapping)
                    and all(isinstance(s, Sequence) and not isinstance(s, str) and len(s) > 0 for s in v.values())
                ),
            ),
        ),
        "n_seeds": Interval(int, 1),
        "reg": Either(Interval(float, 0, closed="neither"), Options("cv")),
    }
    _test_params: ClassVar = {"n_seeds": 2}
    head = "linear"  # what a probe is

    def __init__(
        self,
        source: Any,
        recipe: str = "uniform",
        grid: Mapping[str, Sequence[Any]] | None = None,
        n_seeds: int = 3,
        reg: float | str = 1.0,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.recipe = recipe
        self.grid = grid
        self.n_seeds = n_seeds
        self.reg = reg
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _train(self, fit: Fit) -> dict[str, Any]:
        if self.recipe == "greedy" and not len(fit.held):
            raise ParamError('ModelSoup.fit: training.validation must be above 0 for recipe="greedy". Got 0.')
        t = fit.training
        start_from_probe(fit.network, fit.rows, fit.y, fit.labels, fit.place, t, reg=self.reg, seed=fit.seed)
        start = _state(fit)
        history: list[dict[str, Any]] = []
        n_updates, facts = 0, {}
        states: list[dict[str, Tensor]] = []
        self.members_: list[dict[str, Any]] = []
        for k, (settings, turn) in enumerate((s, turn) for s in self._settings(t) for turn in range(self.n_seeds)):
            fit.network.load_state_dict(start)
            own = copy.copy(t).set_params(**settings)
            own.folder = None if t.folder is None else Path(t.folder) / f"member-{k}"
            facts = super()._train(replace(fit, training=own, seed=fit.seed + turn))
            states.append(_state(fit))
            self.members_.append({"settings": settings, "seed": turn, "taken": True, **_held(fit)})
            history += [{"member": k, **row} for row in self.history_]
            n_updates += self.n_updates_
        order = self._greedy(fit, states) if self.recipe == "greedy" else list(range(len(states)))
        fit.network.load_state_dict(_mean([states[k] for k in order]))
        self.history_, self.n_updates_ = history, n_updates
        return {"plan": facts["plan"], "members": self.members_, "soup": _held(fit)}

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)

    def _settings(self, training: Training) -> list[dict[str, Any]]:
        """Every combination of the grid."""
        fixed = {"folder", "validation", "patience", "keep", "precision", "device", "channels_last"}
        extra = [name for name in self.grid or {} if name in fixed or name not in training.get_params()]
        if extra:
            raise ParamError(
                f"ModelSoup.fit: grid must name parameters of Training that say how a network learns. Got {', '.join(extra)}."
            )
        found = list(ParameterGrid({k: list(v) for k, v in (self.grid or {}).items()}))
        for settings in found:
            try:
                check_params(copy.copy(training).set_params(**settings))
            except ParamError as err:
                raise ParamError(f"ModelSoup.fit: grid must hold values in range. {err}") from err
        return found

    def _greedy(self, fit: Fit, states: list[dict[str, Tensor]]) -> list[int]:
        """Which members stay, best first."""
        best_first = sorted(range(len(states)), key=lambda k: (-self.members_[k]["score"], self.members_[k]["loss"]))
        taken: list[int] = []
        score = -float("inf")
        for k in best_first:
            fit.network.load_state_dict(_mean([states[j] for j in [*taken, k]]))
            found = _held(fit)["score"]
            self.members_[k]["taken"] = found >= score
            if found >= score:
                taken, score = [*taken, k], found
        return taken


def _state(fit: Fit) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in fit.network.state_dict().items()}


def _mean(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of weights, one after the other joining the mean of those before."""
    found = states[0]
    for k, state in enumerate(states[1:], start=2):
        found = interpolate(found, state, 1 / k)
    return found


def _held(fit: Fit) -> dict[str, float]:
    """Score and loss on the rows that were set aside."""
    if fit.held.y is None or not len(fit.held):
        return {}
    t = fit.training
    outputs = outputs_of(fit.network, fit.network.forward, fit.held, fit.place, max(64, t.batch_size), t.workers)
    return {
        "score": fit.labels.score(fit.y_held, fit.labels.predict(outputs)),
        "loss": float(fit.labels.loss(torch.from_numpy(outputs), fit.held.y)),
    }
