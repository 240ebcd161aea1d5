"""Labels of several files in one kind: numbers, truth values or text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.protocols import Array

__all__ = ["in_kind_of", "unlike", "with_one_kind"]

_TRUTH = ("true", "false")
_STYLES = (str.lower, str.capitalize, str.upper)


def in_kind_of(y: Array, like: Array) -> Array | None:
    """Labels in the kind of others: truth values as the words true and false, written as there, or these words as truth values.

    Whether a file's labels are truth values or words follows from its own rows: where one of "true" and "false" stands beside
    "unclear", all are words.

    Returns
    -------
    array of shape of `y`, or None
        None where one side is text, the other is not, and it would have to be guessed what goes with what.
    """
    if _is_text(y) == _is_text(like):
        return y
    if y.dtype == bool:
        words = {word for word in map(str, np.unique(like.astype(str))) if word.lower() in _TRUTH}
        style = next((style for style in _STYLES if words and all(style(word) == word for word in words)), None)
        return None if style is None else np.where(y, style("true"), style("false")).astype(object)
    words = {word.lower() for word in map(str, y.astype(str).ravel())}
    if like.dtype == bool and words <= set(_TRUTH):
        return np.char.lower(y.astype(str)) == "true"
    return None


def with_one_kind(labels: Sequence[Array], origins: Sequence[str], column: Any = None) -> list[Array]:
    """Labels of several files or domains, as text where some are text.

    Parameters
    ----------
    labels : sequence of array
    origins : sequence of str
        What messages call the files.
    column : str or int, optional
        What they call the labels.

    Raises
    ------
    DataError
        If some are text and others are not, and these are no truth values beside the words true and false; the message names
        two of the files.
    """
    text = next((k for k, y in enumerate(labels) if _is_text(y)), None)
    if text is None:
        return list(labels)
    words = np.concatenate([y.ravel() for y in labels if _is_text(y)])
    found = [in_kind_of(y, words) for y in labels]
    for y, same, origin in zip(labels, found, origins):
        if same is None:
            raise DataError(unlike(y, labels[text], origin, origins[text], column))
    return [y for y in found if y is not None]


def unlike(y: Array, other: Array, origin: str, elsewhere: str, column: Any = None) -> str:
    """The message for labels of two kinds."""
    name = "labels" if column is None else f"labels (column {column!r})"
    return (
        f"{origin}: {name} must be of one kind in all files. Got {_told(y)} here, and {_told(other)} in {elsewhere}. Write them"
        " alike: all as text, or all as numbers."
    )


def _is_text(y: Array) -> bool:
    return y.dtype.kind in "OUS"


def _told(y: Array) -> str:
    kind = "text" if _is_text(y) else "true/false" if y.dtype == bool else "numbers"
    return f"{kind} ({', '.join(repr(v) for v in list(dict.fromkeys(y.ravel().tolist()))[:3])})"
