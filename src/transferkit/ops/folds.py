"""Cross-validation folds that work with any class size, one row a class included."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..core.protocols import Array

__all__ = ["deal_folds"]


def deal_folds(codes: Array | None, n_splits: int, random_state: Any = None, *, n: int | None = None) -> Array:
    """Deal rows to folds like cards, class by class, so that fold and class sizes differ by one at most.

    Parameters
    ----------
    codes : array of shape (n,) or None
        Classes; None deals all rows from one stack.
    n_splits : int
        Number of folds, at most the number of rows.
    random_state : int, RandomState or None
        Shuffles each stack.
    n : int, optional
        Number of rows, where `codes` is None.

    Returns
    -------
    int array of shape (n,)
        The fold of each row.
    """
    rng = check_random_state(random_state)
    stack = np.zeros(n or 0, dtype=int) if codes is None else np.asarray(codes)
    shuffled = rng.permutation(len(stack))
    order = shuffled[np.argsort(stack[shuffled], kind="stable")]
    folds = np.empty(len(stack), dtype=int)
    folds[order] = np.arange(len(stack)) % n_splits
    return folds
