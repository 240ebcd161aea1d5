"""Data parallel: every process computes the gradient of its share of a batch, and all take the same step."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
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
        """Add up the gradients of all processes, in one message. A parameter that no process has a gradient of keeps none."""
        if self.world == 1 or not params:
            return
        there = torch.tensor([float(p.grad is not None) for p in params], device=params[0].device)
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
        flat = self.sum(torch.cat([there, *(g.reshape(-1).float() for g in grads)]))
        known = flat[: len(params)].tolist()
        for p, part, is_there in zip(params, flat[len(params) :].split([g.numel() for g in grads]), known):
            p.grad = torch.empty_like(p).copy_(part.view_as(p)) if is_there else None  # laid out as the parameter is

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.world == 1:
            return values
        # NCCL sends from GPUs only.
        place = torch.device("cuda") if torch.distributed.get_backend() == "nccl" else values.device
        total = values.to(place)
        torch.distributed.all_reduce(total)
        return total.to(values.device)

    def sum_numbers(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """The sum of each of several named numbers, the names of which are the same everywhere."""
        if self.world == 1:
            return dict(numbers)
        names = sorted(numbers)
        return dict(zip(names, self.sum(torch.tensor([numbers[k] for k in names], dtype=torch.float64)).tolist()))

    def first(self, number: int) -> int:
        """The number that the first process has."""
        return int(self.sum(torch.tensor(number if self.rank == 0 else 0)))

    def share_statistics(self, module: nn.Module) -> None:
        """Give every process the mean of the moving statistics that batch normalisation has taken in.

        Each normalises by its own rows; without this they would come to differ, and with them what is judged and saved.
        """
        if self.world == 1:
            return
        norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
        moved = [
            s
            for m in norms
            if m.training
            for s in (m.running_mean, m.running_var)
            if m.track_running_stats and s is not None
        ]
        if not moved:
            return
        mean = self.sum(torch.cat([s.float() for s in moved])) / self.world
        for s, part in zip(moved, mean.split([s.numel() for s in moved])):
            s.copy_(part)

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
