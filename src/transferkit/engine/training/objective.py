"""What a deep method is: an Objective gives Steps, and the loop carries them out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

__all__ = ["Batch", "Objective", "Step", "Stream"]


@dataclass(frozen=True, eq=False)
class Stream:
    """The part of a batch that comes from one domain.

    Attributes
    ----------
    x : tensor of shape (batch, *shape), or mapping of such tensors
        What the network takes: preprocessed, augmented, on the device.
    y : tensor of shape (batch,) or (batch, n_outputs), or None
        Class indices (int64), or numbers (float32); None where the domain has no labels.
    rows : int64 tensor of shape (batch,)
        Where these rows lie in their domain.
    """

    x: Any
    y: Tensor | None
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)


# Streams by name: "target" is the data that is fitted; "source" is source data, where the method uses it.
Batch = Mapping[str, Stream]


@dataclass(frozen=True)
class Step:
    """One optimizer update, `repeat` times a batch, that moves `params` and nothing else.

    There is one optimizer: steps that move the same parameter share its momentum.

    Attributes
    ----------
    name : str
        Prefix of what is logged, as in ``train/loss``.
    loss : callable
        ``loss(batch, progress)`` with progress in [0, 1) gives ``{"loss": ..., parts}``; only ``"loss"`` is differentiated.
    params : sequence of parameters
        What the step may move. The freeze plan may hold some of them still.
    repeat : int
        Updates a batch.
    aggregate : callable, optional
        Turns the Jacobian (m, n) of an (m,) loss into one direction (n,).
    """

    name: str
    loss: Callable[[Batch, float], dict[str, Tensor]]
    params: Sequence[nn.Parameter]
    repeat: int = 1
    aggregate: Callable[[Tensor], Tensor] | None = None


class Objective(nn.Module, ABC):
    """The networks and the mathematics of one method. It knows no optimizer, device, epoch or file."""

    @abstractmethod
    def steps(self) -> Sequence[Step]:
        """The updates that a batch brings, in order."""

    @abstractmethod
    def predict_step(self, x: Any) -> Tensor:
        """Outputs for a batch of inputs: logits of shape (batch, n_classes), or values of shape (batch, n_outputs)."""

    def frozen(self) -> Sequence[nn.Module]:
        """Modules that are held in evaluation mode throughout, such as a teacher."""
        return ()
