"""Two phases in one training: learn the source, then hold it and adapt an encoder of the target's own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..answers.labels import Labels
from ..networks.network import Network
from ..training.objective import Batch, Objective, Step

__all__ = ["SourceThenTarget"]


class SourceThenTarget(Objective):
    """The phase of an update follows from the share of the training that is done, so that any update can be resumed.

    Parameters
    ----------
    network : Network
        It learns the source; then its body and neck become the target's encoder. Its head is that of both.
    labels : Labels
        Which loss.
    warm_up : float in (0, 1)
        Share of the updates of the first phase.

    Attributes
    ----------
    first : Network
        The network as it was at the end of the first phase, in evaluation mode.
    started : int64 tensor of shape ()
        1 where `first` is that already; a buffer, for checkpoints, and a number, for averages of weights.

    Notes
    -----
    One step does both phases: a parameter that a loss does not reach has no gradient, and the optimizer passes it over.
    """

    started: Tensor

    def __init__(self, network: Network, labels: Labels, warm_up: float) -> None:
        super().__init__()
        self.network, self.labels, self.warm_up = network, labels, warm_up
        self.first = network.copy().requires_grad_(False)
        self.register_buffer("started", torch.tensor(0))

    @abstractmethod
    def adapt(self, z_s: Tensor, z_t: Tensor, progress: float) -> dict[str, Tensor]:
        """Loss and parts of the second phase, from features of the held source encoder and of the target's.

        The loss must not reach the parameters of the network's head, which the first phase has trained; see `held`.
        """

    def steps(self) -> Sequence[Step]:
        still = {id(p) for p in self.first.parameters()}
        return [Step("train", self._loss, [p for p in self.parameters() if id(p) not in still])]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        source, target = batch["source"], batch["target"]
        if progress < self.warm_up:
            assert source.y is not None
            task = self.labels.loss(self.network(source.x), source.y)
            return {"loss": task, "task": task}
        if not self.started:
            self.first.load_state_dict(self.network.state_dict())
            self.started.fill_(1)
        with torch.no_grad():
            z_s = self.first.features(source.x)
        return self.adapt(z_s, self.network.features(target.x), progress)

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def frozen(self) -> Sequence[nn.Module]:
        return (self.first,)
