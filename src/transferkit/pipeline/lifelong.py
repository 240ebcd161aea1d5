"""One method on tasks from files, one after the other: what `transferkit lifelong` does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, catalogue
from ..core.errors import DomainError, ParamError
from ..core.files import atomic_write, make_folder
from ..core.protocols import Array, Domain
from ..core.task_pipelines import ContinualPipeline
from ..report.lifelong import lifelong_page
from ..report.stream import stream_picture
from .define import read_domain
from .stream import learn_stream
from .strict_json import plain
from .task_files import check_place, encoder_for, make_method, own_names, split_rows, versions, with_text_labels

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
        Where ``model/``, ``lifelong.json``, ``matrix.svg`` and ``report.html`` go. A stream that was stopped there is gone on with.
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
    check_place("lifelong", folder, share)
    if len(sources) < 2:
        raise DomainError(f"lifelong: there must be at least two tasks. Got {len(sources)}.")
    domains = own_names([read_domain(s, label=label, require_label=True, text=text) for s in sources])
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
            "versions": versions(),
            "method": catalogue.card_of(method).name,
            "params": dict(params or {}),
            "told": told,
            "rows": [p[0].n_samples for p in parts],
            "held_back": [p[1].n_samples for p in parts],
            **result.facts(),
        }
    )
    atomic_write(folder / "matrix.svg", stream_picture(facts["tasks"], facts["matrix"], facts["method"]))
    atomic_write(folder / "report.html", lifelong_page(facts))
    atomic_write(folder / "lifelong.json", json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    (folder / "stream" / f"model-{len(domains)}").rename(folder / "model")
    shutil.rmtree(folder / "stream")
    return facts


def _build(
    method: str, params: dict[str, Any], first: Domain, model: str | None, told: bool, seed: int, epochs: int | None
) -> Any:
    """The method, behind an encoder where the rows are a table or it takes vectors only."""
    made = make_method("lifelong", "Continual", method, params, model, seed)
    if "heads" in made._constraints and told and "heads" not in params:
        made.set_params(heads="separate")
    if epochs is not None and "training" not in made._constraints:
        raise ParamError(
            f"lifelong: epochs must be left out for {type(made).__name__}, which trains no network. Got {epochs!r}."
        )
    if epochs is not None:
        from ..engine.training.settings import Training  # needs torch

        made.set_params(training=Training(n_epochs=epochs))
    encoder = encoder_for("lifelong", made, first.X, model)
    return made if encoder is None else ContinualPipeline(encoder, made)


def _split(domain: Domain, share: float, seed: int) -> tuple[Domain, Domain]:
    """Rows to learn and rows to judge, of those with a label; each class in both, where it has two rows."""
    whole = with_text_labels(domain)
    rows = domain.known_rows
    learn, judge = split_rows(domain.name, rows, np.asarray(whole.y)[rows], share, seed)
    whole = replace(whole, known=None)
    return whole.take(learn), whole.take(judge)
