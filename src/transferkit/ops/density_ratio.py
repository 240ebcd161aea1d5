"""Kernel widths to try and centres to place: what the density ratio estimators share."""

from __future__ import annotations

import numpy as np

from ..core.protocols import Array

__all__ = ["draw_centres", "gamma_grid"]


def gamma_grid(gamma: float) -> Array:
    """Kernel parameters whose widths are 4 to 1/4 times that of `gamma`, in steps of the square root of 2."""
    return gamma * 2.0 ** np.arange(-4, 5)


def draw_centres(Xt: Array, n_centres: int, rng: np.random.RandomState) -> Array:
    """At most `n_centres` target rows, drawn without replacement: the middles of the kernels."""
    return Xt[rng.permutation(len(Xt))[:n_centres]]
