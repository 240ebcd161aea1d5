"""Domains whose classes differ: each has one that the other lacks."""

from __future__ import annotations

import numpy as np

from shifts import Shift


def overlapping(seed: int, n: int = 200, k: int = 4, move: float = 0.3) -> Shift:
    """The source has classes 0 to k - 1, the target 1 to k, moved a little; each class is around an axis of its own."""
    rng = np.random.default_rng(seed)

    def draw(first: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.arange(n) % k + first
        X = rng.normal(scale=0.7, size=(n, k + 2))
        X[np.arange(n), y] += 4
        return X, y

    (X, y), (Xt, yt) = draw(0), draw(1)
    return Shift(X, y, Xt + move, yt)
