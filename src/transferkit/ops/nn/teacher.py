"""A teacher: a copy of a network whose weights follow it as an exponential average (Tarvainen & Valpola, NeurIPS 2017)."""

from __future__ import annotations

import copy

import torch
from torch import nn

__all__ = ["Teacher"]


class Teacher(nn.Module):
    """A network that is not trained but follows another.

    Parameters
    ----------
    student : Module
        What it begins as a copy of.
    decay : float in [0, 1]
        Share of itself that it keeps with every step. Early on it is ``1 - 1 / (n + 1)`` after n steps where that is less,
        so that the first weights do not stay: the plain mean at the start (Tarvainen & Valpola's code).
    ramp : bool
        Whether it does so; a student that is trained already needs no such start.

    Attributes
    ----------
    network : Module
        The copy. Buffers (the statistics of batch normalisation) are its own, of the batches that it sees.
    """

    n_steps: torch.Tensor

    def __init__(self, student: nn.Module, decay: float, ramp: bool = True) -> None:
        super().__init__()
        self.network = copy.deepcopy(student).requires_grad_(False)
        self.decay, self.ramp = decay, ramp
        self.register_buffer("n_steps", torch.zeros((), dtype=torch.int64))
        self._seen: float | None = None

    def follow(self, student: nn.Module, at: float | None = None) -> None:
        """One step towards the student.

        Parameters
        ----------
        student : Module
        at : float, optional
            The update that asks, as its progress: an update that is cut into pieces asks with every piece, and is
            followed once.
        """
        if at is not None and at == self._seen:
            return
        self._seen = at
        n = int(self.n_steps)
        decay = min(self.decay, 1 - 1 / (n + 1)) if self.ramp else self.decay
        with torch.no_grad():
            for own, new in zip(self.network.parameters(), student.parameters()):
                own.lerp_(new.detach(), 1 - decay)
        self.n_steps += 1
