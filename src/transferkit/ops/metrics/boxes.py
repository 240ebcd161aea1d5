"""Boxes: intersection over union, and mean average precision of detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core.protocols import Array

__all__ = ["box_iou", "mean_average_precision"]


def box_iou(a: Any, b: Any) -> Array:
    """Intersection over union of every pair of boxes.

    Parameters
    ----------
    a, b : array-like of shape (n, 4) and (m, 4)
        Left, top, right, bottom.

    Returns
    -------
    array of shape (n, m)
        0 where both boxes are empty.
    """
    a, b = np.asarray(a, dtype=np.float64).reshape(-1, 4), np.asarray(b, dtype=np.float64).reshape(-1, 4)
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inside = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (a, b)]
    union = areas[0][:, None] + areas[1][None, :] - inside
    return np.divide(inside, union, out=np.zeros_like(inside), where=union > 0)


def mean_average_precision(
    truth: Sequence[Mapping[str, Any]], predicted: Sequence[Mapping[str, Any]], *, min_iou: float = 0.5
) -> float:
    """Area under the precision-recall curve of each class, averaged over the classes that are in the truth.

    Parameters
    ----------
    truth : sequence of mappings
        For each image ``boxes`` of shape (k, 4) and ``labels`` of shape (k,).
    predicted : sequence of mappings
        For each image ``boxes``, ``labels`` and ``scores``.
    min_iou : float in (0, 1], default=0.5
        Overlap that a detection needs.

    Returns
    -------
    score : float in [0, 1]
        NaN where the truth has no box.

    Notes
    -----
    Detections are taken in order of their scores over all images. One is right if the true box of its class and image that
    it overlaps most is overlapped by at least `min_iou` and was not taken by an earlier one. The area is exact: precision
    at a recall is the largest at this or any higher recall (PASCAL VOC from 2010 on), not sampled at 11 or 101 recalls.

    References
    ----------
    Everingham, Van Gool, Williams, Winn & Zisserman. The PASCAL Visual Object Classes (VOC) Challenge. IJCV 2010.

    Examples
    --------
    >>> from transferkit.ops.metrics.boxes import mean_average_precision
    >>> truth = [{"boxes": [[0, 0, 10, 10], [20, 0, 30, 10]], "labels": ["cat", "cat"]}]
    >>> found = [{"boxes": [[0, 0, 10, 9], [50, 50, 60, 60]], "labels": ["cat", "cat"], "scores": [0.9, 0.8]}]
    >>> mean_average_precision(truth, found)
    0.5
    """
    if len(truth) != len(predicted):
        raise ValueError(f"predicted must have one entry an image ({len(truth)}). Got {len(predicted)}.")
    classes = sorted({label for image in truth for label in np.asarray(image["labels"]).tolist()})
    scores = [_average_precision(truth, predicted, label, min_iou) for label in classes]
    return float(np.mean(scores)) if scores else float("nan")


def _average_precision(
    truth: Sequence[Mapping[str, Any]], predicted: Sequence[Mapping[str, Any]], label: Any, min_iou: float
) -> float:
    scores: list[Array] = []
    right: list[Array] = []
    n_true = 0
    for image, found in zip(truth, predicted):
        boxes = _of_class(image, label, "boxes").reshape(-1, 4)
        n_true += len(boxes)
        score = _of_class(found, label, "scores")
        order = np.argsort(-score, kind="stable")
        scores.append(score[order])
        right.append(_matched(_of_class(found, label, "boxes").reshape(-1, 4)[order], boxes, min_iou))
    score, hit = np.concatenate(scores), np.concatenate(right)
    hits = np.cumsum(hit[np.argsort(-score, kind="stable")])
    precision = hits / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(hits, prepend=0) * best_from_here) / n_true)


def _of_class(image: Mapping[str, Any], label: Any, what: str) -> Array:
    values = np.asarray(image[what], dtype=np.float64)
    return values[np.asarray(image["labels"]).reshape(-1) == label] if len(values) else values


def _matched(found: Array, boxes: Array, min_iou: float) -> Array:
    """Which detections of one image and class, in the order of their scores, are right."""
    right = np.zeros(len(found), dtype=bool)
    if len(boxes) == 0:
        return right
    overlap, taken = box_iou(found, boxes), np.zeros(len(boxes), dtype=bool)
    for k, row in enumerate(overlap):
        best = int(row.argmax())
        right[k] = row[best] >= min_iou and not taken[best]
        taken[best] |= right[k]
    return right
