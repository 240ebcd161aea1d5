"""Images as samples: decoded by PIL when they are asked for, always to RGB."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from ..core.errors import DataError, MissingExtraError
from ..core.protocols import Array
from .places import Place, digest_of, name_of, read_bytes
from .rows import reading
from .samples import Samples

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["IMAGE_SUFFIXES", "ImageSamples", "check_image"]

# Without .gif: in folders of photos it is an icon or an animation.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".pbm", ".tif", ".tiff", ".webp")
_ORIENTATION = 0x0112  # the EXIF tag


class ImageSamples(Samples):
    """Images that are decoded when they are asked for.

    Every image comes as an RGB PIL image, turned as its EXIF orientation says (EXIF that cannot be read says nothing).
    Grey, palette and CMYK images are converted; transparent ones are laid on white; 16-bit grey is scaled by 255/65535.
    Of an animation it is the first frame.

    Parameters
    ----------
    items : sequence of path, (zip path, member) tuple, bytes, or uint8 array of shape (height, width[, channels])
        A file, a member of a zip file, an encoded image or its pixels. Files are opened anew for every sample and each
        thread and process opens a zip file for itself, so that samples may be decoded anywhere and be pickled.
    splits, groups : sequence of str, optional
        As for `Samples`.

    Raises
    ------
    DataError
        When a sample is decoded that is broken; the message names its file, as in ``photos.zip!ants/1.jpg``.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.data.images import ImageSamples
    >>> images = ImageSamples.from_array(np.zeros((3, 8, 6), dtype=np.uint8))
    >>> len(images), len(images[[2, 0]]), images.name(1)
    (3, 2, 'image 1')
    """

    kind = "images"

    @classmethod
    def from_array(cls, X: Array) -> Self:
        """Images in memory.

        Parameters
        ----------
        X : uint8 array of shape (n, height, width), (n, height, width, c) or (n, c, height, width), c in 1, 3, 4
            The pixels; they are not copied.

        Raises
        ------
        DataError
            For another shape or dtype, and where it is in doubt which axis holds the colours.
        """
        if not isinstance(X, np.ndarray) or X.dtype != np.uint8 or X.ndim not in (3, 4) or 0 in X.shape:
            got = f"{X.dtype}, shape {X.shape}" if isinstance(X, np.ndarray) else type(X).__name__
            raise DataError(
                "ImageSamples.from_array: X must be a uint8 array of shape (n, height, width), (n, height, width, 3) or "
                f"(n, 3, height, width). Got {got}."
            )
        if X.ndim == 4:
            last, first = X.shape[3] in (1, 3, 4), X.shape[1] in (1, 3, 4)
            if last == first:
                raise DataError(
                    f"ImageSamples.from_array: X must have 1, 3 or 4 colours along axis 1 or the last. Got shape {X.shape}."
                )
            X = X if last else np.moveaxis(X, 1, 3)
        return cls(list(X))

    def name(self, index: int) -> str:
        """The file, or ``image 3`` for one in memory."""
        item = self.items[index]
        return f"image {index}" if isinstance(item, (bytes, np.ndarray)) else name_of(item)

    def digest(self, index: int) -> str:
        """SHA-256 of the file's bytes, or of shape and pixels."""
        item = self.items[index]
        if isinstance(item, np.ndarray):
            return hashlib.sha256(str(item.shape).encode() + item.tobytes()).hexdigest()
        return hashlib.sha256(item).hexdigest() if isinstance(item, bytes) else digest_of(item)

    def _decode(self, item: Any) -> Image:
        if isinstance(item, np.ndarray):
            grey = item.ndim == 3 and item.shape[2] == 1
            return _rgb(_pil().fromarray(np.ascontiguousarray(item[:, :, 0] if grey else item)))
        with _opened(item) as image:
            return _rgb(image)


def check_image(place: Place, check: Literal["header", "decode"]) -> None:
    """Refuse an image that is broken, as cheaply as can be done.

    Parameters
    ----------
    place : path or (zip path, member)
    check : {"header", "decode"}
        Whether to look at the header only, or to go through all of the image. A JPEG is decoded to an eighth of its
        size then, which reads all of its bytes at a fraction of the cost.

    Raises
    ------
    DataError
        Naming the file.
    """
    with _opened(place) as image:
        if check == "header":
            return
        if image.format == "JPEG":
            image.draft("L", (1, 1))
            image.load()
        else:
            _rgb(image)


@contextmanager
def _opened(item: Place | bytes) -> Iterator[Image]:
    pil = _pil()
    name = "image in memory" if isinstance(item, bytes) else name_of(item)
    content = item if isinstance(item, bytes) else read_bytes(item)
    with reading(name, "an image", struct.error, pil.DecompressionBombError):
        try:
            image = pil.open(io.BytesIO(content))
        except _unidentified() as err:  # whose text is an address in memory
            raise ValueError("no known image format") from err
        with image:
            yield image


def _pil() -> Any:
    try:
        import PIL.Image
    except ImportError as err:
        raise MissingExtraError("ImageSamples needs PIL: pip install 'transferkit[vision]'") from err
    return PIL.Image


def _unidentified() -> type[Exception]:
    from PIL import UnidentifiedImageError

    return UnidentifiedImageError


def _rgb(image: Image) -> Image:
    """Any image as RGB."""
    pil = _pil()
    image.load()
    image = _upright(image)
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = pil.fromarray(_eight_bits(np.asarray(image)))
    elif image.mode == "F":
        raise ValueError("pixels must be whole numbers of 8 or 16 bits; these are floats")
    elif image.has_transparency_data:
        white = pil.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        image = white
    return image.convert("RGB")


def _upright(image: Image) -> Image:
    from PIL import ImageOps

    try:
        turned = image.getexif().get(_ORIENTATION, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except (SyntaxError, struct.error, ValueError, TypeError, LookupError, OSError):
        return image  # as every viewer shows it: the pixels are sound, only the note beside them is not


def _eight_bits(values: Array) -> Array:
    """16-bit grey as 8 bits: 65535 becomes 255."""
    wide = values.astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise ValueError(f"pixels must lie in 0 to 65535; these lie in {wide.min()} to {wide.max()}")
    return ((wide * 255 + 32767) // 65535).astype(np.uint8)
