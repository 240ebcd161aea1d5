"""The rows of several tasks as streams: tasks that share their rows share a stream, and labels may be missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from ...core.errors import DomainError
from ...core.protocols import Array, Domain
from ..answers.labels import Labels, as_values, find_labels
from ..inputs.rows import Rows
from ..training.objective import Stream

__all__ = ["HeldTasks", "TaskLabels", "TaskStream", "split_stream", "stream_losses", "task_streams"]


@dataclass(frozen=True, eq=False)
class TaskLabels:
    """What the labels of several tasks are.

    Attributes
    ----------
    names : tuple of str
    each : tuple of Labels
        In that order.
    kind, classes
        What `Labels` has, for all that only asks.
    """

    names: tuple[str, ...]
    each: tuple[Labels, ...]
    kind: str = "several"
    classes: None = None

    def of(self, name: str) -> Labels:
        """Those of a task."""
        return self.each[self.names.index(name)]

    def columns(self, name: str) -> slice:
        """Where a task's outputs are."""
        k = self.names.index(name)
        start = sum(labels.n_outputs for labels in self.each[:k])
        return slice(start, start + self.each[k].n_outputs)


@dataclass(eq=False)
class TaskStream:
    """Rows that one or more tasks have labels for.

    Attributes
    ----------
    tasks : tuple of str
    rows : Rows
        Their ``y`` has, for each of the tasks, a column of 0 and 1 (whether the label is known) and the encoded label.
    values : dict of str to array
        Labels as given, by task; anything where they are not known.
    known : dict of str to bool array
    """

    tasks: tuple[str, ...]
    rows: Rows
    values: dict[str, Array]
    known: dict[str, Array]

    def take(self, index: Array) -> TaskStream:
        """Some of the rows."""
        return TaskStream(
            self.tasks,
            self.rows.take(index),
            {name: v[index] for name, v in self.values.items()},
            {name: v[index] for name, v in self.known.items()},
        )


class HeldTasks(list[TaskStream]):
    """Rows that judge an epoch."""

    def digest(self) -> str:
        """Of all rows and labels."""
        return "".join(stream.rows.digest() for stream in self)


def task_streams(
    where: str, tasks: Sequence[Domain], as_rows: Callable[[Any], Rows], kinds: Mapping[str, str]
) -> tuple[TaskLabels, list[TaskStream]]:
    """Labels and streams of tasks whose rows were checked.

    Parameters
    ----------
    where : str
        Beginning of messages.
    tasks : sequence of Domain
    as_rows : callable
        Checked input as the backbone takes it.
    kinds : mapping of str to str
        Kind of each task's labels, or "auto".

    Raises
    ------
    DomainError
        Naming the task whose labels cannot be used.

    Notes
    -----
    Tasks share a stream where their X is one object, or equal arrays or lists. A row that no task has a label for is left
    out.
    """
    each = []
    for task in tasks:
        here = f"{where}: task {task.name!r}"
        if not task.mask.any():
            raise DomainError(f"{here} must have known labels. Got none.")
        try:
            each.append(find_labels(here, task.known_y, len(task.known_rows), kinds[task.name]))
        except DomainError as err:  # its words are about the labels of X
            raise DomainError(str(err).replace(f"{here}: y must", f"{here} must have y that must", 1)) from err
    labels = TaskLabels(tuple(t.name for t in tasks), tuple(each))
    groups: list[list[Domain]] = []
    for task in tasks:
        home = next((g for g in groups if _same_rows(g[0].X, task.X)), None)
        groups.append([task]) if home is None else home.append(task)
    return labels, [_stream(group, labels, as_rows) for group in groups]


def _same_rows(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b)
    return isinstance(a, list) and isinstance(b, list) and a == b


def _stream(group: Sequence[Domain], labels: TaskLabels, as_rows: Callable[[Any], Rows]) -> TaskStream:
    columns, values, known = [], {}, {}
    for task in group:
        own, mask = labels.of(task.name), task.mask
        encoded = own.encode(as_values(task.known_y))
        packed = torch.zeros(len(mask), 1 + (1 if encoded.ndim == 1 else encoded.shape[1]))
        index = torch.as_tensor(mask)
        packed[index, 0] = 1.0
        packed[index, 1:] = encoded.reshape(len(encoded), -1).float()
        columns.append(packed)
        values[task.name], known[task.name] = np.asarray(task.y), mask
    rows = as_rows(group[0].X)
    rows.y = torch.cat(columns, dim=1)
    found = TaskStream(tuple(t.name for t in group), rows, values, known)
    return found.take(np.flatnonzero(np.any(list(known.values()), axis=0)))


def stream_losses(
    stream: Stream, tasks: Sequence[str], outputs: Tensor, labels: TaskLabels, shares: Mapping[str, float]
) -> dict[str, Tensor]:
    """The loss of each task of a stream.

    Parameters
    ----------
    stream : Stream
        Some rows.
    tasks : sequence of str
        Of `TaskStream`.
    outputs : tensor of shape (batch, n_outputs)
        All tasks' outputs for these rows.
    labels : TaskLabels
    shares : mapping of str to float
        Which share of all rows has a known label.

    Notes
    -----
    The sum over labelled rows is divided by the number that a batch has on average, not by what this one happens to have:
    so each labelled row counts alike, and a batch in pieces gives what the whole gives.
    """
    found, start = {}, 0
    assert stream.y is not None
    for name in tasks:
        own = labels.of(name)
        width = 1 if own.kind == "classification" else own.n_outputs
        packed = stream.y[:, start : start + 1 + width]
        start += 1 + width
        y = packed[:, 1].long() if own.kind == "classification" else packed[:, 1:]
        each = own.loss(outputs[:, labels.columns(name)], y, reduction="none")
        found[name] = torch.where(packed[:, 0] > 0, each, 0.0).mean() / shares[name]
    return found


def split_stream(
    where: str, stream: TaskStream, validation: float, seed: int, labels: TaskLabels
) -> tuple[Array, Array]:
    """Rows to train on, and rows that judge an epoch; classes in equal shares where the stream is one task's.

    Raises
    ------
    DomainError
        If there are too few, or a task is left without a label on one side.
    """
    every = np.arange(len(stream.rows))
    if validation == 0:
        return every, every[:0]
    name = stream.tasks[0]
    alone = len(stream.tasks) == 1 and labels.of(name).kind == "classification"
    try:
        train, held = train_test_split(
            every,
            test_size=validation,
            random_state=seed % 2**32,
            stratify=as_values(stream.values[name]) if alone else None,
        )
    except ValueError as err:
        raise DomainError(
            f"{where}: task {name!r} must have rows enough for training.validation={validation}. Got: {err}"
        ) from err
    for task in stream.tasks:
        need = 2 if labels.of(task).kind == "regression" else 1
        if stream.known[task][train].sum() < 1 or stream.known[task][held].sum() < need:
            raise DomainError(f"{where}: task {task!r} must have labels enough for training.validation={validation}.")
    return np.sort(train), np.sort(held)
