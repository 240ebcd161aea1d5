"""The six steps in order: `transferkit.run`."""

from __future__ import annotations

import datetime
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..core.errors import DataError, ParamError
from ..core.files import atomic_write, make_folder
from . import tuning
from .analyse import SCHEMA, deployable, facts_of, write
from .cluster import on_engine
from .define import Defined, TransferTask, define
from .evaluate import evaluate
from .graph_methods import select_graphs
from .guard import check_labels, merge_labels, write_labels
from .options import check_epochs, check_options
from .prepare import Prepared, held_back_sum, prepare
from .progress import Progress, silent
from .search import search
from .select import select
from .spaces import check_ties, select_between
from .studies import SHARE, check_search
from .threads import one_thread
from .train import train
from .tuning.train import seconds_of

__all__ = ["RunResult", "free_folder", "run"]

STEPS = ("define", "prepare", "select", "train", "evaluate", "analyse")


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a run leaves.

    Attributes
    ----------
    facts : dict
        The content of ``run.json``.
    model : fitted method
        The winner, with its encoding where it works on numbers; takes raw rows of the target.
    folder : Path
        Where everything lies.
    """

    facts: Mapping[str, Any]
    model: Any
    folder: Path

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / "report.html"

    def __repr__(self) -> str:
        return f"RunResult({self.facts['verdict']['sentence']!r}, folder={str(self.folder)!r})"


def run(
    task: TransferTask | None = None,
    *,
    out: Path | str | None = None,
    resume: bool = False,
    labels: Path | str | None = None,
    command: str | None = None,
    progress: Progress = silent,
) -> RunResult:
    """Walk the six steps: define, prepare, select, train, evaluate, analyse.

    Parameters
    ----------
    task : TransferTask, optional
        What is asked. Left out only to resume a run that was started from files.
    out : path, optional
        The run's folder; None is a new folder under ``runs/``.
    resume : bool, default=False
        Go on in `out` where a run of the same task and data stopped.
    labels : path, optional
        With `resume`: a CSV file with columns ``row`` and ``label``, such as the run's own ``label_next.csv`` filled in. The
        labels settle whether the proposal replaces source-only; they are kept in the folder and need not be given again.
    command : str, optional
        How the report says the run was started.
    progress : callable, default=silent
        Told about every step, as ``progress(step, done, total, text)``.

    Returns
    -------
    RunResult

    Raises
    ------
    TransferError
        Naming the file, column, option or folder that does not fit.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import transferkit
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 3)), np.arange(60) % 3
    >>> X[range(60), y] += 4
    >>> task = transferkit.TransferTask(sources=[(X, y)], target=X + 1, methods=["coral"], jobs=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = transferkit.run(task, out=f"{folder}/first")
    >>> result.facts["task"]["kind"]
    'classification'
    """
    folder = free_folder("run") if out is None else Path(out)
    if labels is not None and not resume:
        raise ParamError("run: labels must go with resume=True: they are asked for by a run that is done.")
    if resume:
        kept = _read_state(folder)
        task = TransferTask.from_toml(folder / "run.toml") if task is None else task
        command = kept["command"] if command is None else command
    elif task is None:
        raise DataError("run: task must be given, unless resume=True. Got None.")
    elif (folder / "state.json").exists() or (folder / "run.json").exists():
        raise DataError(f"{folder}: holds a run already. Resume it (--resume {folder}) or name another folder.")
    clock = time.perf_counter()
    log: list[dict[str, Any]] = []

    def tell(step: str) -> None:
        progress(step, STEPS.index(step), len(STEPS), "")
        log.append({"event": "step", "step": step, "seconds_since_start": round(time.perf_counter() - clock, 3)})

    # Nothing is written before the task has proved to make sense; what is refused leaves no folder behind. One thread of
    # the linear algebra library throughout: rounding, and so the result, must not depend on the machine's load.
    with one_thread():
        tell("define")
        defined = define(task)
        tell("prepare")
        prepared = prepare(defined) if task.sources else tuning.prepare(defined)
        if isinstance(prepared, Prepared):
            check_ties(prepared)
            check_options(task, prepared)
        state = {
            "schema": SCHEMA,
            "transferkit": __version__,
            "fingerprint": prepared.fingerprint,
            "held_back": held_back_sum(prepared.held_back),
            "options": task.options,
        }
        if resume:
            _same(folder, kept, state)

        def begin() -> None:
            make_folder(folder)
            if not resume:
                state["command"] = command or "transferkit.run(task)"
                _claim(folder, json.dumps(state, default=str))
                _write_task(folder, task)

        given = _labels(folder, labels, prepared) if resume else {}
        walk = _Walk(task, defined, folder, command or "transferkit.run(task)", begin, tell, progress, given)
        if isinstance(prepared, Prepared):
            facts, model = _between_domains(walk, prepared)
        else:
            facts, model, seconds = _from_model(walk, prepared)
            log += seconds
    log.append({"event": "done", "seconds_since_start": round(time.perf_counter() - clock, 3)})
    _write_log(folder, log)
    progress("analyse", len(STEPS), len(STEPS), "")
    return RunResult(facts, model, folder)


@dataclass(frozen=True, eq=False)
class _Walk:
    """What steps 3 to 6 share, whatever the source is."""

    task: TransferTask
    defined: Defined
    folder: Path
    command: str
    begin: Callable[[], None]  # claims the folder, once there is something to do
    tell: Callable[[str], None]
    progress: Progress
    labels: Mapping[int, str]  # of target rows, asked for by an earlier call


def _between_domains(walk: _Walk, prepared: Prepared) -> tuple[dict[str, Any], Any]:
    """The source is data: Transfer methods, judged by what the target shows of itself."""
    task, folder = walk.task, walk.folder
    # Held-back labels are not at hand before the choice is made.
    blind = replace(prepared, held_back=None)
    for option in ("tune", "tune_proposal"):
        if getattr(task, option):
            check_search(option)
    walk.tell("select")
    apart, of_graphs = prepared.source_names is not None, prepared.edges is not None
    selected = (select_graphs if of_graphs else select_between if apart else select)(blind, task)
    check_epochs(task, selected.candidates)
    walk.begin()
    budget = task.budget
    if task.tune:
        selected = search(selected, blind, task, folder, walk.progress)
    if budget is not None:
        budget *= 1 - SHARE * ((task.tune > 0) + (task.tune_proposal > 0))
    walk.tell("train")
    with on_engine("local" if walk.labels else task.engine, task.address, folder.resolve()):
        trained = train(
            selected.candidates, blind, folder / "candidates", seed=task.seed, jobs=1 if of_graphs else task.jobs, budget=budget,
            progress=walk.progress, as_it_is=bool(walk.labels), cluster=task.engine != "local",
        )  # fmt: skip
    walk.tell("evaluate")
    evaluated = evaluate(trained, prepared, task, walk.labels)
    walk.tell("analyse")
    facts = facts_of(walk.defined, prepared, selected, evaluated, walk.command)
    write(folder, facts, walk.defined, prepared, evaluated)
    return facts, deployable(prepared, evaluated.winner.model)


def _from_model(walk: _Walk, prepared: tuning.Tuning) -> tuple[dict[str, Any], Any, list[dict[str, Any]]]:
    """The source is a pretrained network: ModelTransfer methods, judged on labels of the target set aside."""
    task, folder = walk.task, walk.folder
    blind = replace(prepared, held_back=None)
    walk.tell("select")
    selected = tuning.select(blind, task)
    walk.begin()
    home = folder / "candidates"
    walk.tell("train")
    trained = tuning.train(selected, blind, home, seed=task.seed, budget=task.budget, progress=walk.progress)
    walk.tell("evaluate")
    evaluated = tuning.evaluate(trained, selected, prepared, home, task.seed, walk.progress)
    walk.tell("analyse")
    facts = tuning.facts_of(walk.defined, prepared, selected, trained, evaluated, walk.command)
    tuning.write(folder, facts, tuning.pictures(prepared, selected, evaluated, task.seed), prepared, evaluated)
    return facts, evaluated.model, seconds_of(home, selected.candidates)


def _labels(folder: Path, new: Path | str | None, prepared: Prepared | tuning.Tuning) -> Mapping[int, str]:
    """Labels of disputed rows from earlier calls and from this one; kept in the folder."""
    kept = folder / "labels.csv"
    if new is not None and not isinstance(prepared, Prepared):
        raise DataError(f"{folder}: labels must be for a run between domains. Got a run from a model.")
    files = [f for f in (kept if kept.exists() else None, None if new is None else Path(new)) if f is not None]
    if not files or not isinstance(prepared, Prepared):
        return {}
    if prepared.outcome != "classification":
        raise DataError(f"{folder}: labels must be for a classification into one class a row. Got {prepared.outcome}.")
    found = merge_labels(files, prepared.target.n_samples)
    if new is not None:
        if not (folder / "run.json").exists():
            raise DataError(f"{folder}: labels must be for a run that is done. Resume it without them first.")
        if not found:
            raise DataError(f"{new}: the column label must be filled in for a row or more. Got only empty ones.")
        check_labels(found, prepared)
        atomic_write(kept, write_labels(found))
    return found


def free_folder(name: str, under: Path | str = "runs") -> Path:
    """A folder name under ``runs/`` that is not taken yet: `name`, `name-2`, ..."""
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
    for k in range(1, 10_000):
        folder = Path(under) / (stem if k == 1 else f"{stem}-{k}")
        if not folder.exists():
            return folder
    raise DataError(f"{under}: has too many runs named {stem!r}. Name another folder with --out.")


def _claim(folder: Path, state: str) -> None:
    """Write `state.json` as a new file: of two runs that want one folder, one gets it."""
    try:
        with (folder / "state.json").open("x", encoding="utf-8") as file:
            file.write(state)
    except FileExistsError as err:
        raise DataError(f"{folder}: another run began in this folder meanwhile. Name another with --out.") from err
    except OSError as err:
        raise DataError(f"{folder}: cannot be written ({err.strerror}).") from err


def _read_state(folder: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        schema = state["schema"]
        missing = {"transferkit", "fingerprint", "held_back", "options", "command"} - state.keys()
        if missing:
            raise KeyError(", ".join(sorted(missing)))
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as err:
        raise DataError(f"{folder}: must be the folder of a run to resume. Got no readable state.json in it.") from err
    writer = state["transferkit"]
    if schema != SCHEMA or writer != __version__:
        raise DataError(
            f"{folder}: holds a run of schema {schema}, written by transferkit {writer};"
            f" this version ({__version__}) reads schema {SCHEMA}. Start a new run."
        )
    return state


def _same(folder: Path, kept: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """A run goes on only with the task and the data it was started with."""
    options = json.loads(json.dumps(state["options"], default=str))
    different = sorted(k for k in {*options, *kept["options"]} if options.get(k) != kept["options"].get(k))
    if different:
        raise DataError(f"{folder}: a run resumes with its own options only. Different now: {', '.join(different)}.")
    if kept["fingerprint"] != state["fingerprint"]:
        raise DataError(f"{folder}: the data changed since this run was started. Start a new run.")
    if kept["held_back"] != state["held_back"]:
        raise DataError(f"{folder}: the held-back target labels changed since this run was started. Start a new run.")


def _write_task(folder: Path, task: TransferTask) -> None:
    """`run.toml`: what was asked, to be read by people and by --resume."""
    lines = ["# What was asked. `transferkit run --resume FOLDER` goes on from here.", "[task]"]
    options = {**task.options, **({} if task.budget is None else {"budget": task.budget}), "jobs": task.jobs}
    lines += [f"{key} = {json.dumps(value, ensure_ascii=False, default=str)}" for key, value in options.items()]
    if not task.from_files:
        lines.insert(1, "# The domains were given in memory: resume with run(task, out=..., resume=True).")
    atomic_write(folder / "run.toml", "\n".join(lines) + "\n")


def _write_log(folder: Path, records: list[dict[str, Any]]) -> None:
    """`log.jsonl`: when each step of each finished call began. The only file with times in it."""
    path = folder / "log.jsonl"
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    stamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    atomic_write(path, before + "".join(json.dumps({"finished": stamp, **r}) + "\n" for r in records))
