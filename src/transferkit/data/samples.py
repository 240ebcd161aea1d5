"""Samples: rows that stay in their files until they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self, overload

import numpy as np

from ..core.errors import DataError
from ..core.protocols import Array

__all__ = ["Samples", "join_samples"]


class Samples(ABC):
    """A lazy sequence of samples of one kind: ``samples[3]`` decodes one, ``samples[rows]`` is a shorter sequence.

    Parameters
    ----------
    items : sequence
        What each sample is made of (a place in a file, a text); light enough to hold all of them.
    splits : sequence of str, optional
        The split folder that each sample lay in: train, val or test.
    groups : sequence of str, optional
        Samples of one group belong together (windows of one recording): a fair split keeps each group whole.

    Attributes
    ----------
    kind : {"images", "text", "audio", "series"}
        What decoding gives: an RGB PIL image; a str; a (waveform, rate) pair with a float32 mono waveform of shape
        (n_frames,); a float32 array of shape (n_channels, length).
    items : list
        As given.
    splits, groups : array of str of shape (n_samples,) or None
    """

    kind: ClassVar[str]

    def __init__(
        self, items: Sequence[Any], *, splits: Sequence[Any] | None = None, groups: Sequence[Any] | None = None
    ) -> None:
        self.items = list(items)
        self.splits = _labels("splits", splits, len(self.items), type(self).__name__)
        self.groups = _labels("groups", groups, len(self.items), type(self).__name__)

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice | Array | Sequence[int]) -> Self: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            return self._decode(self.items[index])
        index = index if isinstance(index, slice) else np.asarray(index)
        rows = np.arange(len(self))[index if isinstance(index, slice) or index.size else index.astype(int)]
        part = self._of([self.items[i] for i in rows])
        part.splits = None if self.splits is None else self.splits[rows]
        part.groups = None if self.groups is None else self.groups[rows]
        return part

    def _of(self, items: Sequence[Any]) -> Self:
        """The same kind of samples, of other items."""
        return type(self)(items)

    def name(self, index: int) -> str:
        """What a message or a table calls a sample: its file, where it has one."""
        return f"{self.kind} {index}"

    @abstractmethod
    def _decode(self, item: Any) -> Any:
        """One sample, decoded.

        Raises
        ------
        DataError
            Naming the file that is broken.
        """

    @abstractmethod
    def digest(self, index: int) -> str:
        """SHA-256 of what a sample is made of (the file's bytes, the text), for the feature cache."""


def join_samples(parts: Sequence[Samples]) -> Samples:
    """Samples of one kind, one below the other.

    Splits and groups that only some of the parts have are an empty text elsewhere.

    Raises
    ------
    DataError
        If the parts are of several kinds.
    """
    kinds = list(dict.fromkeys(part.kind for part in parts))
    if len(kinds) > 1:
        raise DataError(f"join_samples: all samples must be of one kind. Got {' and '.join(kinds)}.")
    whole = parts[0]._of([item for part in parts for item in part.items])
    for name in ("splits", "groups"):
        values = [getattr(part, name) for part in parts]
        if any(v is not None for v in values):
            filled = [np.full(len(p), "", dtype=object) if v is None else v for p, v in zip(parts, values)]
            setattr(whole, name, np.concatenate(filled))
    return whole


def _labels(name: str, values: Sequence[Any] | None, n: int, cls: str) -> Array | None:
    if values is None:
        return None
    if len(values) != n:
        raise DataError(f"{cls}: {name} must have one value a sample ({n}). Got {len(values)}.")
    return np.array([str(v) for v in values], dtype=object)
