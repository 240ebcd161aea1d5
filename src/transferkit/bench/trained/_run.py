"""Run the cells of a table that are not kept yet, and put together what there is."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from ... import __version__, catalogue
from ...core.errors import ParamError
from ...core.files import atomic_write, make_folder
from ._cell import SCORES, run_cell
from ._table import TrainedRow, TrainedTable, settings_of

__all__ = ["POINT", "default_folder", "run_trained", "to_json"]

POINT = 1.0  # a row holds where its mean is at most this much below the published number
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class _Cell:
    row: TrainedRow
    task: str
    seed: int
    settings: Mapping[str, Any]

    def path(self, folder: Path) -> Path:
        """Where its record lies; another setting is another file."""
        text = json.dumps({**self.settings, "seed": self.seed}, sort_keys=True)
        name = "".join(c if c.isalnum() else "-" for c in f"{self.row.label}.{self.task}.{self.seed}")
        return folder / f"{name}.{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"

    def kept(self, folder: Path) -> dict[str, Any] | None:
        path = self.path(folder)
        if not path.is_file():
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        # A record from before these were noted has none.
        return found if found.get("defaults", {}).items() <= _defaults(self.settings).items() else None


def _defaults(settings: Mapping[str, Any]) -> dict[str, str]:
    """The defaults of the method and its training, where the settings say nothing: with others a cell is another one."""
    from ...engine.training.settings import Training

    return {
        f"{cls.__name__}.{name}": repr(parameter.default)
        for cls, said in ((catalogue.load(settings["method"]), "params"), (Training, "training"))
        for name, parameter in signature(cls).parameters.items()
        if name not in settings[said]
    }


def default_folder(name: str) -> Path:
    """Where cells are kept if nothing else is said."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if cache else Path.home() / ".cache") / "transferkit" / "bench" / name


def run_trained(
    name: str,
    table: TrainedTable,
    folder: Path | None = None,
    *,
    methods: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    quick: bool = False,
    collect: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run a table.

    Parameters
    ----------
    name : str
        Its name.
    table : TrainedTable
        The module.
    folder : Path, optional
        Where cells are kept; None is `default_folder`.
    methods, tasks : sequence of str, optional
        Only rows with these labels or of these methods; only these tasks.
    seeds : sequence of int
        A cell for each; all rows and tasks have the first before any has the second.
    quick : bool
        The quick form: fewer rows and epochs, the first seed alone.
    collect : bool
        Run nothing: put together what is kept.
    jobs : int
        Cells at a time, as joblib counts; each has one thread.
    progress : callable, optional
        Told ``(done, total, cell)``.

    Returns
    -------
    dict
        ``rows``, one for each row of the table with its ``tasks``: mean and spread over the seeds that are there (``n`` of
        them), the published number and the difference, the epochs that label-free scores choose, the oracle's, and how many
        trainings collapsed or diverged. The rest says what was run.

    Raises
    ------
    ParamError
        If there is no such row or task.
    DataError
        If the data set is not on this machine.
    """
    folder = default_folder(name) if folder is None else Path(folder)
    seeds = list(dict.fromkeys(seeds))[: 1 if quick else None]  # a seed twice is no second opinion
    cells = _cells(table, methods, tasks, seeds, quick)
    if not collect:
        _run_missing(table, cells, make_folder(folder), jobs, progress)
    kept = {cell: record for cell in cells if (record := cell.kept(folder)) is not None}
    chosen = list(dict.fromkeys(cell.task for cell in cells))
    asked = {cell.row.label for cell in cells}
    rows = [_row(row, chosen, kept) for row in table.ROWS if row.label in asked]
    return {
        "table": name,
        "title": table.TITLE,
        "command": _command(name, methods, tasks, seeds, quick),
        "protocol": table.PROTOCOL,
        "data": table.DATA,
        "missing": list(table.MISSING),
        "tasks": chosen,
        "seeds": seeds,
        "cells": {"there": len(kept), "of": len(cells)},
        "cpu_minutes": round(sum(record["seconds"] for record in kept.values()) / 60),
        "rows": rows,
        "versions": {
            "transferkit": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in ("numpy", "torch")},
        },
    }


def _command(
    name: str, methods: Sequence[str] | None, tasks: Sequence[str] | None, seeds: Sequence[int], quick: bool
) -> str:
    """What to type for the same result."""
    parts = [f"transferkit bench {name}", "--quick" if quick else "--seeds " + ",".join(map(str, seeds))]
    parts += [f'--{key} "{",".join(v)}"' for key, v in (("methods", methods), ("tasks", tasks)) if v is not None]
    return " ".join(parts)


def _cells(
    table: TrainedTable, methods: Sequence[str] | None, tasks: Sequence[str] | None, seeds: Sequence[int], quick: bool
) -> list[_Cell]:
    """Those asked for, seed after seed."""
    rows = [row for row in table.ROWS if not quick or row.label in table.QUICK.rows]
    every = [task for task in table.TASKS if not quick or task in (table.QUICK.tasks or table.TASKS)]
    _all_known("methods", methods, [name for row in rows for name in (row.label, row.method)])
    _all_known("tasks", tasks, every)
    share = table.QUICK.share if quick else 1.0
    return [
        _Cell(row, task, seed, settings_of(table, row, task, share))
        for seed in seeds
        for row in rows
        for task in every
        if (methods is None or {row.label, row.method} & set(methods)) and (tasks is None or task in tasks)
    ]


def _all_known(argument: str, wanted: Sequence[str] | None, known: Sequence[str]) -> None:
    extra = sorted(set(wanted or ()) - set(known))
    if extra:
        raise ParamError(
            f"run_trained: {argument} must be of {', '.join(dict.fromkeys(known))}. Got {', '.join(extra)}."
        )


def _run_missing(
    table: TrainedTable, cells: Sequence[_Cell], folder: Path, jobs: int, progress: Progress | None
) -> None:
    missing = [cell for cell in cells if cell.kept(folder) is None]
    before = len(cells) - len(missing)
    runs: Iterator[Any] = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(_run_one)(table.load, cell, folder) for cell in missing
    )
    for done, (cell, _) in enumerate(zip(missing, runs), start=before + 1):
        if progress is not None:
            progress(done, len(cells), f"{cell.row.label}, {cell.task}, seed {cell.seed}")


def _run_one(load: Callable[[str], Any], cell: _Cell, folder: Path) -> None:

    with threadpool_limits(1):  # several cells at a time are the better use of several cores
        record = run_cell(cell.settings, load(cell.task), cell.seed)
    whole = {
        "label": cell.row.label,
        "seed": cell.seed,
        **cell.settings,
        **record,
        "defaults": _defaults(cell.settings),
    }
    atomic_write(cell.path(folder), json.dumps(whole, indent=1))


def _row(row: TrainedRow, tasks: Sequence[str], kept: Mapping[_Cell, Mapping[str, Any]]) -> dict[str, Any]:
    by_task = {t: [r for c, r in kept.items() if c.row.label == row.label and c.task == t] for t in tasks}
    found = {task: _summary(records, row.paper.get(task)) for task, records in by_task.items() if records}
    both = [s for s in found.values() if s["mean"] is not None and s["paper"] is not None]
    means = [s["mean"] for s in found.values()]
    whole = len(means) == len(tasks) and None not in means
    return {
        "label": row.label,
        "method": row.method,
        "role": row.role,
        "note": row.note,
        "source": row.source,
        "tasks": found,
        "mean": _round(np.mean(means)) if whole else None,
        "paper": _round(np.mean([s["paper"] for s in both])) if len(both) == len(tasks) else None,
        "orientation": row.orientation,
        "holds": None if not whole or len(both) < len(tasks) else all(s["difference"] >= -POINT for s in both),
    }


def _summary(records: Sequence[Mapping[str, Any]], paper: float | None) -> dict[str, Any]:
    """Of the seeds of one row and task."""
    ended = [r for r in records if r["accuracy"] is not None]
    mean = _round(np.mean([r["accuracy"] for r in ended])) if ended else None
    chosen = {
        name: _round(np.mean([r["epochs"][int(np.argmax(r["scores"][name]))] for r in ended]))
        for name in SCORES
        if ended and all(name in r["scores"] for r in ended)
    }
    return {
        "n": len(records),
        "mean": mean,
        "spread": _round(np.std([r["accuracy"] for r in ended], ddof=1)) if len(ended) > 1 else None,
        "seeds": {str(r["seed"]): _round(r["accuracy"]) for r in records},
        "paper": paper,
        "difference": None if mean is None or paper is None else _round(mean - paper),
        "chosen": chosen,
        "oracle": _round(np.mean([max(r["epochs"]) for r in ended])) if ended else None,
        "collapsed": sum(r["collapsed"] for r in records),
        "diverged": sum(r["diverged"] for r in records),
        "n_updates": max(r["n_updates"] for r in records),
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(float(value), 2) + 0.0


def to_json(result: Mapping[str, Any]) -> str:
    """A result as text, with no path or name of a machine."""
    return json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
