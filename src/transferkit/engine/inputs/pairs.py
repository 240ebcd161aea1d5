"""Pairs: rows that are two samples each, for methods that learn from which samples belong together."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.protocols import Array
from .preprocess import Preprocess
from .rows import Rows

__all__ = ["Pairs", "pair_rows"]


class Pairs(Preprocess):
    """A preprocess whose samples are pairs of row numbers: both rows are prepared, and finished in one batch.

    A batch of n pairs comes as ``2 * n`` inputs: first and second of the first pair, first and second of the second one,
    and so on; `split` takes their outputs apart.

    Parameters
    ----------
    rows : Rows
        Where the samples lie. What it decodes is decoded once, however many pairs a row is in.
    pairs : int array of shape (n_pairs, 2)
        Row numbers.
    """

    type = "pairs"

    def __init__(self, rows: Rows, pairs: Array) -> None:
        self.rows, self.inner = rows, rows.preprocess
        self.kind = self.inner.kind  # type: ignore[misc]
        self._digest = hashlib.sha256(np.ascontiguousarray(pairs, dtype=np.int64).tobytes()).hexdigest()

    @property
    def spec(self) -> dict[str, Any]:
        return {"type": self.type, "inner": self.inner.spec, "pairs": self._digest}

    @property
    def key(self) -> str:
        return f"pairs {self._digest} of {self.inner.key}"

    def prepare(self, sample: Any) -> tuple[Any, Any]:
        return self.rows[int(sample[0])], self.rows[int(sample[1])]

    def example(self) -> Array:
        return np.zeros(2, dtype=np.int64)

    def collate(self, prepared: list[Any]) -> Any:
        """The first axis is that of the pairs, so that a batch can be cut; the second has both sides."""
        flat = self.inner.collate([side for pair in prepared for side in pair])
        if isinstance(flat, Tensor):
            return torch.unflatten(flat, 0, (-1, 2))
        return {name: torch.unflatten(value, 0, (-1, 2)) for name, value in flat.items()}

    def finish(self, batch: Any, *, training: bool, generator: torch.Generator | None = None) -> Any:
        flat = batch.flatten(0, 1) if isinstance(batch, Tensor) else {k: v.flatten(0, 1) for k, v in batch.items()}
        return self.inner.finish(flat, training=training, generator=generator)

    @staticmethod
    def split(outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of the first and of the second samples, in the order of the pairs."""
        return outputs[0::2], outputs[1::2]


def pair_rows(rows: Rows, pairs: Array, y: Tensor) -> Rows:
    """Pairs as rows that a loop draws batches from.

    Parameters
    ----------
    rows : Rows
        The samples.
    pairs : int array of shape (n_pairs, 2)
        Numbers of the rows that make a pair.
    y : tensor of shape (n_pairs,)
        What is said of each pair.

    Returns
    -------
    Rows
        Of length n_pairs.
    """
    return Rows(pairs, Pairs(rows, pairs), y)
