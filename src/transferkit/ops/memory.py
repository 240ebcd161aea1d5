"""Which rows a bounded memory keeps of a stream: a reservoir, equal numbers of each class, or those nearest a class' mean."""

from __future__ import annotations

import numpy as np

from ..core.protocols import Array

__all__ = ["greedy_balance", "herding", "keep_smallest", "row_keys"]


def row_keys(seed: int, start: int, n: int) -> Array:
    """One number of [0, 1) for each of the rows ``start, ..., start + n - 1`` of a stream, of shape (n,).

    A row's number follows from the seed and its place alone, so that it does not matter in which pieces the stream came.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.ops.memory import row_keys
    >>> bool((row_keys(3, 0, 10)[4:] == row_keys(3, 4, 6)).all())
    True
    """
    found: Array = np.random.Generator(np.random.PCG64(seed).advance(start)).random(n)
    return found


def keep_smallest(keys: Array, size: int) -> Array:
    """Places of the `size` smallest keys, in order of place.

    Of a stream with keys of `row_keys`, this is a uniform sample without replacement of all rows that have come: a
    reservoir (Vitter 1985), drawn with a key a row (Fan, Muller & Rezucha 1962) instead of a draw a row.
    """
    if len(keys) <= size:
        return np.arange(len(keys))
    return np.sort(np.argpartition(keys, size - 1)[:size]) if size else np.arange(0)


def greedy_balance(y: Array, n_old: int, keys: Array, size: int) -> Array:
    """The greedy balancing sampler of GDumb (Prabhu, Torr & Dokania, ECCV 2020, algorithm 1).

    Parameters
    ----------
    y : int array of shape (n_rows,)
        Classes: first those of the memory, then those of new rows in the order in which they come.
    n_old : int
        How many are of the memory.
    keys : array of shape (n_rows - n_old,)
        One number of [0, 1) a new row: which row of the largest class it replaces, where it does.
    size : int
        Rows that are kept at most.

    Returns
    -------
    rows : int array of shape (at most size,)
        Places of `y` that are kept, in order of place.
    """
    kept: dict[int, list[int]] = {}
    for place in range(n_old):
        kept.setdefault(int(y[place]), []).append(place)
    for place in range(n_old, len(y)):
        label = int(y[place])
        own = kept.setdefault(label, [])
        new = not own
        if not new and len(own) >= size / len(kept):
            continue  # it has its share
        if sum(map(len, kept.values())) >= size:
            largest = max(kept.values(), key=len)
            largest.pop(int(keys[place - n_old] * len(largest)))
        own.append(place)
    return np.array(sorted(p for places in kept.values() for p in places), dtype=np.int64)


def herding(Z: Array, n: int) -> Array:
    """Rows whose running mean stays nearest the mean of all: the exemplars of iCaRL (Rebuffi et al., CVPR 2017, algorithm 4).

    Parameters
    ----------
    Z : array of shape (n_rows, n_features)
        Features of one class.
    n : int
        How many are chosen, at most all.

    Returns
    -------
    rows : int array of shape (min(n, n_rows),)
        In order of choice: the first m of them are the choice of m.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.ops.memory import herding
    >>> herding(np.array([[0.0], [1.0], [2.0], [5.0]]), 2).tolist()
    [2, 1]
    """
    mean = Z.mean(axis=0)
    chosen: list[int] = []
    total = np.zeros_like(mean)
    free = np.ones(len(Z), dtype=bool)
    for k in range(1, min(n, len(Z)) + 1):
        distance = np.square(mean - (total + Z) / k).sum(axis=1)
        best = int(np.where(free, distance, np.inf).argmin())
        chosen.append(best)
        free[best] = False
        total = total + Z[best]
    return np.array(chosen, dtype=np.int64)
