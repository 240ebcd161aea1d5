"""Images of several sizes, brought to the one size that a network for dense tasks takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ...core.constraints import Either, Fulfils, Interval, Nothing
from ...core.errors import DataError, DomainError
from ...data.samples import Samples
from ..networks.backbone import Backbone
from .inputs import check_input
from .preprocess import preprocess_from
from .preprocessing.image import ImagePreprocess, pil_image
from .rows import Rows

__all__ = ["IMAGE_SIZE", "check_pictures", "decoded", "picture_rows", "size_in_memory", "squashed"]


def _is_size(value: Any) -> bool:
    whole = Interval(int, 1)
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(whole.holds, value))


# What a parameter `image_size` may be.
IMAGE_SIZE = Either(Nothing(), Interval(int, 1), Fulfils("be two of them, height and width", _is_size))


def check_pictures(where: str, X: Any) -> Any:
    """Images that can be indexed: Samples, an array of one size, a torch Dataset, or a list of any sizes.

    Raises
    ------
    DomainError
        If there are none, or they are no images.
    """
    if isinstance(X, (list, tuple)):
        if not X:
            raise DomainError(f"{where}: X must have rows. Got none.")
        for k, sample in enumerate(X):
            pixels = sample if isinstance(sample, (Image.Image, Tensor)) else np.asarray(sample)
            if not isinstance(pixels, Image.Image) and not (
                pixels.ndim in (2, 3) and str(pixels.dtype).endswith("uint8")
            ):
                got = f"{pixels.dtype} of shape {tuple(pixels.shape)}"
                raise DomainError(
                    f"{where}: X must hold images, PIL or uint8 pixels of shape (H, W[, 3]). Got {got} at {k}."
                )
        return list(X)
    X = check_input(where, X)
    if isinstance(X, Samples) and X.kind != "images":
        raise DomainError(f"{where}: X must be images. Got {X.kind}.")
    if isinstance(X, np.ndarray) and not (X.ndim in (3, 4) and X.dtype == np.uint8):
        raise DomainError(f"{where}: X must be uint8 images of shape (n, H, W[, 3]). Got {X.dtype} of shape {X.shape}.")
    return X


def decoded(where: str, X: Any, k: int) -> Image.Image:
    """One of the images, as RGB.

    Raises
    ------
    DomainError
        If it cannot be read.
    """
    sample = X[k]
    if isinstance(X, Dataset) and isinstance(sample, (tuple, list)):
        sample = sample[0]
    try:
        return pil_image(sample)
    except DataError as err:
        raise DomainError(f"{where}: X must hold images. At {k}: {err}") from err


def size_in_memory(X: Any, k: int) -> tuple[int, int] | None:
    """Height and width of an image, where that takes no decoding."""
    if not isinstance(X, (list, np.ndarray)):
        return None
    image = X[k]
    if isinstance(image, Image.Image):
        return image.height, image.width
    shape = tuple(np.shape(image))
    channels_first = len(shape) == 3 and shape[-1] not in (1, 3) and shape[0] in (1, 3)
    return (shape[1], shape[2]) if channels_first else (shape[0], shape[1])


def squashed(backbone: Backbone, image_size: int | Sequence[int] | None = None) -> ImagePreprocess:
    """The source model's normalisation, for whole images that are brought to one size.

    A crop would lose pixels that have to be predicted. The aspect ratio is not kept, so that every place of the input is a
    place of the image.
    """
    spec = backbone.preprocess.spec
    size = [image_size] * 2 if isinstance(image_size, int) else list(image_size or spec["size"])
    found = preprocess_from({**spec, "size": size, "resize": size, "crop_mode": "squash", "augment": "none"})
    assert isinstance(found, ImagePreprocess)
    return found


def picture_rows(where: str, X: Any, backbone: Backbone, image_size: int | Sequence[int] | None = None) -> Rows:
    """Checked images as rows for a backbone.

    Raises
    ------
    DomainError
        If the backbone takes no images.
    """
    if backbone.kind != "images" or not isinstance(backbone.preprocess, ImagePreprocess):
        raise DomainError(f"{where}: X must be {backbone.kind}, as {backbone.name} takes them. Got images.")
    return Rows(X, squashed(backbone, image_size))
