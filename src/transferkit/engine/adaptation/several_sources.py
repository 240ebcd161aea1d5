"""Several source domains in a training: a stream of rows for each, and all of them through the network in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..answers.labels import Labels
from ..inputs.rows import Rows
from ..networks.network import Network
from ..training.objective import Batch, Objective, Step, Stream
from .alignment import cat_rows
from .estimator import DomainFit

__all__ = ["SourceLosses", "Sources", "SourcesTerm", "domain_features", "source_streams", "sources_of"]


def source_streams(fit: DomainFit) -> dict[str, Rows]:
    """The rows of each source domain, as the streams ``"source_0"``, ``"source_1"``, ...; without groups there is one."""
    numbers = np.unique(fit.groups)
    return {f"source_{k}": fit.rows.take(np.flatnonzero(fit.groups == number)) for k, number in enumerate(numbers)}


def sources_of(batch: Batch) -> list[tuple[Stream, Tensor]]:
    """The streams of the source domains with their labels, in the order of their numbers."""
    found = []
    for name in sorted((n for n in batch if n.startswith("source_")), key=lambda n: int(n.removeprefix("source_"))):
        y = batch[name].y
        assert y is not None
        found.append((batch[name], y))
    return found


def domain_features(network: Network, streams: Sequence[Stream]) -> tuple[Tensor, ...]:
    """Features of each stream, of one pass: batch normalisation takes the statistics of all of them together."""
    z = network.features(reduce(cat_rows, [stream.x for stream in streams]))
    return torch.split(z, [len(stream) for stream in streams])


@dataclass(frozen=True, eq=False)
class Sources:
    """What one pass over all sources gives.

    Attributes
    ----------
    z, outputs, y : sequence of tensor
        Features, outputs and encoded labels of each source's rows.
    losses : tensor of shape (n_sources,)
        The loss of the task on each.
    """

    z: Sequence[Tensor]
    outputs: Sequence[Tensor]
    y: Sequence[Tensor]
    losses: Tensor


class SourcesTerm(Protocol):
    """How the losses of the sources become one. A Module is saved in checkpoints and trained with the network."""

    def __call__(self, sources: Sources, progress: float) -> Mapping[str, Tensor]:
        """``"loss"`` and parts that are only logged."""


class SourceLosses(Objective):
    """One network and one head for all sources; the target has no part in it.

    Parameters
    ----------
    network : Network
        What is trained.
    labels : Labels
        Which loss.
    term : SourcesTerm
        The method.
    features : callable
        How the sources go through the network; parameters and result as of `domain_features`.
    """

    def __init__(
        self,
        network: Network,
        labels: Labels,
        term: SourcesTerm,
        features: Callable[[Network, Sequence[Stream]], tuple[Tensor, ...]] = domain_features,
    ) -> None:
        super().__init__()
        self.network, self.labels, self.term, self._features = network, labels, term, features

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        streams, y = zip(*sources_of(batch))
        z = self._features(self.network, streams)
        outputs = torch.split(self.network.head(torch.cat(z)), [len(part) for part in z])
        losses = torch.stack([self.labels.loss(out, own) for out, own in zip(outputs, y)])
        return {"task": losses.mean(), **self.term(Sources(z, outputs, y, losses), progress)}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
