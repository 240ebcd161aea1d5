"""Learning from the source alone: the objective of what does not look at the target while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..answers.labels import Labels
from ..networks.network import Network
from ..training.objective import Batch, Objective, Step

__all__ = ["SourceLoss"]


class SourceLoss(Objective):
    """The loss of the task on the source's rows, for classes with labels as smooth as asked."""

    def __init__(self, network: Network, labels: Labels, smoothing: float = 0.0) -> None:
        super().__init__()
        self.network, self.labels, self.smoothing = network, labels, smoothing

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        source = batch["source"]
        assert source.y is not None
        return {"loss": self.labels.loss(self.network(source.x), source.y, smoothing=self.smoothing)}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
