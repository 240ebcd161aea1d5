"""Rows: what a loop draws batches from, decoded once where that fits in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ...core.protocols import Array
from ...data.samples import Samples
from ..training.objective import Stream
from .preprocess import Preprocess

__all__ = ["Rows", "cut", "move", "sample_digest"]

_MEMORY = 4 * 2**30  # bytes of prepared samples that are kept


class Rows(Dataset[Any]):
    """Samples with their labels, prepared for a network.

    Parameters
    ----------
    X : Samples, array, list, tensor or map-style Dataset
        ``X[i]`` is a sample; of a torch Dataset that gives (sample, label) the label is not used.
    preprocess : Preprocess
        The backbone's.
    y : tensor of shape (n_samples,) or (n_samples, n_outputs), optional
        Encoded labels.

    Attributes
    ----------
    endless : bool
        Whether every epoch has rows of its own, numbered on from the last one's; else an epoch is one pass over them.
    """

    endless = False

    def __init__(self, X: Any, preprocess: Preprocess, y: Tensor | None = None) -> None:
        self.X, self.preprocess, self.y = X, preprocess, y
        shape = getattr(X, "shape", None)
        self.index: Array = np.arange(int(shape[0]) if shape is not None else len(X))
        self._kept: dict[int, Any] = {}
        self._keeps: bool | None = None  # unknown before the first sample has shown its size

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, k: int) -> Any:
        i = int(self.index[k])
        if i in self._kept:
            return self._kept[i]
        sample = self.X[i]
        if isinstance(self.X, Dataset) and isinstance(sample, (tuple, list)):
            sample = sample[0]
        prepared = self.preprocess.prepare(sample)
        if self._keeps is None:
            self._keeps = _size(prepared) * len(self) <= _MEMORY
        if self._keeps:
            self._kept[i] = prepared
        return prepared

    def take(self, rows: Array) -> Rows:
        """Some of the rows, in that order; what is decoded is shared."""
        part = Rows(self.X, self.preprocess, None if self.y is None else self.y[torch.as_tensor(rows)])
        part.index, part._kept, part._keeps = self.index[rows], self._kept, self._keeps
        return part

    def once(self) -> Rows:
        """These rows, to be read a single time: what is decoded is not kept."""
        self._keeps = False
        return self

    def digest(self) -> str:
        """SHA-256 of the samples in their order, their labels, and all that is done to them."""
        found = hashlib.sha256(json.dumps(self.preprocess.spec, sort_keys=True, default=str).encode())
        for i in self.index:
            found.update(sample_digest(self.X, int(i)))
        if self.y is not None:
            found.update(f"{self.y.dtype} {tuple(self.y.shape)}".encode() + self.y.cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def batches(self, plan: Sequence[Array], workers: int = 0) -> Iterator[Stream]:
        """One stream on the CPU for each list of row numbers, collated."""
        if workers:
            self._keeps = False  # every process would fill a store of its own
        loader: DataLoader[Any] = DataLoader(
            self,
            batch_sampler=[rows.tolist() for rows in plan],
            collate_fn=self.preprocess.collate,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # else the loader draws a number from the global one
        )
        for rows, x in zip(plan, loader):
            index = torch.as_tensor(np.ascontiguousarray(rows), dtype=torch.int64)
            yield Stream(x, None if self.y is None else self.y[index], index)


def sample_digest(X: Any, i: int) -> bytes:
    """SHA-256 of what a sample is made of."""
    if isinstance(X, Samples):
        own = f"{type(X).__module__}.{type(X).__qualname__} {X.digest(i)}".encode()
        return hashlib.sha256(own).digest()
    sample = X[i]
    if not isinstance(X, (np.ndarray, list)) and isinstance(sample, (tuple, list)):
        sample = sample[0]  # of a torch Dataset
    if isinstance(sample, str):
        return hashlib.sha256(b"text " + sample.encode(errors="surrogatepass")).digest()
    if isinstance(sample, Tensor):
        sample = sample.detach().cpu().numpy()
    values = np.asarray(sample)
    mode = getattr(sample, "mode", "")  # of a PIL image
    head = f"{mode} {values.dtype.str} {values.shape} ".encode()
    return hashlib.sha256(head + np.ascontiguousarray(values).tobytes()).digest()


def _size(prepared: Any) -> int:
    """Bytes of a prepared sample, roughly."""
    if isinstance(prepared, Tensor):
        return prepared.numel() * prepared.element_size()
    if isinstance(prepared, dict):
        return sum(_size(v) for v in prepared.values())
    return 8 * len(prepared) if hasattr(prepared, "__len__") else 8


def move(x: Any, device: torch.device) -> Any:
    """A tensor, or a mapping of tensors, on a device."""
    if isinstance(x, Tensor):
        return x.to(device, non_blocking=True)
    return {k: v.to(device, non_blocking=True) for k, v in x.items()}


def cut(stream: Stream, start: int, stop: int) -> Stream:
    """Some rows of a stream."""
    x = stream.x[start:stop] if isinstance(stream.x, Tensor) else {k: v[start:stop] for k, v in stream.x.items()}
    return Stream(x, None if stream.y is None else stream.y[start:stop], stream.rows[start:stop])
