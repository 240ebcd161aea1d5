"""One method on tasks from files, one after the other: what `transferkit lifelong` does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from .. import __version__, catalogue
from ..core.continual import ContinualPipeline
from ..core.errors import DataError, DomainError, ParamError
from ..core.files import atomic_write, make_folder
from ..core.protocols import Array, Domain
from ..data.encode import TableEncoder
from ..data.samples import Samples
from ..report.stream import stream_picture
from .define import read_domain
from .stream import learn_stream
from .strict_json import plain

__all__ = ["learn_files"]

SCHEMA = 1


def learn_files(
    method: str,
    sources: Sequence[Any],
    folder: Path,
    *,
    label: str | None = None,
    text: str | None = None,
    model: str | None = None,
    told: bool = False,
    share: float = 0.3,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    epochs: int | None = None,
    command: str = "",
    tell: Callable[[int, Array], None] | None = None,
) -> dict[str, Any]:
    """Learn tasks in the order given, judge the method on held-back rows of all of them after each, and save it.

    Parameters
    ----------
    method : str
        Id or class name of a method of the protocol Continual.
    sources : sequence
        Tasks: files, folders, globs or "NAME:DOMAIN".
    folder : Path
        Where ``model/``, ``lifelong.json`` and ``matrix.svg`` go. A stream that was stopped there is gone on with.
    label, text : str, optional
        The label column, and the column of texts.
    model : str, optional
        A backbone: the network's for a deep method, else what makes frozen features.
    told : bool
        Whether the method is told the task of a row that it is to predict.
    share : float
        Part of each task's labelled rows that is held back to judge.
    params : mapping, optional
        Constructor parameters of the method.
    seed : int
    epochs : int, optional
        Epochs a task, for a network.
    command : str
        How it was started.
    tell : callable, optional
        As in `learn_stream`.

    Returns
    -------
    facts : dict
        The content of ``lifelong.json``.

    Raises
    ------
    TransferError
        Naming the file, column, method or parameter that does not fit.
    """
    if (folder / "model").exists():
        raise DataError(f"{folder}: holds a model already. Name another folder.")
    if len(sources) < 2:
        raise DomainError(f"lifelong: there must be at least two tasks. Got {len(sources)}.")
    if not 0 < share < 1:
        raise ParamError(f"lifelong: share must be a number in (0, 1). Got {share!r}.")
    domains = _named([read_domain(s, label=label, require_label=True, text=text) for s in sources])
    made = _build(method, dict(params or {}), domains[0], model, told, seed, epochs)
    parts = [_split(domain, share, seed) for domain in domains]
    folder = make_folder(folder)
    result = learn_stream(
        made, [p[0] for p in parts], [p[1] for p in parts], told=told, folder=folder / "stream", tell=tell
    )
    facts: dict[str, Any] = plain(
        {
            "schema": SCHEMA,
            "transferkit": __version__,
            "command": command,
            "seed": seed,
            "method": catalogue.card_of(method).name,
            "params": dict(params or {}),
            "told": told,
            "rows": [p[0].n_samples for p in parts],
            "held_back": [p[1].n_samples for p in parts],
            **result.facts(),
        }
    )
    atomic_write(folder / "matrix.svg", stream_picture(facts["tasks"], facts["matrix"], facts["method"]))
    atomic_write(folder / "lifelong.json", json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    (folder / "stream" / f"model-{len(domains)}").rename(folder / "model")
    shutil.rmtree(folder / "stream")
    return facts


def _named(domains: Sequence[Domain]) -> list[Domain]:
    """Tasks with names of their own."""
    names = [d.name for d in domains]
    if len(set(names)) == len(names):
        return list(domains)
    return [replace(d, name=f"{d.name}_{k + 1}") for k, d in enumerate(domains)]


def _build(
    method: str, params: dict[str, Any], first: Domain, model: str | None, told: bool, seed: int, epochs: int | None
) -> Any:
    """The method, behind an encoder where the rows are a table or it takes vectors only."""
    card = catalogue.card_of(method)
    if card.protocol != "Continual":
        raise ParamError(f"lifelong: method must follow the protocol Continual. {card.name!r} follows {card.protocol}.")
    cls = catalogue.load(card.name)
    known = list(cls._constraints)
    for name in params:
        if name not in known:
            raise ParamError(f"lifelong: {card.cls} has the parameters {', '.join(known)}. Got {name!r}.")
    given: dict[str, Any] = {}
    if "random_state" in known:
        given["random_state"] = seed
    if "heads" in known and told:
        given["heads"] = "separate"
    if "training" in known:
        from ..engine.training import Training  # needs torch

        given["training"] = Training() if epochs is None else Training(n_epochs=epochs)
    raw = isinstance(first.X, Samples)
    if "backbone" in known and model is not None:
        given["backbone"] = model
    made = cls(**{**given, **params})
    if raw and "backbone" in known:
        return made
    if raw:
        if model is None:
            raise ParamError(f"lifelong: model must be named for {card.name!r} on images or texts. Got none.")
        from ..engine.encoder import BackboneEncoder

        return ContinualPipeline(BackboneEncoder(model, cache=True), made)
    return ContinualPipeline(TableEncoder(), made)


def _split(domain: Domain, share: float, seed: int) -> tuple[Domain, Domain]:
    """Rows to learn and rows to judge, of those with a label; each class in both, where it has two rows."""
    rows = domain.known_rows
    y = np.asarray(domain.y)[rows]
    y = y.astype(str) if y.dtype == object else y
    counts = np.unique(y, return_counts=True)[1]
    held = max(1, round(share * len(rows)))
    fair = counts.min() > 1 and held >= len(counts) and len(rows) - held >= len(counts)
    if len(rows) < 2:
        raise DomainError(f"{domain.name}: a task must have two labelled rows at least. Got {len(rows)}.")
    learn, judge = train_test_split(rows, test_size=held, random_state=seed, stratify=y if fair else None)
    labels = np.asarray(domain.y)
    whole = replace(domain, y=labels.astype(str) if labels.dtype == object else labels, known=None)
    return whole.take(np.sort(learn)), whole.take(np.sort(judge))
