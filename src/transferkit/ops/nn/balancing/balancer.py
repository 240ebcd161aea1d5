"""What a balancer is: how the losses of several tasks become one update."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from ....core.constraints import Rule

__all__ = ["Balancer", "GradientBalancer", "LossBalancer", "Scene"]


@dataclass(frozen=True, eq=False)
class Scene:
    """Where in a training an update stands.

    Attributes
    ----------
    progress : float in [0, 1)
        Share of the updates that is done.
    epoch : int
        Counted from 0.
    shared : sequence of Parameter
        What more than one task's loss reaches, from input to output.
    """

    progress: float
    epoch: int
    shared: Sequence[nn.Parameter]


class Balancer(nn.Module):
    """What both shapes share. All that a balancer learns is in its parameters and buffers, so that a checkpoint has it.

    Parameters
    ----------
    kinds : sequence of str
        ``"classification"`` or ``"regression"`` for each task.
    seed : int
        Of what it draws.

    Attributes
    ----------
    lr_scale : float
        Learning rate of the balancer's own parameters as a multiple of the training's.
    on_representation : bool
        Whether the paper works on gradients with respect to the shared representation too.
    rules : mapping of str to Rule
        What its own parameters must fulfil.
    """

    lr_scale: ClassVar[float] = 1.0
    on_representation: ClassVar[bool] = False
    rules: ClassVar[Mapping[str, Rule]] = {}

    def __init__(self, kinds: Sequence[str], seed: int = 0) -> None:
        super().__init__()
        self.kinds, self.seed = tuple(kinds), seed

    @property
    def n_tasks(self) -> int:
        """Number of tasks."""
        return len(self.kinds)

    def drawn(self, progress: float) -> np.random.Generator:
        """The generator of an update: of the seed and the update alone, and so the same in every process and after a resume."""
        return np.random.default_rng([self.seed, int(progress * 2**52)])


class LossBalancer(Balancer, ABC):
    """One loss out of several."""

    @abstractmethod
    def forward(self, losses: Tensor, scene: Scene) -> Tensor:
        """The loss to descend on, of losses of shape (n_tasks,)."""

    def after(self) -> Callable[[Tensor], Tensor] | None:
        """What turns the losses after the network's update into a loss of the balancer's own parameters, if it needs that."""
        return None


class GradientBalancer(Balancer, ABC):
    """One direction out of the gradients of several losses."""

    progress: float = 0.0  # of the update that is under way

    def losses(self, losses: Tensor) -> Tensor:
        """The losses whose gradients are taken, of shape (n_tasks,)."""
        return losses

    @abstractmethod
    def direction(self, jacobian: Tensor) -> Tensor:
        """Of shape (n,), in which the gradient is to point, from gradients of shape (n_tasks, n).

        It is positively homogeneous: gradients that are c times as long give a direction c times as long.
        """

    def extra_repr(self) -> str:
        return f"n_tasks={self.n_tasks}"
