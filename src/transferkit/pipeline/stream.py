"""A method on a stream of tasks: after each it is judged on all of them, and can be stopped and resumed there."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import store
from ..core.errors import DataError, DomainError
from ..core.files import atomic_write, make_folder
from ..core.protocols import Array, Domain
from ..data.samples import Samples
from ..ops.metrics.continual import average_accuracy, backward_transfer, forgetting, forward_transfer, learning_accuracy

__all__ = ["StreamResult", "learn_stream"]

_STATE = "stream.json"


@dataclass(frozen=True, eq=False)
class StreamResult:
    """What a stream has done to a method.

    Attributes
    ----------
    model : object
        After the last task.
    names : tuple of str
        The tasks, in the order of learning.
    matrix : array of shape (n_tasks, n_tasks)
        ``matrix[i, j]``: accuracy on task j after task i; NaN where the method is told the task and it has not come.
    chance : array of shape (n_tasks,)
        One over the number of classes of each task.
    """

    model: Any
    names: tuple[str, ...]
    matrix: Array
    chance: Array

    def facts(self) -> dict[str, Any]:
        """What is read off the matrix, as JSON; None stands for what cannot be said."""
        m = self.matrix
        numbers = {
            "average_accuracy": average_accuracy(m),
            "learning_accuracy": learning_accuracy(m),
            "forgetting": forgetting(m),
            "backward_transfer": backward_transfer(m),
            "forward_transfer": forward_transfer(m, self.chance),
        }
        return {
            **{name: _plain(value) for name, value in numbers.items()},
            "tasks": list(self.names),
            "matrix": [[_plain(v) for v in row] for row in m],
            "memory": len(getattr(getattr(self.model, "method_", self.model), "memory_", ())),
        }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)


def learn_stream(
    model: Any,
    tasks: Sequence[Domain],
    tests: Sequence[Domain],
    *,
    told: bool = False,
    folder: Path | str | None = None,
    tell: Callable[[int, Array], None] | None = None,
) -> StreamResult:
    """Learn tasks one after the other, and judge the method on rows of all of them after each.

    Parameters
    ----------
    model : Continual
        That has learned nothing yet.
    tasks, tests : sequence of Domain
        What is learned, and labelled rows of each task that are not.
    told : bool
        Whether `predict` is told the task of a row (task-incremental).
    folder : path, optional
        Where the method is saved after each task. What is there of the same stream is gone on with; the result equals
        that of an unbroken one.
    tell : callable, optional
        ``tell(k, row)`` after task k, with its row of the matrix.

    Returns
    -------
    StreamResult

    Raises
    ------
    DomainError
        If there is no test for each task.
    DataError
        If the folder holds another stream.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, StreamingLDA
    >>> from transferkit.pipeline.stream import learn_stream
    >>> X = np.random.default_rng(0).normal(size=(80, 4)) + 4 * np.repeat(np.eye(4), 20, axis=0)
    >>> y = np.repeat(np.arange(4), 20)
    >>> halves = [Domain(X[:40], y[:40], name="first"), Domain(X[40:], y[40:], name="second")]
    >>> result = learn_stream(StreamingLDA(), halves, halves)
    >>> result.matrix.shape, bool(result.matrix[0, 0] > 0.9), result.matrix[0, 1].tolist()
    ((2, 2), True, 0.0)
    """
    if len(tasks) != len(tests) or not tasks:
        raise DomainError(f"learn_stream: tests must be one a task ({len(tasks)}). Got {len(tests)}.")
    names = tuple(task.name for task in tasks)
    matrix = np.full((len(tasks), len(tasks)), np.nan)
    chance = np.array([1 / max(1, len(np.unique(test.known_y))) for test in tests])
    key, done = "" if folder is None else _key(model, tasks, tests, told), 0
    if folder is not None:
        folder = make_folder(folder)
        if (folder / _STATE).exists():
            done = _resume(folder, key, matrix)
            model = store.load(folder / f"model-{done}", modules=_modules(model))
    for k in range(done, len(tasks)):
        model.partial_fit(tasks[k])
        for j, test in enumerate(tests):
            if not told or test.name in names[: k + 1]:
                rows = test.take(test.mask)
                matrix[k, j] = model.score(rows.X, np.asarray(rows.y), task=test.name if told else None)
        if tell is not None:
            tell(k, matrix[k])
        if folder is not None:
            _keep(folder, model, key, k + 1, matrix)
    return StreamResult(model, names, matrix, chance)


def _keep(folder: Path, model: Any, key: str, done: int, matrix: Array) -> None:
    """The method first, then what says that it is there, then without the one before."""
    store.save(model, folder / f"model-{done}", overwrite=True)
    state = {"key": key, "done": done, "matrix": [[_exact(v) for v in row] for row in matrix]}
    atomic_write(folder / _STATE, json.dumps(state) + "\n")
    shutil.rmtree(folder / f"model-{done - 1}", ignore_errors=True)


def _exact(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _resume(folder: Path, key: str, matrix: Array) -> int:
    """Tasks that are done; fills the matrix."""
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        if state["key"] != key:
            raise DataError(f"{folder}: must hold this very stream, or be empty. Got another method, settings or rows.")
        matrix[:] = [[np.nan if v is None else v for v in row] for row in state["matrix"]]
        return int(state["done"])
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as err:
        raise DataError(
            f"{folder / _STATE}: must be the state of a stream. Got: {err}. Remove it to start anew."
        ) from err


def _modules(model: Any) -> dict[str, Any]:
    """The user's own network by its class, for the store."""
    own = getattr(model, "backbone", None)
    body = getattr(own, "body", own)
    return {} if own is None or isinstance(own, str) else {type(body).__name__: own}


def _key(model: Any, tasks: Sequence[Domain], tests: Sequence[Domain], told: bool) -> str:
    """What makes a stream the one it is: method, settings, order, labels, rows."""
    found = hashlib.sha256(f"{type(model).__name__} {told}".encode())
    for name, value in sorted(model.get_params(deep=False).items()):
        found.update(f"{name}={value if not hasattr(value, 'parameters') else type(value).__name__!r}\n".encode())
    for domain in (*tasks, *tests):
        labels = json.dumps(np.asarray(domain.known_y).tolist())
        found.update(f"{domain.name} {domain.n_samples} {labels}\n".encode())
        found.update(_content(domain.X))
    return found.hexdigest()


def _content(X: Any) -> bytes:
    """What rows are made of; nothing for those of which only the number can be told."""
    if isinstance(X, Samples):
        return "".join(X.digest(i) for i in range(len(X))).encode()
    if hasattr(X, "write_csv"):  # a polars frame
        return bytes(X.write_csv(), "utf-8")
    return np.ascontiguousarray(X).tobytes() if isinstance(X, np.ndarray) and X.dtype != object else b""
