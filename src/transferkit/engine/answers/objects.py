"""Objects in images, boxes with labels, as a detector takes them, and its outputs as objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...core.errors import DomainError
from ...core.protocols import Array
from ...ops.metrics.boxes import mean_average_precision
from .labels import as_values

__all__ = ["ObjectLabels", "as_targets", "find_objects", "flipped", "read_objects"]


@dataclass(frozen=True, eq=False)
class ObjectLabels:
    """What the objects are.

    Attributes
    ----------
    classes : array of shape (n_classes,)
        Sorted.
    """

    classes: Array
    kind: ClassVar[str] = "detection"

    @property
    def n_outputs(self) -> int:
        return len(self.classes)

    def encode(self, objects: Sequence[Mapping[str, Array]] | Array, sizes: Sequence[tuple[int, int]]) -> Tensor:
        """Class index, centre, width and height as shares of the image, of shape (n_images, most objects, 5).

        The class is -1 after the last object.
        """
        most = max(1, *(len(one["labels"]) for one in objects))
        found = np.full((len(objects), most, 5), -1.0, dtype=np.float32)
        for row, one, (height, width) in zip(found, objects, sizes):
            n = len(one["labels"])
            boxes = one["boxes"] / np.array([width, height, width, height])
            boxes = boxes.clip(0, 1)
            row[:n, 0] = np.searchsorted(self.classes, one["labels"])
            row[:n, 1:3] = (boxes[:, :2] + boxes[:, 2:]) / 2
            row[:n, 3:] = boxes[:, 2:] - boxes[:, :2]
        return torch.from_numpy(found)

    def as_shares(self, y: Tensor) -> list[dict[str, Array]]:
        """Encoded objects with their boxes as shares of the image."""
        found = []
        for one in as_targets(y):
            centre, extent = one["boxes"][:, :2], one["boxes"][:, 2:]
            corners = torch.cat([centre - extent / 2, centre + extent / 2], dim=1).numpy()
            found.append({"boxes": corners, "labels": self.classes[one["class_labels"].numpy()]})
        return found

    def decode(
        self, outputs: Array, sizes: Sequence[tuple[int, int]], min_score: float = 0.0
    ) -> list[dict[str, Array]]:
        """Objects of each image, the surest first.

        Parameters
        ----------
        outputs : array of shape (n_images, n_queries, n_logits + 4)
            Logits and boxes side by side. One logit more than classes stands for "no object": then a softmax gives one
            object a query. Else every logit is a sigmoid's, and the surest of all queries and classes are taken, as many
            as there are queries.
        sizes : sequence of (int, int)
            Height and width of each image.
        min_score : float, default=0.0
            Objects below are left out.
        """
        return [
            self._decoded(one.astype(np.float64), size, min_score) for one, size in zip(outputs, sizes, strict=True)
        ]

    def _decoded(self, output: Array, size: tuple[int, int], min_score: float) -> dict[str, Array]:
        logits, boxes = output[:, :-4], output[:, -4:]
        if logits.shape[1] == self.n_outputs + 1:
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            each = (powers / powers.sum(axis=1, keepdims=True))[:, :-1]
            query, index = np.arange(len(each)), each.argmax(axis=1)
        else:
            each = 1 / (1 + np.exp(-logits.clip(-500, 500)))
            best = np.argsort(-each, axis=None, kind="stable")[: len(each)]
            query, index = np.unravel_index(best, each.shape)
        scores = each[query, index]
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] >= min_score]
        centre, extent = boxes[query[order], :2], boxes[query[order], 2:]
        corners = np.concatenate([centre - extent / 2, centre + extent / 2], axis=1).clip(0, 1)
        height, width = size
        return {
            "boxes": corners * np.array([width, height, width, height]),
            "labels": self.classes[index[order]],
            "scores": scores[order],
        }

    def score(self, objects: Sequence[Mapping[str, Any]], predicted: Sequence[Mapping[str, Any]]) -> float:
        """Mean average precision at an overlap of one half."""
        return mean_average_precision(objects, predicted)


def read_objects(where: str, y: Any, n: int) -> Array:
    """Objects as an array of mappings with ``boxes`` of shape (k, 4) and ``labels`` of shape (k,).

    Raises
    ------
    DomainError
        If they are missing or too few, or boxes are not finite, or have no area.
    """
    if y is None:
        raise DomainError(f"{where}: y must hold the objects of X. Got None: requires y to be passed.")
    if not hasattr(y, "__len__") or isinstance(y, Mapping) or len(y) != n:
        got = len(y) if hasattr(y, "__len__") else type(y).__name__
        raise DomainError(f"{where}: y must have one mapping of boxes and labels an image of X ({n}). Got {got}.")
    found = np.empty(n, dtype=object)
    for k in range(n):
        if not isinstance(y[k], Mapping) or not {"boxes", "labels"} <= set(y[k]):
            keys = sorted(map(str, y[k])) if isinstance(y[k], Mapping) else type(y[k]).__name__
            raise DomainError(f"{where}: y must hold mappings with boxes and labels. Got {keys} at {k}.")
        boxes = np.asarray(y[k]["boxes"], dtype=np.float64)
        boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
        labels = as_values(y[k]["labels"])
        if boxes.ndim != 2 or boxes.shape[1] != 4 or labels.shape != (len(boxes),):
            got = f"shapes {boxes.shape} and {labels.shape} at {k}"
            raise DomainError(f"{where}: y must hold boxes of shape (k, 4) and labels of shape (k,). Got {got}.")
        if not np.isfinite(boxes).all() or (boxes[:, 2:] <= boxes[:, :2]).any():
            raise DomainError(
                f"{where}: y must hold boxes as left, top, right, bottom with an area. Got others at {k}."
            )
        found[k] = {"boxes": boxes, "labels": labels}
    return found


def find_objects(
    where: str, objects: Sequence[Mapping[str, Array]] | Array, sizes: Sequence[tuple[int, int]]
) -> ObjectLabels:
    """The classes, after a look whether boxes lie in their images.

    Raises
    ------
    DomainError
        If a box is outside its image, or there is no object at all.
    """
    for k, (one, (height, width)) in enumerate(zip(objects, sizes)):
        boxes = one["boxes"]
        if len(boxes) and not (
            (boxes[:, 2:] > 0).all() and (boxes[:, 0] < width).all() and (boxes[:, 1] < height).all()
        ):
            raise DomainError(
                f"{where}: y must hold boxes in pixels of their images. Got one outside {width} x {height} pixels at {k}."
            )
    parts = [one["labels"] for one in objects if len(one["labels"])]
    if not parts:
        raise DomainError(f"{where}: y must hold objects. Got none in any image.")
    classes = np.unique(np.concatenate(parts))
    if classes.dtype == object or classes.dtype.kind not in "iubU":
        raise DomainError(f"{where}: y must hold labels that are text or whole numbers. Got dtype {classes.dtype}.")
    return ObjectLabels(classes)


def as_targets(y: Tensor) -> list[dict[str, Tensor]]:
    """Encoded objects as the detectors of transformers take them."""
    kept = [one[one[:, 0] >= 0] for one in y]
    return [{"class_labels": one[:, 0].long(), "boxes": one[:, 1:]} for one in kept]


def flipped(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Half of the images, and their objects, turned left to right; random numbers come from torch's global generator."""
    flip = (torch.rand(len(x)) < 0.5).to(x.device)
    turned = y.clone()
    turned[..., 1] = 1 - turned[..., 1]
    return torch.where(flip[:, None, None, None], x.flip(-1), x), torch.where(flip[:, None, None], turned, y)
