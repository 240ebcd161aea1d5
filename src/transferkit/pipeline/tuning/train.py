"""Step 4 with a model as the source: train every candidate on a part of the labels, and see it predict the rest."""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ... import catalogue, store
from ...core.errors import MissingExtraError, TrainingError, TransferError
from ...core.files import atomic_write, make_folder
from ...core.protocols import Array, take_rows
from .. import attempts
from ..evaluate import predict_once
from ..progress import Progress
from ..strict_json import plain
from ..threads import one_thread
from .prepare import Tuning
from .select import Candidate, Selected

__all__ = ["Trained", "predict", "refit", "seconds_of", "train"]

DONE, FINAL = "done.json", "final.json"


@dataclass(frozen=True, eq=False)
class Trained:
    """One candidate after its validation.

    Attributes
    ----------
    candidate : Candidate
    status : {"fitted", "failed", "skipped"}
    reason : str
        Why it failed or was skipped; what it warned of, where it was fitted.
    predicted : array of shape (n_validated,) or None
        What it said of the rows it was validated on, each from a fit without that row.
    facts : dict
        ``history`` (of the first fit), ``trainable``, ``updates``, ``plan``.
    """

    candidate: Candidate
    status: str
    reason: str
    predicted: Array | None
    facts: dict[str, Any]

    @property
    def guess(self) -> Array:
        """`predicted` of a candidate that was fitted."""
        assert self.predicted is not None
        return self.predicted


def train(
    selected: Selected,
    tuning: Tuning,
    folder: Path,
    *,
    seed: int,
    budget: float | None,
    progress: Progress,
) -> list[Trained]:
    """Validate what is not validated yet, one candidate after the other, then read all of them back.

    A network uses all cores by itself. One that was stopped in the middle goes on from its last checkpoint.

    Parameters
    ----------
    selected : Selected
        Candidates and folds.
    tuning : Tuning
        The data.
    folder : Path
        ``candidates/`` of the run's folder; one sub-folder each.
    seed : int
        Random state of every method.
    budget : float or None
        Seconds after which no candidate is started any more; baselines always run.
    progress : Progress
        Told about every candidate that is done.

    Notes
    -----
    A candidate under which the whole run ended is tried again after the others, alone in a process of its own; where that is
    ended, too, the candidate has failed and the run goes on.
    """
    folder = make_folder(folder).resolve()
    todo = [c for c in selected.candidates if not c.skip]
    todo.sort(key=lambda c: attempts.tries(folder / c.id) > 0)
    deadline = None if budget is None else time.time() + budget
    for k, candidate in enumerate(todo):
        progress("train", k, len(todo), candidate.id)
        home = folder / candidate.id
        late = deadline is not None and time.time() > deadline and candidate.role != "baseline"
        if _read_json(home / DONE) is None and not late:
            try:
                _guarded(_validate, home, candidate, tuning, selected, home, seed)
            except BrokenExecutor:
                _record(
                    home, {"status": "failed", "reason": attempts.ENDED, "seconds": 0.0, "predicted": None, "facts": {}}
                )
    progress("train", len(todo), len(todo), "")
    return [_read(c, folder / c.id, tuning, budget) for c in selected.candidates]


def _guarded(fit: Callable[..., None], home: Path, *args: Any) -> None:
    """Fit here, with a note that it begins; alone in a process of its own where the note of an earlier try is still there.

    Raises
    ------
    concurrent.futures.BrokenExecutor
        If that process is ended, or the whole run was as often as there are tries.
    """
    before = attempts.tries(make_folder(home))
    try:
        if before >= attempts.TRIES:
            raise BrokenExecutor
        attempts.begin(home, before)
        if before:
            attempts.alone(_on_one_thread, fit, *args)
        else:
            fit(*args)
    finally:  # a process that is ended does not come by here
        attempts.end(home)


def _on_one_thread(fit: Callable[..., None], *args: Any) -> None:
    with one_thread():
        fit(*args)


def _record(home: Path, record: Mapping[str, Any]) -> None:
    atomic_write(home / DONE, json.dumps(plain(record), ensure_ascii=False, allow_nan=False))


def _validate(candidate: Candidate, tuning: Tuning, selected: Selected, home: Path, seed: int) -> None:
    """Fit on every fold's complement and save what is said of the fold; a method that refuses is recorded in its words."""
    started, status = time.perf_counter(), "fitted"
    predicted: list[Any] = [None] * len(tuning.train)
    facts: dict[str, Any] = {}
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for k in selected.validated:
                rest = selected.folds == k
                model = _fit(candidate, tuning, tuning.train[~rest], home / f"fold-{k}", seed)
                guess, _ = predict(model, candidate, tuning, tuning.train[rest])
                for row, value in zip(np.flatnonzero(rest).tolist(), guess.tolist()):
                    predicted[row] = value
                facts = facts or _facts_of(model, candidate)
        reason = "; ".join(sorted({" ".join(str(w.message).split())[:200] for w in caught}))
    except MissingExtraError as err:
        status, reason = "skipped", str(err)
    except (TransferError, ValueError, ArithmeticError) as err:
        # One method that cannot work on this data must not end the run; it is listed with its reason.
        status, reason = "failed", f"{type(err).__name__}: {err}"
    seen = [predicted[row] for row in np.flatnonzero(np.isin(selected.folds, selected.validated))]
    record = {
        "status": status,
        "reason": reason,
        "seconds": round(time.perf_counter() - started, 3),
        "predicted": seen if status == "fitted" else None,
        "facts": facts,
    }
    _record(home, record)
    for part in home.glob("fold-*"):
        shutil.rmtree(part)


def _fit(candidate: Candidate, tuning: Tuning, rows: Array, folder: Path, seed: int) -> Any:
    """The method fitted on some of the rows, from its checkpoint where there is one."""
    from ...engine.training.settings import Training  # needs torch

    cls = catalogue.load(candidate.card.name)
    params = dict(candidate.params)
    settings = {
        "training": Training(**candidate.training, folder=make_folder(folder), progress=False),
        "random_state": seed,
        "task": tuning.kind,
        "cache": True,
    }
    params |= {name: value for name, value in settings.items() if name in cls._constraints and name not in params}
    model = cls(source=candidate.source, **params)
    return model.fit(take_rows(tuning.target.X, rows), np.asarray(tuning.target.y)[rows])


def _facts_of(model: Any, candidate: Candidate) -> dict[str, Any]:
    plan = model.facts_.get("plan")
    epochs = candidate.training["n_epochs"]
    trainable = (
        sum(p.numel() for p in model.network_.head.parameters())
        if plan is None
        else sum(r["parameters"] for r in plan if r["from_epoch"] is not None and r["from_epoch"] < epochs)
    )
    return {
        "history": model.history_,
        "updates": model.n_updates_,
        "trainable": trainable,
        "plan": plan,
        "device": model.facts_.get("device"),
        "precision": model.facts_.get("precision"),
    }


def predict(model: Any, candidate: Candidate, tuning: Tuning, rows: Array) -> tuple[Array, Array | None]:
    """Labels and probabilities of some rows: from the features at hand where the body is still the source's."""
    from ...engine.features.encoder import outputs_from_features  # needs torch

    source = next((m for m in tuning.models if m.name == candidate.source), None)
    outputs = None if source is None else outputs_from_features(model, source.address, source.features[rows])
    if outputs is None:
        return predict_once(model, take_rows(tuning.target.X, rows))
    has_proba = hasattr(model, "predict_proba")
    return model.labels_.predict(outputs), model.labels_.proba(outputs) if has_proba else None


def refit(candidate: Candidate, tuning: Tuning, folder: Path, seed: int) -> Any:
    """The candidate fitted on all labels that may be learned from; kept in its folder, and read back from there.

    Raises
    ------
    TrainingError
        If it ends the process that fits it.
    """
    home = folder.resolve() / candidate.id
    if _read_json(home / FINAL) is None:
        try:
            _guarded(_fit_on_all, home, candidate, tuning, home, seed)
        except BrokenExecutor as err:
            raise TrainingError(
                f"run: {candidate.id} must be fitted on all labels. It ended the process that did so, most likely for want of"
                " memory. What is done is kept; resume where there is more."
            ) from err
    return store.load(home / "model")


def _fit_on_all(candidate: Candidate, tuning: Tuning, home: Path, seed: int) -> None:
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were recorded when it was validated
        model = _fit(candidate, tuning, tuning.train, home / "final", seed)
    model.training.folder = None  # where its checkpoints lay is no part of the model
    store.save(model, home / "model", overwrite=True)
    atomic_write(home / FINAL, json.dumps({"seconds": round(time.perf_counter() - started, 3)}))
    shutil.rmtree(home / "final", ignore_errors=True)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return record


def _read(candidate: Candidate, home: Path, tuning: Tuning, budget: float | None) -> Trained:
    if candidate.skip:
        return Trained(candidate, "skipped", candidate.skip, None, {})
    record = _read_json(home / DONE)
    if record is None and budget is None:
        raise TransferError(f"{home}: the result of {candidate.id} must be there after its fit. Got no {DONE}.")
    if record is None:
        return Trained(candidate, "skipped", "the time budget was used up before it was started", None, {})
    predicted = None
    if record["predicted"] is not None:
        predicted = np.array(record["predicted"], dtype=tuning.y.dtype)
    return Trained(candidate, record["status"], record["reason"], predicted, record["facts"])


def seconds_of(folder: Path, candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Seconds that each candidate took, for the log."""
    found = []
    for c in candidates:
        done, final = _read_json(folder / c.id / DONE), _read_json(folder / c.id / FINAL)
        if done is not None:
            refit = {} if final is None else {"refit_seconds": final["seconds"]}
            found.append({"event": "candidate", "id": c.id, "seconds": done["seconds"], **refit})
    return found
