"""A network: the body that was trained elsewhere, and a head for the task at hand."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Self

from torch import Tensor, nn

from ..ops.nn.heads import DenseHead, Head
from .backbone import Backbone, Group
from .backbones.grouping import regroup

__all__ = ["Network"]


class Network(nn.Module):
    """Body and head, what deep estimators train and the store saves.

    Parameters
    ----------
    backbone : Backbone
        Its body is copied: what the caller holds stays as it is.
    head : Head or DenseHead
        From ``backbone.n_features``, or from what it reads of the body, to the outputs.

    Attributes
    ----------
    body, head : Module
    backbone : Backbone
        The copy, whose ``body`` is this network's.
    groups : tuple of Group
        The parts from input to output; the head is the last one.
    edits : list of dict
        Structural changes made to the body since (adapters and the like), as `transferkit.ops.nn` replays them.
    """

    def __init__(self, backbone: Backbone, head: Head | DenseHead) -> None:
        super().__init__()
        self.body = copy.deepcopy(backbone.body)
        self.head = head
        self.backbone = backbone.with_body(self.body)
        self.edits: list[dict[str, Any]] = []

    @property
    def groups(self) -> tuple[Group, ...]:
        """Parts from input to output, with full names; what was added to the body is in the part around it.

        A head without parameters is no part: then the body has its own, as a detector has.
        """
        own = [
            Group(g.name, tuple(f"body.{p}" for p in g.params), tuple(f"body.{m}" if m else "body" for m in g.modules))
            for g in regroup(self.backbone.groups, self.body)
        ]
        head = Group(
            "head",
            tuple(f"head.{n}" for n, _ in self.head.named_parameters()),
            tuple(f"head.{n}" if n else "head" for n, _ in self.head.named_modules()),
        )
        return (*own, head) if head.params else tuple(own)

    def features(self, x: Any) -> Tensor:
        """What the head gets, of shape (batch, n_features)."""
        return self.head.read(self.body, x) if isinstance(self.head, DenseHead) else self.body(x)

    def forward(self, x: Any) -> Tensor:
        """Outputs of shape (batch, n_outputs)."""
        return self.head(self.features(x))

    def as_backbone(self) -> Backbone:
        """The body as it is now, as the source of a further transfer, with this network's head as the source's classifier.

        A head for masks, boxes or words is no classifier of features, and left behind.
        """
        found = self.backbone.with_body(copy.deepcopy(self.body).eval().requires_grad_(True))
        head = None if isinstance(self.head, DenseHead) else copy.deepcopy(self.head).eval().requires_grad_(True)
        return replace(found, source_head=head, fingerprint="", name=f"{found.name}, trained on")

    def copy(self) -> Self:
        """An independent copy with the same weights."""
        return copy.deepcopy(self)
