"""One method on several tasks from files, beside each task alone: what `transferkit multitask` does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, catalogue, store
from ..core.errors import DataError, DomainError, ParamError
from ..core.files import atomic_write, make_folder
from ..core.protocols import Array, Domain
from ..core.task_pipelines import MultiTaskPipeline, transformed
from ..ops.metrics.task_gains import delta_m, task_gains
from ..report.multi_task import multi_task_page
from .define import read_domain
from .strict_json import plain
from .task_files import (
    check_place,
    encoder_for,
    make_method,
    own_names,
    split_rows,
    together,
    versions,
    with_text_labels,
)

__all__ = ["learn_together"]

SCHEMA = 1
SHARE = 0.3


@dataclass(frozen=True, eq=False)
class _Errors:
    """What a model gets wrong of a task.

    Attributes
    ----------
    rows : array of shape (n_rows,)
        0 or 1 a row for classes, squared errors for numbers.
    numbers : bool
    """

    rows: Array
    numbers: bool

    @property
    def score(self) -> float:
        """Root mean squared error, or accuracy."""
        return float(np.sqrt(self.rows.mean()) if self.numbers else 1 - self.rows.mean())


def learn_together(
    method: str,
    sources: Sequence[Any],
    folder: Path,
    *,
    labels: Sequence[str] = (),
    test: Sequence[Any] = (),
    text: str | None = None,
    model: str | None = None,
    balancing: str | None = None,
    share: float | None = None,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    epochs: int | None = None,
    command: str = "",
) -> dict[str, Any]:
    """Learn tasks together, learn each alone on the same rows, judge both on rows held back, and save the former.

    Parameters
    ----------
    method : str
        Id or class name of a method of the protocol MultiTask.
    sources : sequence
        Files, folders, globs or "NAME:DOMAIN".
    folder : Path
        Where ``model/``, ``multitask.json`` and ``report.html`` go.
    labels : sequence of str
        Label columns. Each of each source is a task; those of one source have their rows in common. A missing label has no
        part in its task.
    test : sequence, optional
        Rows to judge by, one for each source in its order; none holds a share of the rows back.
    text : str, optional
        The column of texts.
    model : str, optional
        A backbone: the network's, or for a method of vectors what makes frozen features.
    balancing : str, optional
        How the tasks' losses or gradients are weighed, for a network.
    share : float, optional
        Part of each source's labelled rows that is held back, by itself 0.3; only without `test`.
    params : mapping, optional
        Constructor parameters of the method; those that `SingleTask` has too are its as well.
    seed : int
    epochs : int, optional
        Epochs, for networks.
    command : str
        How it was started.

    Returns
    -------
    facts : dict
        The content of ``multitask.json``. A gain is relative to the score of the task alone; it is ``clear`` where the
        95 % interval of the difference between the two over the judged rows does not hold 0.

    Raises
    ------
    TransferError
        Naming the file, column, method or parameter that does not fit.
    """
    if test and share is not None:
        raise ParamError(f"multitask: share must be left out where test names the rows to judge by. Got {share!r}.")
    share = SHARE if share is None else share
    check_place("multitask", folder, share)
    if test and len(test) != len(sources):
        raise ParamError(f"multitask: test must name one file for each of the {len(sources)} files. Got {len(test)}.")
    params = {**(params or {}), **({} if balancing is None else {"balancing": balancing})}
    made = make_method("multitask", "MultiTask", method, params, model, seed)
    alone = _alone(made, seed, epochs)
    groups = _named([_read(s, labels, text) for s in sources], labels)
    if sum(map(len, groups)) < 2:
        raise DomainError("multitask: there must be two tasks at least: label columns, or files. Got 1.")
    if test:
        read = [_read(s, labels, text) for s in test]
        learn = groups
        judge = [[replace(t, name=own.name) for t, own in zip(*pair)] for pair in zip(read, groups)]
    else:
        pairs = [_split(group, share, seed) for group in groups]
        learn, judge = [p[0] for p in pairs], [p[1] for p in pairs]
    for task in [t for group in judge for t in group if not t.mask.any()]:
        raise DomainError(f"multitask: task {task.name!r} must have labelled rows to judge by. Got none.")
    encoder = encoder_for("multitask", made, groups[0][0].X, model)
    if encoder is not None:
        encoder = encoder.fit(together([group[0].X for group in learn]))
        learn, judge = ([transformed(encoder, group) for group in part] for part in (learn, judge))
    tasks = [task for group in learn for task in group]
    if epochs is not None and "training" in made._constraints:
        made.set_params(training=alone.training)
    made.fit(tasks)
    alone.fit(tasks)
    facts: dict[str, Any] = plain(
        {
            "schema": SCHEMA,
            "transferkit": __version__,
            "command": command,
            "seed": seed,
            "versions": versions(),
            "method": catalogue.card_of(method).name,
            "alone": "single_task",
            "params": params,
            "balancing": getattr(made, "balancing", None),
            **_compare(made, alone, tasks, [task for group in judge for task in group]),
            "affinity": {"tasks": made.tasks_, "matrix": made.affinity_} if hasattr(made, "affinity_") else None,
            "learning": {"together": _losses(made), "alone": _losses(alone)},
        }
    )
    folder = make_folder(folder)
    store.save(made if encoder is None else MultiTaskPipeline.from_fitted(encoder, made), folder / "model")
    atomic_write(folder / "report.html", multi_task_page(facts))
    atomic_write(folder / "multitask.json", json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return facts


def _read(source: Any, labels: Sequence[str], text: str | None) -> list[Domain]:
    """A task for each label column of a source; they have the rows in common, without any of these columns."""
    found = [read_domain(source, label=name, require_label=True, text=text) for name in labels or (None,)]
    X = found[0].X
    if hasattr(X, "columns"):
        X = X.select([c for c in X.columns if all(c in d.X.columns for d in found)])
        if not X.width:
            raise DataError(f"{found[0].name}: must have columns beside the labels. Got none.")
    return [with_text_labels(replace(d, X=X)) for d in found]


def _named(groups: list[list[Domain]], labels: Sequence[str]) -> list[list[Domain]]:
    """Tasks called by their label column, their file, or both, as far as these differ."""
    names = [d.name for d in own_names([g[0] for g in groups])]
    if len(set(labels)) < len(labels):
        raise ParamError(f"multitask: labels must be columns that differ. Got {', '.join(labels)}.")
    if len(labels) < 2:
        return [[replace(g[0], name=name)] for g, name in zip(groups, names)]
    return [
        [replace(t, name=label if len(groups) == 1 else f"{name} {label}") for t, label in zip(group, labels)]
        for group, name in zip(groups, names)
    ]


def _split(group: Sequence[Domain], share: float, seed: int) -> tuple[list[Domain], list[Domain]]:
    """The same rows to learn from for all tasks of a source, and the others to judge by."""
    rows = np.flatnonzero(np.any([t.mask for t in group], axis=0))
    y = np.asarray(group[0].y)[rows] if len(group) == 1 else None
    parts = []
    for index in split_rows(group[0].name, rows, y, share, seed):
        first = group[0].take(index)
        parts.append([replace(first, y=np.asarray(t.y)[index], known=t.mask[index], name=t.name) for t in group])
    return parts[0], parts[1]


def _alone(made: Any, seed: int, epochs: int | None) -> Any:
    """The network of each task alone: as the method's own, where that is a network."""
    cls = catalogue.load("single_task")
    common = {k: v for k, v in made.get_params(deep=False).items() if k in cls._constraints}
    alone = cls(**{"random_state": seed, **common})
    if epochs is not None:
        from ..engine.training.settings import Training  # needs torch

        alone.training = Training(n_epochs=epochs)
    return alone


def _losses(model: Any) -> dict[str, list[float | None]]:
    """The loss of each task by epoch, of a network."""
    history = getattr(model, "history_", None)
    if not history:
        return {}
    of = {name: history[name] if isinstance(history, Mapping) else history for name in model.tasks_}
    return {name: [row.get(f"train/{name}/loss", row.get("train/loss")) for row in rows] for name, rows in of.items()}


def _compare(made: Any, alone: Any, tasks: Sequence[Domain], judged: Sequence[Domain]) -> dict[str, Any]:
    """Scores of each task, together and alone, and what they say."""
    found: list[dict[str, Any]] = []
    for task, held in zip(tasks, judged):
        pair = [_errors(m, held, numbers=task.name not in made.classes_) for m in (made, alone)]
        fewer = pair[1].rows - pair[0].rows
        spread = fewer.std(ddof=1) / np.sqrt(len(fewer)) if len(fewer) > 1 else np.inf
        found.append(
            {
                "name": task.name,
                "kind": "regression" if pair[0].numbers else "classification",
                "metric": "root mean squared error" if pair[0].numbers else "accuracy",
                "rows": len(task.known_rows),
                "held_back": len(fewer),
                "score": pair[0].score,
                "alone": pair[1].score,
                "gain": None,
                "clear": bool(abs(fewer.mean()) > 1.96 * spread),
            }
        )
    # No gain is relative to 0.
    scores, single = ({f["name"]: f[key] for f in found if f["alone"] != 0} for key in ("score", "alone"))
    errors = [f["name"] for f in found if f["kind"] == "regression"]
    gains = task_gains(scores, single, errors) if single else {}
    for f in found:
        f["gain"] = gains.get(f["name"])
    return {
        "tasks": found,
        "delta_m": delta_m(scores, single, errors) if single else None,
        "suffer": [name for name, gain in gains.items() if gain < 0],
    }


def _errors(model: Any, task: Domain, *, numbers: bool) -> _Errors:
    known = task.take(task.known_rows)
    predicted, y = model.predict(known.X, task=task.name), np.asarray(known.y)
    if numbers:
        return _Errors((predicted.astype(np.float64) - y.astype(np.float64)) ** 2, True)
    return _Errors((predicted != y).astype(np.float64), False)
