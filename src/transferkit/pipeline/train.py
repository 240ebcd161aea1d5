"""Step 4, train: fit the candidates side by side, each kept in the run's folder as soon as it is done."""

from __future__ import annotations

import json
import operator
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from joblib.externals.loky import ProcessPoolExecutor
from threadpoolctl import threadpool_limits

from .. import store
from ..core.errors import DataError, MissingExtraError, TrainingError, TransferError
from ..core.files import atomic_write, make_folder
from ..core.parallel import answers
from ..core.protocols import Array, Domain
from . import attempts
from .label_search import LabelSearch
from .prepare import Prepared
from .progress import Progress
from .select import Candidate

__all__ = ["Trained", "train"]

DONE = "done.json"
GRACE = 1.0  # seconds
# What a method may die of alone. A full disk or a wrong path (OSError) is no matter of the method.
_CRASHES = (
    TransferError, ValueError, TypeError, AttributeError, ArithmeticError, LookupError, RuntimeError, AssertionError,
    MemoryError,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Trained:
    """One candidate after its fit.

    Attributes
    ----------
    candidate : Candidate
    status : {"fitted", "failed", "skipped"}
    reason : str
        Why it failed or was skipped; what it warned of, where it was fitted.
    model : fitted method or None
    tuning : dict or None
        What was tried on the target's known labels, where its numbers were tuned.
    """

    candidate: Candidate
    status: str
    reason: str
    model: Any
    tuning: dict[str, Any] | None = None


def train(
    candidates: Sequence[Candidate],
    prepared: Prepared,
    folder: Path,
    *,
    seed: int,
    jobs: int,
    budget: float | None,
    progress: Progress,
    as_it_is: bool = False,
    cluster: bool = False,
) -> list[Trained]:
    """Fit what is not fitted yet, then read all of them back from the folder.

    Reading back what was just written keeps a resumed run and an unbroken one on the same path, so their results agree
    bit for bit. Every fit runs on one thread of the linear algebra library: its result then does not depend on how many
    run beside it.

    Parameters
    ----------
    candidates : sequence of Candidate
        In the order in which they are started.
    prepared : Prepared
        The data.
    folder : Path
        ``candidates/`` of the run's folder; one sub-folder each.
    seed : int
        Random state of every method that takes one.
    jobs : int
        Fits at a time; -1 is one a core.
    budget : float or None
        Seconds after which no candidate is started any more and those that run are ended; baselines always run.
    progress : Progress
        Told about every candidate that is done.
    as_it_is : bool
        Fit nothing more: labels test the proposal that they were asked for, and another candidate would make it another one.
    cluster : bool
        Send the fits where a `joblib.parallel_config` around the call says (dask, ray), however few they are.

    Notes
    -----
    A candidate notes in its folder that it begins. One that was under way when a process of the pool was ended, or the whole run,
    is tried again after the others, alone in a process of its own; where that is ended, too, the candidate has failed and the
    run goes on. One that the user, the budget or another error stopped begins anew as if nothing had been.

    Raises
    ------
    TrainingError
        If processes are ended before they begin to fit.
    """
    folder = make_folder(folder).resolve()  # worker processes may stand in another folder
    for c in candidates:
        if attempts.tries(folder / c.id) >= attempts.TRIES and _finished(folder / c.id) is None:
            _record_ended(folder / c.id)
    waiting = [c for c in candidates if not c.skip and not as_it_is and _finished(folder / c.id) is None]
    deadline = None if budget is None else time.time() + budget
    done = sum(1 for c in candidates if not c.skip) - len(waiting)
    total = done + len(waiting)
    left = [c.id for c in waiting]
    progress("train", done, total, _to_come(left))
    fits = _fit_on_cluster if cluster else _fit_guarded
    ended_itself = cluster  # of a worker that dies elsewhere, the note that it leaves is all there is to know
    try:
        for finished in fits(waiting, prepared, folder, seed, jobs, deadline):
            done += 1
            left.remove(finished)
            progress("train", done, total, _to_come(left))
        ended_itself = False
    except KeyboardInterrupt:
        ended_itself = False
        raise
    except BrokenExecutor as err:
        raise TrainingError(
            f"run: processes that fit candidates are ended before they begin, most likely for want of memory ({_to_come(left)})."
            " What is done is kept; resume with fewer --jobs."
        ) from err
    finally:
        if not ended_itself:
            attempts.forget(folder / c.id for c in waiting)
    return [_read(c, folder / c.id, budget, as_it_is) for c in candidates]


def _to_come(left: Sequence[str], most: int = 3) -> str:
    """What is not done yet, in the order in which it is started: the first of them are being fitted."""
    more = f" and {len(left) - most} more" if len(left) > most else ""
    return f"to do: {', '.join(left[:most])}{more}" if left else ""


def _fit_guarded(
    waiting: Sequence[Candidate], prepared: Prepared, folder: Path, seed: int, jobs: int, deadline: float | None
) -> Iterator[str]:
    """Side by side; then, one by one in processes of their own, those that were under way when a process was ended."""
    left = [c for c in waiting if not attempts.tries(folder / c.id)]
    suspects = [c for c in waiting if attempts.tries(folder / c.id)]
    while left:
        told: set[str] = set()
        try:
            for finished in _fit_all(left, prepared, folder, seed, jobs, deadline):
                told.add(finished)
                yield finished
            break
        except BrokenExecutor:
            left = [c for c in left if c.id not in told]
            yield from (c.id for c in left if _finished(folder / c.id) is not None)
            left = [c for c in left if _finished(folder / c.id) is None]
            under_way = [c for c in left if attempts.tries(folder / c.id)]
            if not under_way:
                raise
            suspects += under_way
            left = [c for c in left if c not in under_way]
    for candidate in suspects:
        try:
            _fit_alone(candidate, prepared, folder, seed, deadline)
        except BrokenExecutor:
            _record_ended(folder / candidate.id)
        yield candidate.id


def _fit_alone(candidate: Candidate, prepared: Prepared, folder: Path, seed: int, deadline: float | None) -> None:
    if deadline is None:
        attempts.alone(_fit_one, candidate, prepared, folder, seed, None)
    else:
        list(_fit_until([candidate], prepared, folder, seed, 1, deadline))


def _record_ended(home: Path) -> None:
    """A candidate that ended its process whenever it was fitted is listed like one that failed."""
    atomic_write(home / DONE, json.dumps({"status": "failed", "reason": attempts.ENDED, "seconds": 0.0}))
    attempts.end(home)


def _fit_all(
    waiting: Sequence[Candidate], prepared: Prepared, folder: Path, seed: int, jobs: int, deadline: float | None
) -> Iterator[str]:
    if deadline is not None and waiting:
        yield from _fit_until(waiting, prepared, folder, seed, jobs, deadline)
        return
    if jobs == 1 or len(waiting) < 2:
        for candidate in waiting:
            yield _fit_one(candidate, prepared, folder, seed, deadline)
        return
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch="n_jobs")
    yield from parallel(delayed(_fit_one)(c, prepared, folder, seed, deadline) for c in waiting)


@dataclass(frozen=True, eq=False)
class _Rows:
    """What a fit reads of `Prepared`."""

    source: Domain
    target: Domain
    groups: Array
    kind: str
    pairs: Array | None = None
    edges: Any = None


@dataclass(frozen=True)
class _Fit:
    """One fit for a worker of a cluster, which reads the rows from a file: nothing is lost with a worker."""

    candidate: Candidate
    rows: Path
    folder: Path
    seed: int
    deadline: float | None

    def __call__(self) -> str:
        return _fit_one(self.candidate, _read_rows(self.rows), self.folder, self.seed, self.deadline)


def _fit_on_cluster(
    waiting: Sequence[Candidate], prepared: Prepared, folder: Path, seed: int, jobs: int, deadline: float | None
) -> Iterator[str]:
    """By the workers of a cluster; a fit that runs at the deadline is waited for, one that has not begun is called off."""
    if not waiting:
        return
    path = _write_rows(prepared, folder)
    try:
        yield from answers(operator.call, [_Fit(c, path, folder, seed, deadline) for c in waiting], ordered=False)
    finally:
        path.unlink(missing_ok=True)


def _write_rows(prepared: Prepared, folder: Path) -> Path:
    source, target = prepared.source, prepared.target
    arrays = {"X": source.X, "y": source.y, "groups": prepared.groups, "kind": prepared.kind, "Xt": target.X}
    if target.y is not None:
        arrays |= {"yt": target.y, "known": target.mask}
    if prepared.pairs is not None:
        arrays["pairs"] = prepared.pairs
    path, temporary = folder / "rows.npz", folder / ".rows.npz"
    try:
        np.savez(temporary, **arrays)
        temporary.replace(path)
    except OSError as err:
        raise DataError(f"{path}: cannot be written ({err.strerror or err}).") from err
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _read_rows(path: Path) -> _Rows:
    with np.load(path, allow_pickle=False) as file:
        target = Domain(file["Xt"], file["yt"], file["known"]) if "yt" in file else Domain(file["Xt"])
        pairs = file.get("pairs")
        return _Rows(Domain(file["X"], file["y"]), target, file["groups"], str(file["kind"]), pairs)


def _fit_until(
    waiting: Sequence[Candidate], prepared: Prepared, folder: Path, seed: int, jobs: int, deadline: float
) -> Iterator[str]:
    """Fit in processes of their own, which are ended at the deadline; baselines, which come first, are waited for."""
    pool = ProcessPoolExecutor(max_workers=min(len(waiting), effective_n_jobs(jobs)))
    futures = {pool.submit(_fit_one, c, prepared, folder, seed, deadline): c for c in waiting}
    baselines = {f for f, c in futures.items() if _is_waited_for(c)}
    left = set(futures)
    endless = True
    try:
        while left:
            late = time.time() >= deadline
            if late and not left & baselines:
                # What has not begun is called off; what has gets a moment to see that it is late.
                left = {f for f in left if not f.cancel()}
                left -= wait(left, timeout=GRACE).done
                break
            rest = None if late else max(0.05, deadline - time.time())
            done, _ = wait(left & baselines if late else left, timeout=rest, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
            left -= done
        endless = bool(left)
    finally:
        pool.shutdown(wait=True, kill_workers=endless)


def _is_waited_for(candidate: Candidate) -> bool:
    """A baseline, however late it is; but not one that trains a network, which may take longer than all else together."""
    return candidate.role == "baseline" and candidate.epochs is None


def _fit_one(candidate: Candidate, prepared: Prepared | _Rows, folder: Path, seed: int, deadline: float | None) -> str:
    """Fit and save one candidate; a method that refuses this task is recorded with its own words."""
    home = folder / candidate.id
    if deadline is not None and time.time() > deadline and not _is_waited_for(candidate):
        return candidate.id
    before = attempts.tries(home)
    if home.exists():
        shutil.rmtree(home)  # left half-done by a kill
    make_folder(home)
    attempts.begin(home, before)
    started, status, reason = time.perf_counter(), "fitted", ""
    more_facts: dict[str, Any] = {}
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            method = candidate.build(seed)
            # What is not loaded yet is not limited; torch is loaded once the first network is built.
            with threadpool_limits(limits=1):
                given = {"pairs": prepared.pairs, "edges": prepared.edges}
                more = {name: value for name, value in given.items() if value is not None}
                model = method.fit(
                    prepared.source.X, prepared.source.y, target=prepared.target, groups=prepared.groups, **more
                )
                if isinstance(model, LabelSearch):
                    model, more_facts = model.method_, {"tuning": model.facts_}
                _check_answers(model, prepared)
                if candidate.role != "baseline":
                    _check_learned(model)
        reason = "; ".join(sorted({" ".join(str(w.message).split())[:200] for w in caught}))
    except MissingExtraError as err:
        status, reason = "skipped", str(err)
    except _CRASHES as err:
        # One method that cannot work on this data must not end the run; it is listed with its reason.
        status, reason = "failed", f"{type(err).__name__}: {err}"
    else:
        # Outside the try: a disk that is full ends the run, to be resumed; it says nothing about the method.
        store.save(model, home / "model")
    record = {"status": status, "reason": reason, "seconds": round(time.perf_counter() - started, 3), **more_facts}
    atomic_write(home / DONE, json.dumps(record))
    attempts.end(home)
    return candidate.id


def _check_answers(model: Any, prepared: Prepared | _Rows) -> None:
    """A model that cannot answer for the target, or answers what is no number, is no candidate."""
    answer = getattr(model, "predict_proba", model.predict)(prepared.target.X)
    numbers = hasattr(model, "predict_proba") or prepared.kind == "regression"
    if numbers and not np.isfinite(np.asarray(answer, dtype=np.float64)).all():
        raise TransferError(
            f"{type(model).__name__}: its predictions on the target must be finite. Got some that are not."
        )


def _check_learned(model: Any) -> None:
    """A network that does worse on its own source than the largest class, or the mean, must have no say in a vote."""
    inner = getattr(model, "method_", model)
    if getattr(inner, "facts_", {}).get("diverged"):
        raise TransferError(
            f"{type(inner).__name__}: on its own source it must do better than one answer for every row. Got a training that"
            " has diverged, or got nowhere: change training.lr or n_epochs, or lower the weight of the adaptation."
        )


def _finished(home: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads((home / DONE).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return record


def _read(candidate: Candidate, home: Path, budget: float | None, as_it_is: bool = False) -> Trained:
    if candidate.skip:
        return Trained(candidate, "skipped", candidate.skip, None)
    record = _finished(home)
    if record is None and as_it_is:
        return Trained(
            candidate, "skipped", "it was not fitted when labels were asked for, and is left out since", None
        )
    if record is None and budget is None:
        raise TransferError(f"{home}: the result of {candidate.id} must be there after its fit. Got no {DONE}.")
    if record is None:
        return Trained(candidate, "skipped", "the time budget was used up before it was done", None)
    model = store.load(home / "model") if record["status"] == "fitted" else None
    return Trained(candidate, record["status"], record["reason"], model, record.get("tuning"))
