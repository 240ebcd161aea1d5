"""The objective of fine-tuning: the loss on labelled rows, and terms that keep what was known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from ..answers.labels import Labels
from ..networks.network import Network
from ..training.objective import Batch, Objective, Step, Stream

__all__ = ["Supervised", "Term"]


class Term(Protocol):
    """A part of the loss beside that of the task. A term that is a Module is trained and moved with the network."""

    def __call__(self, batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
        """Named parts that are added to the loss; `features` and `outputs` are those of ``batch["target"]``."""


class Supervised(Objective):
    """Loss of the task on ``batch["target"]`` plus terms.

    Parameters
    ----------
    network : Network
        What is trained.
    labels : Labels
        Which loss.
    terms : sequence of Term
        Further parts of the loss.
    weight : float
        Factor of the task's own loss.
    frozen : sequence of Module
        Modules inside the terms that are never trained, such as a teacher.
    """

    def __init__(
        self,
        network: Network,
        labels: Labels,
        terms: Sequence[Term] = (),
        *,
        weight: float = 1.0,
        frozen: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__()
        self.network, self.labels, self.weight = network, labels, weight
        self.terms = tuple(terms)
        self.parts = nn.ModuleList([t for t in terms if isinstance(t, nn.Module)])
        self._frozen = tuple(frozen)
        for module in self._frozen:
            module.requires_grad_(False)

    def steps(self) -> Sequence[Step]:
        still = {id(p) for module in self._frozen for p in module.parameters()}
        return [Step("train", self._loss, [p for p in self.parameters() if id(p) not in still])]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        stream: Stream = batch["target"]
        features = self.network.features(stream.x)
        outputs = self.network.head(features)
        assert stream.y is not None
        parts = {"task": self.labels.loss(outputs, stream.y)}
        loss = self.weight * parts["task"]
        for term in self.terms:
            for name, value in term(batch, features, outputs, progress).items():
                parts[name] = value
                loss = loss + value
        return {"loss": loss, **parts}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def frozen(self) -> Sequence[nn.Module]:
        return self._frozen
