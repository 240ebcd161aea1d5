"""Affine functions of rows, read off from what they give for a few of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.protocols import Array

__all__ = ["affine_of"]

_TOLERANCE = 1e-10
_SIZES = (0.1, 1.0, 30.0, 1e4)  # of rows that it is tested on
_MOST_ENTRIES = 5e7  # of a matrix that is read off: 400 MB


def affine_of(function: Callable[[Array], Any], n_features: int, *, identity: bool = True) -> tuple[Any, Array] | None:
    """Matrix and offset of a map ``x -> x A + b`` from the rows 0 and e_j; A None is the identity; None: it is not affine.

    An affine map is settled by n_features + 1 rows; that it is one is tested on random rows of several sizes.

    Parameters
    ----------
    function : callable
        From rows of shape (n, n_features) to rows, as an array.
    n_features : int
    identity : bool
        Whether the identity is told apart.
    """
    tests = [size * np.random.default_rng(k).normal(size=(5, n_features)) for k, size in enumerate(_SIZES)]
    images = [_array(function(x)) for x in tests]
    if any(i is None or not np.isfinite(i).all() for i in images):
        return None
    if identity and all(np.array_equal(i, x) for i, x in zip(images, tests)):
        return None, np.zeros(n_features)
    if n_features * images[0].shape[1] > _MOST_ENTRIES:
        return None
    offset = _array(function(np.zeros((1, n_features))))[0]
    starts = range(0, n_features, 1000)  # all unit vectors at once would be a square matrix
    matrix = np.vstack([_array(function(np.eye(min(1000, n_features - k), n_features, k))) - offset for k in starts])
    for x, image in zip(tests, images):
        size = np.abs(x) @ np.abs(matrix) + np.abs(offset)
        if not (np.abs(x @ matrix + offset - image) <= _TOLERANCE * size.max()).all():
            return None
    return matrix, offset


def _array(value: Any) -> Any:
    value = value.toarray() if hasattr(value, "toarray") else np.asarray(value)
    return value if value.ndim == 2 and value.dtype.kind == "f" else None
