"""Classes that are known by a description only: their vectors, calibrated scores, and how seen and unseen ones fare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.constraints import Either, Fulfils, Nothing, Rule
from ..core.errors import DomainError
from ..core.protocols import Array

__all__ = ["DESCRIPTIONS", "EMBEDDING", "Described", "ZeroShotScores", "describe", "handicap", "zero_shot_scores"]

DESCRIPTIONS: Rule = Either(
    Nothing(), Fulfils("be a mapping of classes to vectors or texts", lambda v: isinstance(v, Mapping) and len(v) > 0)
)
EMBEDDING: Rule = Fulfils("be a text backbone's name", lambda v: isinstance(v, str) and v != "")


@dataclass(frozen=True, eq=False)
class Described:
    """All classes that can be predicted.

    Attributes
    ----------
    classes : array of shape (n_classes,)
        Sorted.
    vectors : array of shape (n_classes, n_attributes)
        Their descriptions.
    seen : bool array of shape (n_classes,)
        Which of them have rows.
    """

    classes: Array
    vectors: Array
    seen: Array


def describe(
    where: str, descriptions: Mapping[Any, Any] | None, seen: Array, embed: Callable[[list[str]], Array]
) -> Described:
    """Vectors of the classes that have rows and of those that are described only.

    Parameters
    ----------
    where : str
        Class and method, for messages.
    descriptions : mapping of class to vector or text, or None
        None describes each class by itself alone: an indicator; then no class is unseen.
    seen : array of shape (n_seen,)
        Sorted classes that have rows.
    embed : callable
        Turns texts into vectors.

    Raises
    ------
    DomainError
        If a class of the rows is not described, or the descriptions are not all vectors of one length or all texts.
    """
    if descriptions is None:
        return Described(seen, np.eye(len(seen)), np.ones(len(seen), dtype=bool))
    missing = [c for c in seen.tolist() if c not in descriptions]
    if missing:
        raise DomainError(f"{where}: descriptions must hold every class of y. Got none of {missing[:5]}.")
    text = seen.dtype.kind in "OU"
    foreign = [c for c in descriptions if not (isinstance(c, str) if text else _is_number(c, seen.dtype.kind))]
    if foreign:
        raise DomainError(
            f"{where}: descriptions must have classes of the type of y ({seen.dtype}). Got {foreign[0]!r}."
        )
    unseen = [c for c in descriptions if c not in set(seen.tolist())]
    dtype = object if seen.dtype == object else np.int64 if seen.dtype.kind in "iu" else None
    new = np.array(unseen, dtype=dtype) if unseen else seen[:0]
    classes = np.concatenate([seen, new])
    order = np.argsort(classes)
    given = [descriptions[c] for c in [*seen.tolist(), *unseen]]
    if all(isinstance(d, str) for d in given):
        vectors = np.asarray(embed(given), dtype=np.float64)
    else:
        try:
            vectors = np.array([np.asarray(d, dtype=np.float64) for d in given])
        except (TypeError, ValueError) as err:
            raise DomainError(
                f"{where}: descriptions must be all texts or all vectors of one length. Got: {err}"
            ) from err
    if vectors.ndim != 2 or not vectors.shape[1] or not np.isfinite(vectors).all():
        raise DomainError(
            f"{where}: descriptions must be all texts or all finite vectors of one length. Got shape {vectors.shape}."
        )
    return Described(classes[order], vectors[order], (np.arange(len(classes)) < len(seen))[order])


def _is_number(value: Any, kind: str) -> bool:
    """Whether it can be a class beside others whose dtype is of that kind: whole numbers stay so, True and False too."""
    if kind == "b" or isinstance(value, (bool, np.bool_)):
        return kind == "b" and isinstance(value, (bool, np.bool_))
    if isinstance(value, (int, np.integer)):
        return True
    return isinstance(value, (float, np.floating)) and (float(value).is_integer() if kind in "iu" else value == value)


def handicap(described: Described, candidates: str, calibration: float) -> Array:
    """What is taken off the scores of every class, of shape (n_classes,).

    Parameters
    ----------
    described : Described
    candidates : {"all", "unseen"}
        With "unseen" no class that has rows is predicted: the conventional zero-shot task.
    calibration : float
        Taken off the seen classes' scores: calibrated stacking.
    """
    off = np.inf if candidates == "unseen" and not described.seen.all() else calibration
    return np.where(described.seen, off, 0.0)


@dataclass(frozen=True)
class ZeroShotScores:
    """How a generalised zero-shot classifier fares.

    Attributes
    ----------
    seen, unseen : float
        Mean over the classes of the share of their rows that is right; of classes with rows in training, and of others.
    harmonic : float
        ``2 seen unseen / (seen + unseen)``: 0 where one of them is.
    """

    seen: float
    unseen: float
    harmonic: float


def zero_shot_scores(y: Any, predicted: Any, seen_classes: Any) -> ZeroShotScores:
    """Accuracy on seen and on unseen classes, each class counting the same, and their harmonic mean.

    Parameters
    ----------
    y, predicted : array-like of shape (n_samples,)
        True and predicted classes.
    seen_classes : array-like
        Classes that had rows in training.

    Returns
    -------
    ZeroShotScores
        nan for a side that has no rows.

    Raises
    ------
    DomainError
        If the lengths differ.

    References
    ----------
    Xian, Schiele & Akata. Zero-Shot Learning: the Good, the Bad and the Ugly. CVPR 2017.

    Examples
    --------
    >>> from transferkit.ops.zero_shot import zero_shot_scores
    >>> zero_shot_scores(["cat", "cat", "owl", "owl"], ["cat", "cat", "cat", "owl"], ["cat"])
    ZeroShotScores(seen=1.0, unseen=0.5, harmonic=0.666...)
    """
    y, predicted = np.asarray(y), np.asarray(predicted)
    if y.shape != predicted.shape or y.ndim != 1:
        raise DomainError(
            f"zero_shot_scores: y and predicted must be of one length. Got shapes {y.shape}, {predicted.shape}."
        )
    known = set(np.asarray(seen_classes).tolist())
    share = {c: float((predicted[y == c] == c).mean()) for c in np.unique(y)}
    sides = [[v for c, v in share.items() if (c in known) == side] for side in (True, False)]
    seen, unseen = (float(np.mean(v)) if v else float("nan") for v in sides)
    total = seen + unseen
    return ZeroShotScores(seen, unseen, 2 * seen * unseen / total if total else 0.0)
