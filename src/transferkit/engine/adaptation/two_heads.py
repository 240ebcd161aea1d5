"""Three steps in which two heads and the features play against each other (Saito et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...ops.nn.heads import Head
from ..answers.labels import Labels
from ..networks.network import Network
from ..training.objective import Batch, Objective, Step
from .alignment import joint_pass

__all__ = ["TwoHeads"]

_TINY = 1e-6  # keeps the logarithm finite for a class that no row of a batch has


class TwoHeads(Objective):
    """All learn the source; two heads part on the target; the features bring them together again.

    Parameters
    ----------
    network : Network
        What is trained; its own head predicts.
    labels : Labels
        Which loss.
    distance : callable
        How far two tensors of probabilities of shape (batch, n_classes) are apart.
    trade_off : float
        Its weight in the second and the third step.
    n_steps : int
        Updates of the features a batch, in the third step.
    balance : float
        Weight, in the first and second step, of a term that is least where the target's classes are equally frequent.
    apart : bool
        Whether each domain has batch statistics of its own: see `joint_pass`.

    Attributes
    ----------
    second : Head
        Like the network's own, with first weights of its own.
    """

    def __init__(
        self,
        network: Network,
        labels: Labels,
        distance: Callable[[Tensor, Tensor], Tensor],
        trade_off: float = 1.0,
        n_steps: int = 4,
        balance: float = 0.0,
        apart: bool = False,
    ) -> None:
        super().__init__()
        assert isinstance(network.head, Head)
        self.network, self.second, self.labels = network, Head(**network.head.spec), labels
        self.distance, self.trade_off, self.n_steps, self.balance = distance, trade_off, n_steps, balance
        self.apart = apart

    def steps(self) -> Sequence[Step]:
        heads: list[nn.Parameter] = [*self.network.head.parameters(), *self.second.parameters()]
        features = [p for name, p in self.network.named_parameters() if not name.startswith("head.")]
        return [
            Step("train", self._learn, [*features, *heads]),
            Step("heads", self._part, heads),
            Step("features", self._meet, features, self.n_steps),
        ]

    def _learn(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        task, _, skew = self._losses(batch)
        return {"loss": task + self.balance * skew, "task": task}

    def _part(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        with torch.no_grad():  # of the features alone
            z = self._features(batch)
        task, apart, skew = self._losses(batch, z)
        return {"loss": task + self.balance * skew - self.trade_off * apart, "task": task, "transfer": apart}

    def _meet(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        _, apart, _ = self._losses(batch)
        return {"loss": self.trade_off * apart, "transfer": apart}

    def _features(self, batch: Batch) -> Tensor:
        return joint_pass(self.network, batch, self.apart).z

    def _losses(self, batch: Batch, z: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Of both heads: the loss on the source, how far they are apart on the target, how uneven its classes are there."""
        z, source = self._features(batch) if z is None else z, batch["source"]
        assert source.y is not None
        n, one, two = len(source), self.network.head(z), self.second(z)
        task = self.labels.loss(one[:n], source.y) + self.labels.loss(two[:n], source.y)
        p, q = one[n:].float().softmax(dim=1), two[n:].float().softmax(dim=1)
        skew = -sum((r.mean(dim=0) + _TINY).log().mean() for r in (p, q))
        return task, self.distance(p, q), skew

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
