"""Backbone: a pretrained body with its own preprocessing, its parts in order, and a hash of its weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..inputs.preprocess import Preprocess

__all__ = ["Backbone", "Group", "weights_digest"]


@dataclass(frozen=True)
class Group:
    """A part of a network.

    Attributes
    ----------
    name : str
        As in "stem", "blocks.0", "head".
    params : tuple of str
        Full names of its parameters, as `named_parameters` gives them.
    modules : tuple of str
        Full names of the modules whose train or eval mode belongs to it; "" is the whole network.
    """

    name: str
    params: tuple[str, ...]
    modules: tuple[str, ...]


@dataclass(eq=False)
class Backbone:
    """A body that was trained elsewhere, and all that is known of it.

    Attributes
    ----------
    name : str
        As it was asked for: "timm:resnet18", "module:MyNet".
    kind : {"images", "text", "audio", "series", "vectors"}
        What `preprocess` takes.
    body : Module
        ``body(x)`` gives features of shape (batch, n_features) for the x that ``preprocess.finish`` makes.
    n_features : int
    preprocess : Preprocess
    source_head : Module or None
        The original classifier, from features to source logits.
    groups : tuple of Group
        Parts of `body` from input to output; every parameter and every module belongs to exactly one.
    spec : dict or None
        JSON from which `rebuild` makes the skeleton, without weights and without network; None for a user's module.
    fingerprint : str
        SHA-256 over the weights of `body` and `source_head` as they were when this was made.
    notes : tuple of str
        What there is to know of how it was loaded, one sentence each.
    """

    name: str
    kind: str
    body: nn.Module
    n_features: int
    preprocess: Preprocess
    source_head: nn.Module | None
    groups: tuple[Group, ...]
    spec: dict[str, Any] | None
    fingerprint: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.fingerprint:
            self.fingerprint = weights_digest(self.body, self.source_head)

    def with_body(self, body: nn.Module) -> Self:
        """The same backbone with another body of this structure, as a copy of it that is trained on.

        Notes
        -----
        Parameters and modules that were added join the part of the nearest module around them.
        """
        from ..backbones.grouping import regroup

        return replace(self, body=body, groups=regroup(self.groups, body))


def weights_digest(*modules: nn.Module | None) -> str:
    """SHA-256 over names, shapes, types and bytes of the weights and buffers.

    Parameters
    ----------
    *modules : Module or None
        None is skipped, but counts as a place.

    Returns
    -------
    digest : str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for place, module in enumerate(modules):
        if module is None:
            continue
        for name, value in sorted(module.state_dict().items()):
            if isinstance(value, Tensor):  # a module's extra state may be anything
                digest.update(f"{place} {name} {tuple(value.shape)} {value.dtype}\n".encode())
                flat = value.detach().cpu().contiguous().reshape(-1)
                digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
