"""Data parallel: every process computes the gradient of its share of a batch, and all take the same step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Processes", "find_processes"]


@dataclass(frozen=True)
class Processes:
    """The processes that train together.

    Attributes
    ----------
    rank : int
        Which one this is.
    world : int
        How many there are.
    """

    rank: int = 0
    world: int = 1

    def share(self, n: int) -> slice:
        """The rows of a batch of `n` that this process computes."""
        return slice(n * self.rank // self.world, n * (self.rank + 1) // self.world)

    def sum_gradients(self, params: Sequence[nn.Parameter]) -> None:
        """Add up the gradients of all processes, in one message."""
        if self.world == 1 or not params:
            return
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
        flat = torch.cat([g.reshape(-1).float() for g in grads])
        torch.distributed.all_reduce(flat)
        for p, part in zip(params, flat.split([g.numel() for g in grads])):
            p.grad = part.view_as(p).to(p.dtype)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.world > 1:
            torch.distributed.all_reduce(values)
        return values

    def wait(self) -> None:
        """Until all have come here."""
        if self.world > 1:
            torch.distributed.barrier()


def find_processes(device: str = "auto") -> Processes:
    """The processes that `torchrun` or `accelerate launch` started; one where there is none of them."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 and not torch.distributed.is_initialized():
        return Processes()
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu" or not torch.cuda.is_available())
    return Processes(state.process_index, state.num_processes)
