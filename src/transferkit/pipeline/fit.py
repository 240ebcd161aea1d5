"""One method of the catalogue on one task, without the choice: what `transferkit fit` does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import __version__, catalogue, store
from ..catalogue import Card
from ..core.errors import DataError, ParamError
from ..core.files import atomic_write, make_folder
from .analyse import SCHEMA, deployable
from .define import TransferTask, define
from .evaluate import METRIC, score_held_back
from .graph_methods import GraphCandidate
from .plain_models import select_estimator
from .prepare import prepare
from .select import Candidate, epochs_for, scaler_for
from .spaces import SpaceCandidate, check_between_spaces, known_columns
from .strict_json import plain

__all__ = ["fit_one"]


def fit_one(
    task: TransferTask, method: str, params: Mapping[str, Any], folder: Path, *, command: str = ""
) -> dict[str, Any]:
    """Fit a method with the best plain inner estimator, save it, score it on held-back labels where there are some.

    Parameters
    ----------
    task : TransferTask
        The domains and options.
    method : str
        Id or class name.
    params : mapping
        Constructor parameters of the method; settings of its training as ``training.lr``, where it trains a network.
    folder : Path
        Where ``model/`` and ``fit.json`` go.
    command : str
        How it was started.

    Returns
    -------
    facts : dict
        The content of ``fit.json``.

    Raises
    ------
    TransferError
        Naming the file, column, method or parameter that does not fit.
    """
    card = catalogue.card_of(method)
    if card.protocol != "Transfer":
        raise ParamError(f"fit: method must follow the protocol Transfer. {card.name!r} follows {card.protocol}.")
    own, settings = _settings(card, params, task.epochs)
    if (folder / "model").exists():
        raise DataError(f"{folder}: holds a model already. Name another folder.")
    defined = define(replace(task, methods=[card.name]))
    prepared = prepare(defined)
    edges = {} if prepared.edges is None else {"edges": prepared.edges}
    apart = prepared.source_names is not None
    if apart:
        check_between_spaces(card, prepared)
    estimator = None if apart or edges else select_estimator(prepared, task.seed)[0]
    training = {}
    if card.cost == "epochs" and not edges:  # a graph is one batch: the method's own number of epochs holds
        from ..engine.training.settings import Training  # needs torch

        training = {"training": Training(**{"n_epochs": epochs_for(prepared), **settings})}
    candidate: Candidate | SpaceCandidate | GraphCandidate
    if edges:
        candidate = GraphCandidate(f"{card.name}-1", card, own, settings)
    elif not apart:
        candidate = Candidate(
            f"{card.name}-1", card, {**training, **own}, estimator, "candidate", scaler=scaler_for(card, prepared)
        )
    else:
        candidate = SpaceCandidate(f"{card.name}-1", card, {**known_columns(card, prepared), **own})
    model = candidate.build(task.seed).fit(
        prepared.source.X, prepared.source.y, target=prepared.target, groups=prepared.groups,
        **({} if prepared.pairs is None else {"pairs": prepared.pairs}), **edges,
    )  # fmt: skip
    scores = {}
    if prepared.held_back is not None:
        scores = score_held_back({card.name: model.predict(prepared.target.X)}, prepared, prepared.held_back, task.seed)
    score = scores.get(card.name)
    facts = plain(
        {
            "schema": SCHEMA,
            "transferkit": __version__,
            "command": command,
            "seed": task.seed,
            "method": card.name,
            "class": card.cls,
            "params": {**own, **{f"training.{name}": value for name, value in settings.items()}},
            "metric": METRIC[prepared.outcome],
            "n_held_back": 0 if prepared.held_back is None else len(prepared.held_back.rows),
            "score": score and score[0],
            "score_interval": score and list(score[1]),
            "notes": prepared.notes,
        }
    )
    make_folder(folder)
    store.save(deployable(prepared, model), folder / "model", metadata={"method": card.name})
    atomic_write(folder / "fit.json", json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return facts


def _settings(card: Card, params: Mapping[str, Any], epochs: int | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters of the constructor, and settings of the training.

    Raises
    ------
    ParamError
        Naming one that there is not, that a method without a network does not have, or that is given twice or not by itself.
    """
    known = catalogue.load(card.name)._constraints
    own = {name: value for name, value in params.items() if not name.startswith("training.")}
    settings = {name.removeprefix("training."): value for name, value in params.items() if name not in own}
    for name in own:
        if name not in known:
            raise ParamError(f"fit: {card.cls} has the parameters {', '.join(known)}. Got {name!r}.")
    if "training" in own:
        raise ParamError(
            f"fit: training must be given by its settings, as training.lr=0.01. Got training={own['training']!r}."
        )
    if epochs is not None and "n_epochs" in settings:
        raise ParamError(f"fit: epochs must be given once. Got {epochs} and {settings['n_epochs']!r}.")
    settings |= {} if epochs is None else {"n_epochs": epochs}
    if settings and "training" not in known:
        name = "epochs" if epochs is not None else f"training.{next(iter(settings))}"
        raise ParamError(
            f"fit: {name} must be left out for {card.cls}, which trains no network. Got {params.get(name, epochs)!r}."
        )
    if settings:
        from ..engine.training.settings import Training  # needs torch

        for name in settings:
            if name not in Training._constraints:
                raise ParamError(f"fit: training has the settings {', '.join(Training._constraints)}. Got {name!r}.")
    return own, settings
