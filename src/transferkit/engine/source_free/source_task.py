"""The task that the source model was trained for: its classifier, and what it says of other rows."""

from __future__ import annotations

import copy

from torch import nn

from ...core.errors import ParamError
from ...core.protocols import Array
from ..inputs.rows import Rows
from ..networks.backbone import Backbone
from ..networks.inference import outputs_of
from ..training.device import Place

__all__ = ["source_head_of", "source_logits"]


def source_head_of(where: str, backbone: Backbone) -> nn.Module:
    """A copy of the source model's own classifier, free to be trained.

    Parameters
    ----------
    where : str
        Beginning of the message, as in ``"LwF.fit"``.
    backbone : Backbone
        The source model.

    Raises
    ------
    ParamError
        If it came without one.
    """
    if backbone.source_head is None:
        raise ParamError(
            f"{where}: source must be a model that brings its own classifier (source_head). Got {backbone.name} without one."
        )
    return copy.deepcopy(backbone.source_head).requires_grad_(True)


def source_logits(
    body: nn.Module, source_head: nn.Module, rows: Rows, place: Place, batch_size: int = 64, workers: int = 0
) -> Array:
    """Logits of the source classes for rows, not augmented.

    Parameters
    ----------
    body, source_head : Module
        Rows to features, features to logits. Copies of them run: they themselves stay where and as they are.
    rows : Rows
        The rows; order is kept.
    place : Place
        Device and precision.
    batch_size, workers : int
        Rows at a time, processes that decode.

    Returns
    -------
    array of shape (n_samples, n_source_classes)
    """
    whole = place.put(nn.Sequential(copy.deepcopy(body), copy.deepcopy(source_head)))
    return outputs_of(whole, whole.forward, rows, place, batch_size, workers)
