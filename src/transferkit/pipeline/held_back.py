"""Labels of the target: which of them a method may see, and which are held back for the final score."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.errors import DomainError
from ..core.protocols import Array, Domain
from ..data.label_kinds import in_kind_of, unlike
from .define import Defined

__all__ = ["HeldBack", "held_back_sum", "plain_labels", "split_labels"]


@dataclass(frozen=True, eq=False)
class HeldBack:
    """Target labels for the final score. Only step 5 gets to see them, after the choice has been made.

    Attributes
    ----------
    rows : int array of shape (n_held_back,)
        Rows of the target.
    y : array of shape (n_held_back,)
        Their labels.
    """

    rows: Array
    y: Array


def plain_labels(y: Any) -> Array:
    """Labels as a numpy array of numbers or text; objects become text."""
    values = np.asarray(y)
    return values.astype(str) if values.dtype == object else values


def split_labels(
    defined: Defined, target: Domain, classes: Array | None, ys: Array, notes: list[str]
) -> tuple[Domain, HeldBack | None]:
    """The target as methods may see it, and the labels they may not."""
    there = target.mask
    if defined.target_labels == "none" or not there.any():
        return target.hide(), None
    y = _as_source(defined, target, there, ys)
    if classes is not None:
        unknown = np.setdiff1d(y[there], classes)
        if len(unknown):
            raise DomainError(
                f"{target.name}: target labels must be classes of the source. Got also {unknown[:5].tolist()}."
            )
    if defined.target_labels == "test":
        rows = np.flatnonzero(there)
        return target.hide(), HeldBack(rows, y[rows])
    known = _shots(defined, y, there, classes)
    if not (there & ~known).any():
        notes.append("All known target labels are used, none is held back: there is no measured score.")
    held = np.flatnonzero(there & ~known)
    # A filler, so that the true label is not in the object at all.
    visible = np.where(known if y.ndim == 1 else known[:, None], y, ys[0])
    return replace(target, y=visible, known=known), HeldBack(held, y[held]) if len(held) else None


def _as_source(defined: Defined, target: Domain, there: Array, ys: Array) -> Array:
    """Target labels in the type of the source's: whole numbers read as floats where some are missing, 0 and 1 as truth values."""
    y = plain_labels(target.y)
    if y.shape[1:] != ys.shape[1:]:
        raise DomainError(
            f"{target.name}: target labels must be of the source's form ({_form(ys)}). Got {_form(y)}; --label names another"
            " column or variable."
        )
    if y.ndim == 2:
        return np.asarray(y.astype(ys.dtype))
    own = in_kind_of(y[there], ys)
    if own is None:
        raise DomainError(unlike(y[there], ys, target.name, defined.sources[0].name, defined.task.label))
    own = plain_labels(own)
    filled = np.full(len(y), ys[0], dtype=np.result_type(own, ys))
    filled[there] = own
    if ys.dtype.kind in "biu" and (filled == filled.astype(ys.dtype)).all():
        filled = filled.astype(ys.dtype)
    return filled


def _form(y: Array) -> str:
    return "one a row" if y.ndim == 1 else f"a table of {y.shape[1]} labels"


def _shots(defined: Defined, y: Array, there: Array, classes: Array | None) -> Array:
    """Which target labels are known: all that are there, or `shots` a class drawn by the seed."""
    shots = defined.task.shots
    if shots is None:
        return there
    rng = np.random.default_rng(defined.task.seed)
    known = np.zeros(len(y), dtype=bool)
    if y.ndim == 2:
        parts = [there & (own == 1) for own in y.T]
    else:
        parts = [there] if classes is None else [there & (y == c) for c in classes]
    for rows in map(np.flatnonzero, parts):
        known[rng.permutation(rows)[:shots]] = True
    return known


def held_back_sum(held: HeldBack | None) -> str:
    """SHA-256 of the held-back labels, for a resumed run to see that they are the same; tells nothing of them."""
    text = "" if held is None else json.dumps([held.rows.tolist(), held.y.tolist()])
    return hashlib.sha256(text.encode()).hexdigest()
