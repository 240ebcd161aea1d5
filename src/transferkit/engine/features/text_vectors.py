"""Texts as vectors of a pretrained network, such as the names of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.errors import ParamError
from ...core.protocols import Array
from ..backbones import load_backbone
from .extraction import extract

__all__ = ["embed_texts"]


def embed_texts(where: str, model: str, texts: Sequence[str]) -> Array:
    """Features of texts.

    Parameters
    ----------
    where : str
        Class and method, for messages.
    model : str
        Name of a text backbone, as in ``"sentence:all-MiniLM-L6-v2"``.
    texts : sequence of str

    Returns
    -------
    array of shape (n_texts, n_features), float64

    Raises
    ------
    ParamError
        If the backbone takes no texts.
    DataError
        If its weights are not there.
    """
    backbone = load_backbone(model)
    if backbone.kind != "text":
        raise ParamError(f"{where}: embedding must be a backbone for texts. Got one for {backbone.kind}: {model!r}.")
    return extract(backbone, list(texts)).astype(np.float64)
