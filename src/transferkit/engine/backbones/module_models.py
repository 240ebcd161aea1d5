"""Any torch module as a backbone, with what an example of its input says."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...core.errors import ParamError
from ..inputs.preprocess import Preprocess
from ..inputs.preprocessing.numbers import SeriesPreprocess, VectorPreprocess
from ..networks.backbone import Backbone
from .assemble import with_layers
from .grouping import groups_from, module_groups

__all__ = ["from_module", "identity_backbone"]


def from_module(
    module: nn.Module,
    *,
    sample: Any = None,
    preprocess: Preprocess | None = None,
    kind: str | None = None,
    head: str | None = None,
    image_size: Any = None,
    mean: Any = None,
    std: Any = None,
    augment: str = "none",
    layers: Sequence[str] | str | None = None,
    l2: bool = False,
    pool: str = "mean",
) -> Backbone:
    """A user's own network; its body is the module itself, unless a classifier is split off a copy.

    Parameters
    ----------
    module : Module
        Puts out features of shape (batch, n_features).
    sample : raw sample, optional
        One input: an image (PIL, or uint8 pixels), numbers of shape (n_features,) or (n_channels, length). Of a pair
        (sample, label) the first counts.
    preprocess : Preprocess, optional
        In the place of what `sample` suggests.
    kind : {"images", "vectors", "series"}, optional
        Where the sample leaves it open.
    head : str, optional
        The submodule that classifies. It comes off a copy of the module and is kept as the source head.
    image_size, mean, std, augment
        Of images: those of the sample where it is an array, else 224; 0 and 1, which leaves pixels on the scale 0..1;
        "none", as only the user knows what may be turned. Of numbers: mean and std are subtracted and divided by.
    layers, l2, pool
        As for a named backbone.

    Returns
    -------
    Backbone

    Raises
    ------
    ParamError
        If there is neither sample nor preprocess, or the module does not put out features.
    """
    name = f"module:{type(module).__name__}"
    if preprocess is None:
        if sample is None:
            raise ParamError("load_backbone: sample must be given with a torch Module: one input. Got None.")
        preprocess = _suggested(module, sample, kind, image_size, mean, std, augment)
    source_head = None
    body = module
    if head is not None:
        body = copy.deepcopy(module)
        around, _, last = head.rpartition(".")
        holder = dict(body.named_modules()).get(around)
        if holder is None or not isinstance(getattr(holder, last, None), nn.Module):
            shown = ", ".join(n for n, _ in body.named_children())
            raise ParamError(f"load_backbone: head must name a submodule ({shown}, ...). Got {head!r}.")
        source_head = getattr(holder, last)
        setattr(holder, last, nn.Identity().train(source_head.training))
    groups = module_groups(body) if any(True for _ in body.parameters()) else groups_from([("all", ())], body)
    plain = Backbone(name, preprocess.kind, body, 0, preprocess, source_head, groups, None, "-")
    chosen = layers.split(",") if isinstance(layers, str) else layers
    try:
        found = with_layers(plain, {"layers": chosen, "l2": l2, "pool": pool})
    except RuntimeError as err:
        raise ParamError(f"load_backbone: {name} must take inputs such as the sample. Got: {err}") from err
    return found


def identity_backbone(n_features: int) -> Backbone:
    """A backbone that passes vectors on as they are: features are the input.

    Parameters
    ----------
    n_features : int

    Returns
    -------
    Backbone
    """
    spec = {"family": "identity", "n_features": n_features}
    body = nn.Identity()
    preprocess = VectorPreprocess((n_features,))
    return Backbone("identity", "vectors", body, n_features, preprocess, None, groups_from([("all", ())], body), spec)


def _suggested(
    module: nn.Module, sample: Any, kind: str | None, image_size: Any, mean: Any, std: Any, augment: str
) -> Preprocess:
    if isinstance(sample, (tuple, list)) and kind != "audio":
        sample = sample[0]
    pixels = sample.detach().cpu().numpy() if isinstance(sample, Tensor) else sample
    is_array = isinstance(pixels, (np.ndarray, np.generic))
    if kind is None:
        kind = "images"
        if is_array and (pixels.dtype != np.uint8 or pixels.ndim < 2):
            kind = "vectors" if pixels.ndim == 1 else "series"
        elif isinstance(sample, str):
            raise ParamError("load_backbone: preprocess must be given with a torch Module for texts (TextPreprocess).")
    if kind == "images":
        from ..inputs.preprocessing.image import ImagePreprocess, pil_image

        picture = pil_image(sample)
        size = [picture.height, picture.width] if is_array else [224, 224]
        if image_size is not None:
            size = [image_size] * 2 if isinstance(image_size, int) else list(image_size)
        n = _n_channels(module)
        return ImagePreprocess(size, None, _each(mean, 0.0, n), _each(std, 1.0, n), augment=augment)
    classes: dict[str, type[VectorPreprocess]] = {"vectors": VectorPreprocess, "series": SeriesPreprocess}
    if kind not in classes:
        raise ParamError(
            f"load_backbone: kind must be images, vectors or series, or preprocess be given. Got {kind!r}."
        )
    return classes[kind](np.shape(pixels), 0.0 if mean is None else mean, 1.0 if std is None else std)


def _n_channels(module: nn.Module) -> int:
    """1 for a network whose first convolution takes grey images, else 3."""
    first = next((m for m in module.modules() if isinstance(m, nn.Conv2d)), None)
    return 1 if first is not None and first.in_channels == 1 else 3


def _each(value: Any, default: float, n: int) -> list[float]:
    value = default if value is None else value
    return [float(v) for v in (torch.as_tensor(value).expand(n).tolist() if np.ndim(value) == 0 else value)]
