"""A network: the body that was trained elsewhere, perhaps a neck, and a head for the task at hand."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Self

from torch import Tensor, nn

from ...ops.nn.bottleneck import Bottleneck
from ...ops.nn.heads import DenseHead, Head
from ..backbones.grouping import regroup
from .backbone import Backbone, Group

__all__ = ["Network"]


class Network(nn.Module):
    """Body, neck and head, what deep estimators train and the store saves.

    Parameters
    ----------
    backbone : Backbone
        Its body is copied: what the caller holds stays as it is.
    head : Head or DenseHead
        From ``backbone.n_features``, or from what it reads of the body, to the outputs.
    neck : Bottleneck, optional
        A new layer between the two. It belongs to the head's part: it is new, too.

    Attributes
    ----------
    body, head : Module
    neck : Module or None
    backbone : Backbone
        The copy, whose ``body`` is this network's.
    groups : tuple of Group
        The parts from input to output; the head is the last one.
    edits : list of dict
        Structural changes made to the body since (adapters and the like), as `transferkit.ops.nn` replays them.
    """

    def __init__(self, backbone: Backbone, head: Head | DenseHead, neck: Bottleneck | None = None) -> None:
        super().__init__()
        self.body = copy.deepcopy(backbone.body)
        self.neck = neck
        self.head = head
        self.backbone = backbone.with_body(self.body)
        self.edits: list[dict[str, Any]] = []

    @property
    def n_features(self) -> int:
        """Width of what `features` gives."""
        return self.backbone.n_features if self.neck is None else int(self.neck.spec["width"])

    @property
    def groups(self) -> tuple[Group, ...]:
        """Parts from input to output, with full names; what was added to the body is in the part around it.

        A head without parameters is no part: then the body has its own, as a detector has.
        """
        own = [
            Group(g.name, tuple(f"body.{p}" for p in g.params), tuple(f"body.{m}" if m else "body" for m in g.modules))
            for g in regroup(self.backbone.groups, self.body)
        ]
        new = [(name, part) for name, part in (("neck", self.neck), ("head", self.head)) if part is not None]
        head = Group(
            "head",
            tuple(f"{name}.{n}" for name, part in new for n, _ in part.named_parameters()),
            tuple(f"{name}.{n}" if n else name for name, part in new for n, _ in part.named_modules()),
        )
        return (*own, head) if head.params else tuple(own)

    def features(self, x: Any) -> Tensor:
        """What the head gets, of shape (batch, n_features)."""
        if isinstance(self.head, DenseHead):
            return self.head.read(self.body, x)
        return self.body(x) if self.neck is None else self.neck(self.body(x))

    def forward(self, x: Any) -> Tensor:
        """Outputs of shape (batch, n_outputs)."""
        return self.head(self.features(x))

    def as_backbone(self) -> Backbone:
        """The body as it is now, as the source of a further transfer, with what follows it as the source's classifier.

        A head for masks, boxes or words is no classifier of features, and left behind.
        """
        found = self.backbone.with_body(copy.deepcopy(self.body).eval().requires_grad_(True))
        own = self.head if self.neck is None else nn.Sequential(self.neck, self.head)
        head = None if isinstance(self.head, DenseHead) else copy.deepcopy(own).eval().requires_grad_(True)
        return replace(found, source_head=head, fingerprint="", name=f"{found.name}, trained on")

    def copy(self) -> Self:
        """An independent copy with the same weights."""
        return copy.deepcopy(self)
