"""Averages of weights over the updates: exponential (EMA), or plain over the last quarter (SWA)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

__all__ = ["Average"]

_SWA_START = 0.75


class Average:
    """The average of a network's weights and buffers; nothing at all where none is asked for.

    Parameters
    ----------
    network : Module
        What is averaged.
    kind : {None, "ema", "swa"}
        None keeps no average (Izmailov et al., UAI 2018, for "swa").
    decay : float in (0, 1)
        Share of the exponential average that an update keeps. Early on it is (1 + n) / (10 + n) after n updates where that
        is less, so that a short training is not held at its start.
    """

    def __init__(self, network: nn.Module, kind: str | None, decay: float) -> None:
        self.network, self.start = network, _SWA_START if kind == "swa" else 0.0
        rule = _exponential(decay) if kind == "ema" else None
        self.model = None if kind is None else AveragedModel(network, multi_avg_fn=rule, use_buffers=True)

    @property
    def is_there(self) -> bool:
        """Whether anything was averaged yet."""
        return self.model is not None and int(self.model.n_averaged) > 0

    def update(self, progress: float) -> None:
        """Take in the network's weights."""
        if self.model is not None and progress >= self.start:
            self.model.update_parameters(self.network)

    def apply(self) -> None:
        """Give the network the averaged weights, for good."""
        if self.model is not None and self.is_there:
            self.network.load_state_dict(self.model.module.state_dict())

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the network the averaged weights for a while."""
        if not self.is_there:
            yield
            return
        kept = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.apply()
        try:
            yield
        finally:
            self.network.load_state_dict(kept)

    def state_dict(self) -> dict[str, Any] | None:
        """What a checkpoint keeps."""
        return None if self.model is None else self.model.state_dict()

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Take over what `state_dict` gave."""
        if self.model is not None and state is not None:
            self.model.load_state_dict(state)


def _exponential(decay: float) -> Callable[[list[Tensor], list[Tensor], Any], None]:
    def rule(average: list[Tensor], current: list[Tensor], n: Any) -> None:
        share = 1 - min(decay, (1 + float(n)) / (10 + float(n)))
        if average[0].is_floating_point():
            torch._foreach_lerp_(average, current, share)
        else:  # counters are taken as they are
            for kept, value in zip(average, current):
                kept.copy_(value)

    return rule
