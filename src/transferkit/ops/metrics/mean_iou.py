"""Mean intersection over union: how well predicted masks cover true ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["mean_iou"]


def mean_iou(masks: Iterable[Any], predicted: Iterable[Any], *, ignore_index: int | None = 255) -> float:
    """Intersection over union of each class over all pixels of all masks, averaged over classes.

    Parameters
    ----------
    masks, predicted : iterables of int arrays of shape (height, width)
        True and predicted classes, mask by mask of the same size.
    ignore_index : int, default=255
        True pixels of this value count nowhere; None counts all.

    Returns
    -------
    score : float in [0, 1]
        Classes that are in neither count nowhere; NaN where no pixel counts.

    Examples
    --------
    >>> from transferkit.ops.metrics.mean_iou import mean_iou
    >>> mean_iou([[[0, 0, 1, 255]]], [[[0, 1, 1, 1]]])
    0.5
    """
    both: dict[int, int] = {}
    true: dict[int, int] = {}
    found: dict[int, int] = {}
    for mask, guess in zip(masks, predicted, strict=True):
        truth, guess = np.asarray(mask), np.asarray(guess)
        kept = np.ones(truth.shape, dtype=bool) if ignore_index is None else truth != ignore_index
        truth, guess = truth[kept], guess[kept]
        for counts, values in ((both, truth[truth == guess]), (true, truth), (found, guess)):
            for label, n in zip(*(part.tolist() for part in np.unique(values, return_counts=True))):
                counts[label] = counts.get(label, 0) + n
    labels = true.keys() | found.keys()
    scores = [both.get(c, 0) / (true.get(c, 0) + found.get(c, 0) - both.get(c, 0)) for c in sorted(labels)]
    return float(np.mean(scores)) if scores else float("nan")
