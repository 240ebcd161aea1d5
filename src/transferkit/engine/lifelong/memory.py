"""Rows of earlier tasks that are kept as they came, with what a method notes beside each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ...core.protocols import Array, take_rows
from ...ops.memory import keep_smallest, row_keys
from ..inputs.preprocess import Preprocess
from ..inputs.rows import Rows

__all__ = ["Joined", "Memory", "raw_rows", "reservoir"]


@dataclass(eq=False)
class Memory:
    """Rows and their outputs.

    Attributes
    ----------
    X : array of shape (n_kept, *shape), or list of raw samples
        None as long as it is empty.
    y : int64 array of shape (n_kept,)
        The output that each row belongs to.
    notes : dict of str to array of shape (n_kept, ...)
        What a method keeps beside each row.
    seen : int
        Rows that have come by, kept or not.
    """

    X: Any = None
    y: Array = field(default_factory=lambda: np.empty(0, np.int64))
    notes: dict[str, Array] = field(default_factory=dict)
    seen: int = 0

    def __len__(self) -> int:
        return len(self.y)

    def with_rows(self, X: Any, y: Array, **notes: Array) -> Memory:
        """A memory of what is here and further rows (of `raw_rows`); these have come by."""
        if not len(y):
            return self
        if not len(self):
            return Memory(X, y, notes, self.seen + len(y))
        own = self.X
        if isinstance(own, np.ndarray) and isinstance(X, np.ndarray) and own.shape[1:] == X.shape[1:]:
            own = np.concatenate([own, X])
        else:
            own = [*own, *X]
        beside = {name: np.concatenate([self.notes[name], value]) for name, value in notes.items()}
        return Memory(own, np.concatenate([self.y, y]), beside, self.seen + len(y))

    def take(self, rows: Array) -> Memory:
        """Some of the rows; how many have come by stays."""
        if not len(rows):
            return Memory(seen=self.seen)
        notes = {name: value[rows] for name, value in self.notes.items()}
        return Memory(take_rows(self.X, rows), self.y[rows], notes, self.seen)

    def rows(self, preprocess: Preprocess) -> Rows:
        """As a stream of batches."""
        return Rows(self.X, preprocess, torch.as_tensor(self.y))


class Joined:
    """Several sequences of samples, one below the other."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts
        self.ends = np.cumsum([len(p) for p in parts])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, i: int) -> Any:
        part = int(np.searchsorted(self.ends, i, side="right"))
        return _raw(self.parts[part], i - (int(self.ends[part - 1]) if part else 0))


def raw_rows(rows: Rows, places: Array) -> Any:
    """Some rows as they came: an array, or a list of samples that were read from their files."""
    X, index = rows.X, rows.index[places]
    if isinstance(X, np.ndarray):
        return X[index]
    found = [_raw(X, int(i)) for i in index]
    kinds = {(v.shape, v.dtype.str) if isinstance(v, np.ndarray) else None for v in found}
    return np.stack(found) if len(kinds) == 1 and None not in kinds else found


def _raw(X: Any, i: int) -> Any:
    """A sample as text, numbers or pixels."""
    sample = X[i]
    if isinstance(X, Dataset) and isinstance(sample, (tuple, list)):
        sample = sample[0]
    if isinstance(sample, torch.Tensor):
        return sample.detach().cpu().numpy()
    return np.asarray(sample) if hasattr(sample, "mode") else sample  # an image of PIL


def reservoir(memory: Memory, rows: Rows, size: int, seed: int, **notes: Array) -> Memory:
    """A uniform sample of all rows that have come, these included, whatever pieces they came in.

    Parameters
    ----------
    memory : Memory
        The sample so far.
    rows : Rows
        New ones, with encoded labels.
    size : int
        Rows that are kept at most.
    seed : int
        The same for the whole stream.
    **notes : array of shape (len(rows), ...)
        What is kept beside each new row.

    Returns
    -------
    Memory
        With the note ``"key"``, the number that decides whether a row stays.
    """
    assert rows.y is not None
    n, old = len(rows), len(memory)
    keys = row_keys(seed, memory.seen, n)
    kept = keep_smallest(np.concatenate([memory.notes["key"], keys]) if old else keys, size)
    new = kept[kept >= old] - old
    beside = {"key": keys, **notes}
    found = memory.take(kept[kept < old]).with_rows(
        raw_rows(rows, new), rows.y.numpy()[new], **{name: value[new] for name, value in beside.items()}
    )
    found.seen = memory.seen + n
    return found
