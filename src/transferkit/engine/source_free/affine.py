"""What methods of Tent's kind share: at test time they move scales and shifts of the normalisation layers, and nothing else."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ...core.errors import ParamError
from ...ops.nn.normalisation import affine_parameters, dropouts
from ..networks.network import Network
from ..training.objective import Batch, Objective, Step

__all__ = ["AffineObjective", "check_affine"]


def check_affine(where: str, network: Network) -> None:
    """Refuse a source model without anything to move.

    Raises
    ------
    ParamError
    """
    if not affine_parameters(network):
        raise ParamError(f"{where}: source must have normalisation layers with scale and shift. Got none.")


class AffineObjective(Objective):
    """Updates of scales and shifts by `_loss`, which a method writes; dropout stays off.

    Parameters
    ----------
    network : Network
        What is adapted, and predicts.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, self._moving())]

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def frozen(self) -> Sequence[nn.Module]:
        return dropouts(self.network)

    def _moving(self) -> Sequence[nn.Parameter]:
        """Which of them move: all."""
        return affine_parameters(self.network)

    @abstractmethod
    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Of a batch with the stream "target"."""
