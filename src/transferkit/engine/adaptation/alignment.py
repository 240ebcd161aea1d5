"""The objective of most deep domain adaptation: the source's loss, and a term that sees both domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..answers.labels import Labels
from ..networks.network import Network
from ..training.objective import Batch, Objective, Step, Stream

__all__ = ["Alignment", "DomainTerm", "Joint", "cat_rows", "joint_pass"]


@dataclass(frozen=True, eq=False)
class Joint:
    """What one forward pass over source and target gives.

    Attributes
    ----------
    z, outputs : tensor of shape (n_source + n_target, n_features), and (n_source + n_target, n_outputs)
        Features and outputs, the source's rows first.
    source, target : Stream
        The rows; only the source's have labels.
    """

    z: Tensor
    outputs: Tensor
    source: Stream
    target: Stream

    @property
    def n(self) -> int:
        """Rows of the source."""
        return len(self.source)

    @property
    def z_s(self) -> Tensor:
        """Features of the source."""
        return self.z[: self.n]

    @property
    def z_t(self) -> Tensor:
        """Features of the target."""
        return self.z[self.n :]

    @property
    def outputs_s(self) -> Tensor:
        """Outputs of the source."""
        return self.outputs[: self.n]

    @property
    def outputs_t(self) -> Tensor:
        """Outputs of the target."""
        return self.outputs[self.n :]


def joint_pass(network: Network, batch: Batch, apart: bool = False) -> Joint:
    """Source and target through the network, in one batch or each by itself.

    Notes
    -----
    This is where batch normalisation is decided. In one batch it takes the statistics of both domains together, as TLlib
    does in DANN, CDAN, JAN, MDD and MCC. With `apart` each domain has those of its own, as in DeepDA, in AFN and MCD, and in the
    authors' code of BNM, DARE-GRAM, DSAN, MFSAN, OVANet and VADA, which are in one batch here: every feature then has the same
    mean and spread in both. The moving ones that it predicts with are of both.
    """
    source, target = batch["source"], batch["target"]
    if apart:
        z = torch.cat([network.features(source.x), network.features(target.x)])
    else:
        z = network.features(cat_rows(source.x, target.x))
    return Joint(z, network.head(z), source, target)


def cat_rows(a: Any, b: Any) -> Any:
    """Two inputs as one batch; in mappings, the second axis is padded to the longer of both, attention masks with 0."""
    if isinstance(a, Tensor):
        return torch.cat([a, b])
    return {name: torch.cat(_as_long(a[name], b[name])) for name in a}


def _as_long(*values: Tensor) -> list[Tensor]:
    if values[0].ndim < 2:
        return list(values)
    longest = max(v.shape[1] for v in values)
    return [functional.pad(v, (0, 0) * (v.ndim - 2) + (0, longest - v.shape[1])) for v in values]


class DomainTerm(Protocol):
    """What a method adds to the source's loss. A term that is a Module is trained with the network, at the head's rate."""

    def __call__(self, joint: Joint, progress: float) -> Mapping[str, Tensor]:
        """``"loss"``, which is added `trade_off` times, and parts that are only logged."""


class Alignment(Objective):
    """``L = L_source + trade_off * L_term``, both of one joint forward pass.

    Parameters
    ----------
    network : Network
        What is trained.
    labels : Labels
        Which loss.
    term : DomainTerm
        The method.
    trade_off : float
        Its weight.
    frozen : sequence of Module
        Modules inside the term that are never trained.
    apart : bool
        Whether each domain has batch statistics of its own: see `joint_pass`.
    """

    def __init__(
        self,
        network: Network,
        labels: Labels,
        term: DomainTerm,
        trade_off: float = 1.0,
        *,
        frozen: Sequence[nn.Module] = (),
        apart: bool = False,
    ) -> None:
        super().__init__()
        self.network, self.labels, self.term, self.trade_off = network, labels, term, trade_off
        self.apart = apart
        self._frozen = tuple(frozen)
        for module in self._frozen:
            module.requires_grad_(False)

    def steps(self) -> Sequence[Step]:
        still = {id(p) for module in self._frozen for p in module.parameters()}
        return [Step("train", self._loss, [p for p in self.parameters() if id(p) not in still])]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        joint = joint_pass(self.network, batch, self.apart)
        assert joint.source.y is not None
        task = self.labels.loss(joint.outputs_s, joint.source.y)
        parts = dict(self.term(joint, progress))
        transfer = parts.pop("loss")
        return {"loss": task + self.trade_off * transfer, "task": task, "transfer": transfer, **parts}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def frozen(self) -> Sequence[nn.Module]:
        return self._frozen
