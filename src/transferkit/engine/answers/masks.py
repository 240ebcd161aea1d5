"""Masks as a network takes them, one class a pixel, and its outputs as masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...core.errors import DomainError
from ...core.protocols import Array
from ...ops.metrics.mean_iou import mean_iou
from ..inputs.pictures import size_in_memory

__all__ = ["MaskLabels", "find_masks", "mask_loss", "random_views", "read_masks"]

_IGNORED = -1  # inside; the user's ignore_index may be any number
_RATIO = 4 / 3  # the widest random crop
_SMALLEST = 0.35  # share of the area that a random crop keeps at least, as in ImagePreprocess


@dataclass(frozen=True, eq=False)
class MaskLabels:
    """What the masks hold.

    Attributes
    ----------
    classes : array of shape (n_classes,)
        Sorted.
    ignore_index : int or None
        Pixels that count nowhere.
    """

    classes: Array
    ignore_index: int | None
    kind: ClassVar[str] = "segmentation"

    @property
    def n_outputs(self) -> int:
        return len(self.classes)

    def encode(self, masks: Sequence[Array] | Array, size: Sequence[int]) -> Tensor:
        """Indices of the classes, at the nearest pixels of another size; -1 where they are ignored or not known."""
        found = np.full((len(masks), *size), _IGNORED, dtype=np.int16)
        for k, mask in enumerate(masks):
            rows, columns = (((np.arange(n) + 0.5) * old / n).astype(int) for n, old in zip(size, mask.shape))
            small = mask[rows[:, None], columns]
            index = np.searchsorted(self.classes, small).clip(max=len(self.classes) - 1)
            known = (self.classes[index] == small) & (small != self.ignore_index)
            found[k] = np.where(known, index, _IGNORED)
        return torch.from_numpy(found)

    def decode(self, logits: Tensor, size: Sequence[int]) -> Array:
        """The mask of one image, of that size, from logits of shape (n_classes, height, width)."""
        whole = functional.interpolate(logits[None], tuple(size), mode="bilinear", align_corners=False)[0]
        return self.classes[whole.argmax(dim=0).numpy()]

    def score(self, masks: Sequence[Array], predicted: Sequence[Array]) -> float:
        """Mean intersection over union."""
        return mean_iou(masks, predicted, ignore_index=self.ignore_index)


def read_masks(where: str, y: Any, n: int) -> Array:
    """Masks as an array of arrays.

    Raises
    ------
    DomainError
        If they are missing, too few, or not whole numbers of two axes.
    """
    if y is None:
        raise DomainError(f"{where}: y must hold the masks of X. Got None: requires y to be passed.")
    if not hasattr(y, "__len__") or len(y) != n:
        got = len(y) if hasattr(y, "__len__") else type(y).__name__
        raise DomainError(f"{where}: y must have one mask an image of X ({n}). Got {got}.")
    found = np.empty(n, dtype=object)
    for k in range(n):
        mask = y[k]
        found[k] = mask.detach().cpu().numpy() if isinstance(mask, Tensor) else np.asarray(mask)
        if found[k].ndim != 2 or found[k].dtype.kind not in "iub" or found[k].size == 0:
            got = f"{found[k].dtype} of shape {found[k].shape} at {k}"
            raise DomainError(f"{where}: y must hold masks, whole numbers of shape (height, width). Got {got}.")
    return found


def find_masks(where: str, masks: Sequence[Array] | Array, X: Any, ignore_index: int | None) -> MaskLabels:
    """The classes of masks, after a look whether they have the sizes of their images (where those are in memory).

    Raises
    ------
    DomainError
        If a size differs, or there is only one class.
    """
    for k, mask in enumerate(masks):
        size = size_in_memory(X, k)
        if size is not None and size != mask.shape:
            raise DomainError(f"{where}: y must have masks as large as the images. Got {mask.shape} for {size} at {k}.")
    parts = [np.unique(mask) for mask in masks]
    classes = np.unique(np.concatenate(parts))
    classes = classes[classes != ignore_index] if ignore_index is not None else classes
    if len(classes) < 2:
        raise DomainError(f"{where}: y must hold at least two classes. Got {classes.tolist()}.")
    return MaskLabels(classes, ignore_index)


def mask_loss(logits: Tensor, masks: Tensor, dice: float = 0.0) -> dict[str, Tensor]:
    """Cross-entropy over the pixels that count, and soft Dice loss.

    Parameters
    ----------
    logits : tensor of shape (batch, n_classes, height, width)
    masks : int tensor of shape (batch, height, width)
        -1 where a pixel does not count.
    dice : float, default=0.0
        Weight of the Dice loss ``1 - 2 sum(p g) / (sum(p) + sum(g))``, averaged over the classes that are in `masks`.

    Returns
    -------
    dict of str to scalar tensor
        ``loss`` and its parts.
    """
    y = masks.long()
    counts = y != _IGNORED
    each = functional.cross_entropy(logits, y, ignore_index=_IGNORED, reduction="sum")
    found = {"cross_entropy": each / counts.sum().clamp(min=1)}
    if dice == 0:
        return {"loss": found["cross_entropy"], **found}
    true = functional.one_hot(y.clamp(min=0), logits.shape[1]).movedim(-1, 1) * counts[:, None]
    soft = logits.softmax(dim=1) * counts[:, None]
    both, sums = (soft * true).sum(dim=(0, 2, 3)), (soft + true).sum(dim=(0, 2, 3))
    there = true.sum(dim=(0, 2, 3)) > 0
    found["dice"] = ((1 - 2 * both / sums.clamp(min=1e-6)) * there).sum() / there.sum().clamp(min=1)
    return {"loss": found["cross_entropy"] + dice * found["dice"], **found}


def random_views(x: Tensor, masks: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """Images and their masks after the same left-right flips and random resized crops.

    Parameters
    ----------
    x : tensor of shape (batch, n_channels, height, width)
    masks : int tensor of shape (batch, height, width)
    kind : {"none", "flip", "crop_flip"}
        Random numbers come from torch's global generator on the CPU, which the loop seeds anew for every update.
    """
    if kind == "none":
        return x, masks
    n = len(x)
    flip, area, ratio, right, down = torch.rand(5, n)
    width = height = torch.ones(n)
    if kind == "crop_flip":
        area = _SMALLEST + (1 - _SMALLEST) * area
        ratio = _RATIO ** (2 * ratio - 1)
        width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = torch.where(flip < 0.5, -width, width)
    theta[:, 0, 2] = (2 * right - 1) * (1 - width)
    theta[:, 1, 1] = height
    theta[:, 1, 2] = (2 * down - 1) * (1 - height)
    grid = functional.affine_grid(theta.to(x.device), [n, 1, *x.shape[-2:]], align_corners=False)
    seen = functional.grid_sample(x, grid.to(x.dtype), mode="bilinear", padding_mode="reflection", align_corners=False)
    # Class numbers are exact in float32; at the border the nearest pixel is always there.
    of_masks = functional.grid_sample(
        masks[:, None].float(), grid, mode="nearest", padding_mode="border", align_corners=False
    )  # fmt: skip
    return seen, of_masks[:, 0].to(masks.dtype)
