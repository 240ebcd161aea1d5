"""Numbers: vectors and series as float32, standardised by given statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ....core.errors import DataError
from ..preprocess import Preprocess

__all__ = ["SeriesPreprocess", "VectorPreprocess"]


class VectorPreprocess(Preprocess):
    """``(x - mean) / std`` as float32.

    Parameters
    ----------
    shape : sequence of int
        Shape of a sample, (n_features,).
    mean, std : float or sequence of float, default=0.0, 1.0
        For all features, or one each.
    """

    kind: ClassVar[str] = "vectors"
    type: ClassVar[str] = "vectors"

    def __init__(
        self, shape: Sequence[int], mean: float | Sequence[float] = 0.0, std: float | Sequence[float] = 1.0
    ) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.mean, self.std = _plain(mean), _plain(std)

    @property
    def spec(self) -> dict[str, Any]:
        return {"type": self.type, "shape": list(self.shape), "mean": self.mean, "std": self.std}

    def example(self) -> np.ndarray[Any, Any]:
        return np.zeros(self.shape, dtype=np.float32)

    def prepare(self, sample: Any) -> Tensor:
        """Numbers of the one shape that the network takes, to a float32 tensor."""
        values = sample.detach().cpu() if isinstance(sample, Tensor) else torch.from_numpy(np.array(sample, np.float32))
        if tuple(values.shape) != self.shape:
            raise DataError(
                f"{type(self).__name__}.prepare: sample must have shape {self.shape}, as the first one. "
                f"Got {tuple(values.shape)}."
            )
        return values.float()

    def finish(self, batch: Tensor, *, training: bool, generator: torch.Generator | None = None) -> Tensor:
        """Standardised, of the shape (batch, *shape)."""
        if self.mean == 0.0 and self.std == 1.0:
            return batch
        return (batch - self._along(self.mean, batch)) / self._along(self.std, batch)

    def _along(self, value: float | list[float], batch: Tensor) -> Tensor:
        return torch.tensor(value, device=batch.device)


class SeriesPreprocess(VectorPreprocess):
    """``(x - mean) / std`` by channel, as float32.

    Parameters
    ----------
    shape : sequence of int
        Shape of a sample, (n_channels, length).
    mean, std : float or sequence of float, default=0.0, 1.0
        For all channels, or one each.
    """

    kind: ClassVar[str] = "series"
    type: ClassVar[str] = "series"

    def _along(self, value: float | list[float], batch: Tensor) -> Tensor:
        found = super()._along(value, batch)
        return found.reshape(-1, *[1] * (batch.ndim - 2)) if found.ndim else found


def _plain(value: float | Sequence[float]) -> float | list[float]:
    """A number, or a list of numbers."""
    found = np.asarray(value, dtype=np.float64).tolist()
    return found[0] if isinstance(found, list) and len(found) == 1 else found
