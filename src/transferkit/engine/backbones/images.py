"""The preprocess of a network that takes images, with what the options change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...core.errors import ParamError
from ..inputs.preprocess import Preprocess
from ..inputs.preprocessing.image import ImagePreprocess

__all__ = ["image_preprocess"]

_OF_AUDIO = ("rate", "seconds", "n_mels")


def image_preprocess(
    options: Mapping[str, Any],
    *,
    size: Sequence[int],
    crop_pct: float,
    mean: Sequence[float],
    std: Sequence[float],
    interpolation: str = "bicubic",
    crop_mode: str = "center",
) -> Preprocess:
    """An ImagePreprocess, or for ``kind=audio`` an AudioPreprocess that makes such images.

    Parameters
    ----------
    options : mapping
        Read by `options_for`; they go before the rest.
    size : (int, int)
        Height and width of the input.
    crop_pct : float in (0, 1]
        Its share of the height and width that an image is resized to.
    mean, std, interpolation, crop_mode
        As for ImagePreprocess.

    Raises
    ------
    ParamError
        If an option is of the other kind.
    """
    size = options.get("image_size", size)
    crop_pct = options.get("crop_pct", crop_pct)
    resize = [math.floor(n / crop_pct + 1e-6) for n in size]  # 224 / (224 / 232) is a little less than 232
    mean, std = options.get("mean", mean), options.get("std", std)
    if options.get("kind", "images") == "audio":
        own = {k: options[k] for k in (*_OF_AUDIO, "augment") if k in options}
        from ..inputs.preprocessing.audio import AudioPreprocess

        return AudioPreprocess(size, mean, std, **own)
    wrong = [k for k in _OF_AUDIO if k in options]
    if options.get("kind", "images") != "images" or wrong:
        got = f"{wrong[0]}={options[wrong[0]]!r} without kind=audio" if wrong else repr(options["kind"])
        raise ParamError(f"load_backbone: kind must be images or audio. Got {got}.")
    own = {k: options[k] for k in ("augment", "crop_scale") if k in options}
    return ImagePreprocess(
        size, resize, mean, std, options.get("interpolation", interpolation), options.get("crop_mode", crop_mode), **own
    )
