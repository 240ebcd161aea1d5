"""What a network's input looks like, for methods that change or make inputs: its shape, and the range of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import DomainError
from ..networks.estimator import Fit

__all__ = ["InputSpace", "input_space"]


@dataclass(frozen=True, eq=False)
class InputSpace:
    """The inputs of a network, after the preprocessing.

    Attributes
    ----------
    shape : tuple of int
        (n_features,) of vectors, (n_channels, length) of series, (n_channels, height, width) of images.
    low, high : tensor of shape (n_channels, 1, 1), or None
        What black and white become; None where the inputs are no pixels.
    """

    shape: tuple[int, ...]
    low: Tensor | None = None
    high: Tensor | None = None


def input_space(where: str, fit: Fit, axes: tuple[int, ...] = (1, 3)) -> InputSpace:
    """The inputs of a fit's network.

    Parameters
    ----------
    where : str
        What messages begin with.
    fit : Fit
        Before the training.
    axes : tuple of int
        How many axes a row may have: 1 of vectors, 2 of series, 3 of images.

    Returns
    -------
    InputSpace

    Raises
    ------
    DomainError
        If the rows are of another kind.
    """
    preprocess = fit.backbone.preprocess
    x = preprocess.batch([preprocess.example()])
    shape = tuple(x.shape[1:]) if isinstance(x, Tensor) else ()
    if preprocess.kind not in ("vectors", "series", "images") or len(shape) not in axes:
        names = " or ".join({1: "vectors", 2: "series", 3: "images"}[n] for n in axes)
        raise DomainError(f"{where}: X must be {names}. Got {preprocess.kind} of shape {shape}.")
    if preprocess.kind != "images":
        return InputSpace(shape)
    mean, std = (torch.tensor(preprocess.spec[name])[:, None, None] for name in ("mean", "std"))
    return InputSpace(shape, -mean / std, (1 - mean) / std)
