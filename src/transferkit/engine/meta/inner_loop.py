"""The inner loop of gradient-based meta-learning: a few steps of gradient descent on the support of a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad

from ...ops.nn.task_norm import TaskNorm, statistics_of
from ..answers.labels import Labels
from ..networks.network import Network
from .task_learner import State, TaskLearner

__all__ = ["BATCH_STATISTICS", "GradientLearner", "TaskNetwork", "descend", "has_gradient"]

BATCH_STATISTICS = ("auto", "support", "batch", "frozen")
Statistics = Literal["support", "batch", "frozen"]
Weights = dict[str, Tensor]


class TaskNetwork:
    """A network as a function of its weights.

    Parameters
    ----------
    network : Network
    statistics : {"support", "batch", "frozen"}
        What batch normalisation takes its statistics from: the support of the task, whatever rows go through, or the
        training that it comes from.
    """

    def __init__(self, network: Network, statistics: Statistics) -> None:
        self.network, self.statistics = network, statistics
        self.norms = [m for m in network.modules() if isinstance(m, TaskNorm)]

    def __call__(self, weights: Mapping[str, Tensor], x: Any, support: Any = None) -> Tensor:
        """Outputs for rows of shape (n_rows, ...); weights that are not named are the network's own."""
        if support is None or not self.norms or self.statistics != "support":
            return functional_call(self.network, dict(weights), (x,))
        n = len(support if isinstance(support, Tensor) else next(iter(support.values())))
        with statistics_of(self.norms, n):
            return functional_call(self.network, dict(weights), (_joined(support, x),))[n:]


def descend(
    loss: Callable[[Weights], Tensor],
    start: Mapping[str, Tensor],
    rates: Mapping[str, Any],
    n_steps: int,
    *,
    first_order: bool,
) -> Weights:
    """Weights after steps of gradient descent.

    Parameters
    ----------
    loss : callable
        Of the weights.
    start : mapping of str to tensor
    rates : mapping of str to float or tensor
        Step length of each weight, or of each of its entries.
    n_steps : int
    first_order : bool
        Whether the gradient is taken for a constant, as though it did not depend on the start.

    Notes
    -----
    ``theta' = theta - rate * grad loss(theta)``, again and again (Finn et al. 2017, eq. 1). What comes back can be
    differentiated with respect to the start and the rates; without `first_order` twice through the loss.
    """
    weights = dict(start)
    for _ in range(n_steps):
        slopes = grad(loss)(weights)
        weights = {k: w - rates[k] * (slopes[k].detach() if first_order else slopes[k]) for k, w in weights.items()}
    return weights


class GradientLearner(TaskLearner):
    """A task is learned by gradient descent on its support, from weights that all tasks share.

    Parameters
    ----------
    network, labels, n_support, batched
        As of `TaskLearner`.
    rate : float
        Step length.
    n_steps, n_test_steps : int
        Steps in training, and for a new task.
    statistics : {"support", "batch", "frozen"}
        As of `TaskNetwork`.
    moves : callable, optional
        Of a weight's name: whether the inner steps move it; None moves all.
    first_order : bool
        As of `descend`.
    learned_rates : bool
        Whether every entry of every weight has a step length of its own, which is learned.
    """

    def __init__(
        self,
        network: Network,
        labels: Labels,
        n_support: int,
        *,
        rate: float,
        n_steps: int,
        n_test_steps: int,
        statistics: Statistics,
        moves: Callable[[str], bool] | None = None,
        first_order: bool = False,
        learned_rates: bool = False,
        batched: bool = True,
    ) -> None:
        super().__init__(network, labels, n_support, batched=batched)
        self.rate, self.n_steps, self.n_test_steps, self.first_order = rate, n_steps, n_test_steps, first_order
        self.run = TaskNetwork(network, statistics)
        self.names = [n for n, _ in network.named_parameters() if moves is None or moves(n)]
        self.only_head = all(n.startswith("head.") for n in self.names)
        self.whole = statistics == "batch" and bool(self.run.norms)
        # One axis each, so that no weight decay pulls a step length to zero.
        shaped = dict(network.named_parameters())
        filled = [nn.Parameter(torch.full((shaped[n].numel(),), rate)) for n in self.names]
        self.rates = nn.ParameterList(filled) if learned_rates else None

    def start(self) -> Weights:
        """The weights that the inner steps move, before the first."""
        own = dict(self.network.named_parameters())
        return {name: own[name] for name in self.names}

    def rate_of(self) -> dict[str, Any]:
        """Step length of each of them."""
        if self.rates is None:
            return dict.fromkeys(self.names, self.rate)
        return {n: r.view_as(w) for r, (n, w) in zip(self.rates, self.start().items())}

    def adapt(self, x: Any, y: Tensor, n_classes: int) -> State:
        z = self.network.features(x) if self.only_head else None  # once, not in every step

        def loss(weights: Weights) -> Tensor:
            return self.labels.loss(self.run(weights, x) if z is None else self._head(weights, z), y)

        n_steps = self.n_steps if self.training else self.n_test_steps
        found: State = {"weights": descend(loss, self.start(), self.rate_of(), n_steps, first_order=self.first_order)}
        if self.run.norms and self.run.statistics == "support":
            found["support"] = x
        return found

    def answer(self, state: State, x: Any) -> Tensor:
        return self.run(state["weights"], x, state.get("support"))

    def _head(self, weights: Weights, z: Tensor) -> Tensor:
        own = {name.removeprefix("head."): value for name, value in weights.items()}
        found: Tensor = functional_call(self.network.head, own, (z,))
        return found


def has_gradient(value: Tensor, params: list[Tensor], slopes: list[Tensor]) -> Tensor:
    """A loss of this value whose gradient is the given one: for methods that know their gradient by another way.

    Parameters
    ----------
    value : tensor
        The loss.
    params, slopes : list of tensor
        What it depends on, and its gradient with respect to each.
    """
    line = sum(((p * s.detach()).sum() for p, s in zip(params, slopes)), torch.zeros((), device=value.device))
    return value.detach() + line - line.detach()


def _joined(a: Any, b: Any) -> Any:
    return torch.cat([a, b]) if isinstance(a, Tensor) else {k: torch.cat([a[k], b[k]]) for k in a}
