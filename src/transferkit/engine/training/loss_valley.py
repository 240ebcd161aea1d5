"""Dense averaging of weights over the valley of the validation loss (SWAD; Cha et al., NeurIPS 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LossValley"]


class LossValley(nn.Module):
    """Sums of a network's weights between judgements, and which of them are in the valley.

    All that it knows is in buffers, so that a training can be resumed at any update.

    Parameters
    ----------
    network : Module
        Whose weights it takes; floating parameters and buffers.
    n_start, n_end : int
        Judgements that have to agree on where the valley begins, and where it ends (N_s and N_e).
    ratio : float
        How far above its loss at the start the valley goes (r), at least 1.
    """

    recent: Tensor
    counts: Tensor
    losses: Tensor
    total: Tensor
    facts: Tensor

    def __init__(self, network: nn.Module, n_start: int, n_end: int, ratio: float) -> None:
        super().__init__()
        self.n_start, self.n_end, self.ratio = n_start, n_end, ratio
        n, kept = sum(value.numel() for value in _values(network)), max(n_start, n_end)
        self.register_buffer(
            "recent", torch.zeros(kept + 1, n)
        )  # sums of the last stretches; the last is not yet judged
        self.register_buffer("counts", torch.zeros(kept + 1))
        self.register_buffer("losses", torch.full((kept,), torch.inf))
        self.register_buffer("total", torch.zeros(n))
        # Weights in the total; the limit of the loss, 0 before the start; whether it has ended; whether these weights are in.
        self.register_buffer("facts", torch.tensor([0.0, 0.0, 0.0, 1.0]))

    @property
    def limit(self) -> float:
        """The loss above which the valley ends; 0 before its start."""
        return float(self.facts[1])

    @property
    def has_ended(self) -> bool:
        """Whether it was left."""
        return bool(self.facts[2])

    def take(self, network: nn.Module, *, moves: bool) -> None:
        """Take in the weights of the last update, once; `moves` says that another update follows now."""
        if not self.facts[3] and not self.has_ended:
            with torch.no_grad():
                self.recent[-1] += torch.cat([value.reshape(-1).float() for value in _values(network)])
                self.counts[-1] += 1
        self.facts[3] = 0.0 if moves else 1.0

    def judge(self, network: nn.Module, loss: float) -> None:
        """A stretch of updates is over, and the held rows' loss is this (algorithm 1, with stretches for iterations)."""
        self.take(network, moves=False)
        if self.has_ended:
            return
        self.losses.copy_(torch.cat([self.losses[1:], self.losses.new_tensor([loss])]))
        if self.limit == 0:
            last = self.losses[-self.n_start :]
            if torch.isfinite(last).all() and last[0] == last.min():
                self.facts[1] = self.ratio * last.mean()
                self._add(self.n_start)
        else:
            self._add(1)
            if self.losses[-self.n_end :].min() > self.limit:
                self.facts[2] = 1.0
                self._add(self.n_end, -1)
        if not self.has_ended:  # else nothing is taken in any more
            self.recent.copy_(torch.cat([self.recent[1:], torch.zeros_like(self.recent[:1])]))
            self.counts.copy_(torch.cat([self.counts[1:], torch.zeros_like(self.counts[:1])]))

    def _add(self, n: int, sign: int = 1) -> None:
        """The last stretches, the one that was just judged included, come in, or leave again."""
        self.total += sign * self.recent[-n:].sum(dim=0)
        self.facts[0] += sign * self.counts[-n:].sum()

    def give(self, network: nn.Module) -> None:
        """Give the network the average; without a valley, that of the last stretch, and before any, nothing."""
        total, n = self.total, self.facts[0]
        if n == 0:
            full = torch.nonzero(self.counts)
            if not len(full):
                return
            total, n = self.recent[full[-1, 0]], self.counts[full[-1, 0]]
        with torch.no_grad():
            values = list(_values(network))
            for value, mean in zip(values, torch.split(total / n, [v.numel() for v in values])):
                value.copy_(mean.reshape(value.shape))


def _values(network: nn.Module) -> list[Tensor]:
    return [value for value in network.state_dict().values() if value.is_floating_point()]
