"""Images: resized and cropped as the network was trained, normalised on the device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ....core.errors import DataError, ParamError
from ..preprocess import Preprocess

__all__ = ["AUGMENT", "ImagePreprocess", "pil_image"]

AUGMENT = ("none", "flip", "crop_flip")
_CROP_MODES = ("center", "squash", "border")
_RATIO = 4 / 3  # the widest and, inverted, the narrowest random crop
_LONG = 3  # images longer than this many times their short side are cut before they are resized


class ImagePreprocess(Preprocess):
    """Resize, centre crop, normalise.

    Parameters
    ----------
    size : (int, int)
        Height and width of the network's input.
    resize : (int, int), default=None
        Height and width that the image is resized to before the crop; None is `size`.
    mean, std : sequence of float
        Of the channels R, G, B on the scale 0..1; of one channel where the network takes grey images.
    interpolation : {"bicubic", "bilinear", "nearest", "lanczos"}, default="bicubic"
        How pixels are made between pixels.
    crop_mode : {"center", "squash", "border"}, default="center"
        ``"center"`` keeps the aspect ratio and fills `resize`; ``"squash"`` does not keep it; ``"border"`` keeps it and
        pads with the mean.
    augment : {"none", "flip", "crop_flip"}, default="crop_flip"
        What training batches go through: nothing; a left-right flip with probability 1/2; a random resized crop too.
    crop_scale : float in (0, 1], default=0.35
        Smallest share of the area that a random crop keeps. Transfer from few images does better with more than the
        0.08 of training from scratch.

    Notes
    -----
    The compact form is a uint8 tensor of shape (n_channels, height, width) with a margin around the centre crop, from
    which random crops are taken: what is decoded once serves training and evaluation. The centre of it is, pixel for
    pixel, what timm's and torchvision's evaluation transforms give (``"border"`` with a crop: to one pixel). A random
    crop is cut from it by bilinear interpolation.
    """

    kind: ClassVar[str] = "images"
    type: ClassVar[str] = "image"
    training_only: ClassVar[tuple[str, ...]] = ("augment", "crop_scale")

    def __init__(
        self,
        size: Sequence[int] = (224, 224),
        resize: Sequence[int] | None = None,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        interpolation: str = "bicubic",
        crop_mode: str = "center",
        augment: str = "crop_flip",
        crop_scale: float = 0.35,
    ) -> None:
        if augment not in AUGMENT:
            raise ParamError(f"augment must be one of {', '.join(AUGMENT)}. Got {augment!r}.")
        if crop_mode not in _CROP_MODES:
            raise ParamError(f"crop_mode must be one of {', '.join(_CROP_MODES)}. Got {crop_mode!r}.")
        if interpolation.upper() not in Image.Resampling.__members__:
            raise ParamError(f"interpolation must be bicubic, bilinear, nearest or lanczos. Got {interpolation!r}.")
        if not 0 < crop_scale <= 1:
            raise ParamError(f"crop_scale must be a number in (0, 1]. Got {crop_scale!r}.")
        self.size = (int(size[0]), int(size[1]))
        wide = self.size if resize is None else (int(resize[0]), int(resize[1]))
        self.resize = (max(wide[0], self.size[0]), max(wide[1], self.size[1]))
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        self.interpolation, self.crop_mode = interpolation, crop_mode
        self.augment, self.crop_scale = augment, float(crop_scale)
        self._margin = ((self.resize[0] - self.size[0]) // 2, (self.resize[1] - self.size[1]) // 2)

    @property
    def spec(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "size": list(self.size),
            "resize": list(self.resize),
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
            "crop_mode": self.crop_mode,
            "augment": self.augment,
            "crop_scale": self.crop_scale,
        }

    def example(self) -> Image.Image:
        row = np.linspace(0, 255, self.size[1]).astype(np.uint8)
        return Image.fromarray(np.broadcast_to(row[None, :, None], (*self.size, 3)).copy())

    def prepare(self, sample: Any) -> Tensor:
        """A PIL image, or uint8 pixels of shape (H, W), (H, W, 3) or (3, H, W), to a uint8 tensor (3 or 1, height, width)."""
        image = pil_image(sample)
        image = self._resized(image if len(self.mean) == 3 else image.convert("L"))
        (height, width), (m, n) = self.size, self._margin
        top = round((image.height - height) / 2) - m  # torchvision's rounding
        left = round((image.width - width) / 2) - n
        box = (left, top, left + width + 2 * n, top + height + 2 * m)
        if box != (0, 0, image.width, image.height):
            image = image.crop(box)
        return torch.from_numpy(np.array(image).reshape(image.height, image.width, -1)).permute(2, 0, 1).contiguous()

    def _resized(self, image: Image.Image) -> Image.Image:
        (height, width), method = self.resize, Image.Resampling[self.interpolation.upper()]
        if self.crop_mode == "squash":
            return image.resize((width, height), method)
        if self.crop_mode == "border":
            scale = min(height / image.height, width / image.width)
            small = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), method)
            mean = [round(255 * v) for v in self.mean]
            fill = tuple(mean) if len(mean) == 3 else mean[0]
            canvas = Image.new(image.mode, (width, height), fill)
            canvas.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
            return canvas
        image = _without_ends(image)  # 1 x 5000 pixels would become 256 x 1,280,000
        scale = max(height / image.height, width / image.width) + 1e-12  # 256 / 300 * 300 must stay 256
        size = max(int(image.width * scale), width), max(int(image.height * scale), height)  # torchvision's rounding
        return image.resize(size, method)

    def finish(self, batch: Tensor, *, training: bool, generator: torch.Generator | None = None) -> Tensor:
        """uint8 of shape (batch, n_channels, height, width) to normalised float32 of shape (batch, n_channels, *size)."""
        if training and self.augment == "crop_flip":
            x = self._random_crops(batch.float(), generator)
        else:
            (height, width), (m, n) = self.size, self._margin
            x = batch[:, :, m : m + height, n : n + width].float()
            if training and self.augment == "flip":
                flip = (_random(len(x), generator) < 0.5).to(x.device)
                x = torch.where(flip[:, None, None, None], x.flip(-1), x)
        mean = torch.tensor(self.mean, device=x.device).mul(255)[:, None, None]
        std = torch.tensor(self.std, device=x.device).mul(255)[:, None, None]
        return x.sub_(mean).div_(std)

    def _random_crops(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Crops of random area and aspect ratio, half of them flipped."""
        area, ratio, right, down, flip = _random(5 * len(x), generator).view(5, -1)
        area = self.crop_scale + (1 - self.crop_scale) * area
        ratio = torch.exp((2 * ratio - 1) * math.log(_RATIO))
        width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        theta = torch.zeros(len(x), 2, 3)
        theta[:, 0, 0] = torch.where(flip < 0.5, -width, width)
        theta[:, 0, 2] = (2 * right - 1) * (1 - width)
        theta[:, 1, 1] = height
        theta[:, 1, 2] = (2 * down - 1) * (1 - height)
        grid = functional.affine_grid(theta.to(x.device), [*x.shape[:2], *self.size], align_corners=False)
        return functional.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def pil_image(sample: Any) -> Image.Image:
    """A sample as an RGB PIL image."""
    if isinstance(sample, Image.Image):
        return sample if sample.mode == "RGB" else sample.convert("RGB")
    pixels = sample.detach().cpu().numpy() if isinstance(sample, Tensor) else np.asarray(sample)
    if pixels.ndim == 3 and pixels.shape[-1] not in (1, 3) and pixels.shape[0] in (1, 3):
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] == 3)):
        raise DataError(
            "ImagePreprocess.prepare: sample must be a PIL image or uint8 pixels of shape (H, W), (H, W, 3) or (3, H, W). "
            f"Got {pixels.dtype} of shape {pixels.shape}."
        )
    return Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")


def _without_ends(image: Image.Image) -> Image.Image:
    """The middle of an image that is very much longer than wide."""
    limit = _LONG * min(image.size)
    if max(image.size) <= limit:
        return image
    left, top = max(0, (image.width - limit) // 2), max(0, (image.height - limit) // 2)
    return image.crop((left, top, left + min(image.width, limit), top + min(image.height, limit)))


def _random(n: int, generator: torch.Generator | None) -> Tensor:
    """Numbers in [0, 1) on the CPU, wherever the generator is."""
    device = "cpu" if generator is None else generator.device
    return torch.rand(n, generator=generator, device=device).cpu()
