"""Kernels of one domain among several: rows brought to unit length on average, then an inner product or a Gaussian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.protocols import Array
from .gaussian import median_gamma, rbf

__all__ = ["SpaceKernel", "unit_rows"]


def unit_rows(X: Array) -> tuple[Array, float]:
    """The mean of the rows, and the root mean squared length of what is left without it (1 where nothing is).

    Parameters
    ----------
    X : array of shape (n, n_features)
    """
    X = np.asarray(X, dtype=np.float64)
    mean = X.mean(axis=0)
    return mean, float(np.sqrt(((X - mean) ** 2).sum(axis=1).mean())) or 1.0


@dataclass(frozen=True, eq=False)
class SpaceKernel:
    """A kernel between rows of one domain.

    Attributes
    ----------
    mean : array of shape (n_features,)
    scale : float
        Rows are centred and divided by it: `unit_rows`.
    gamma : float or None
        ``exp(-gamma |x - y|^2)``; None is the inner product.
    """

    mean: Array
    scale: float
    gamma: float | None

    @classmethod
    def of(cls, X: Array, kernel: str, gamma: float | None) -> SpaceKernel:
        """For a domain's rows; `kernel` is "linear" or "rbf", whose `gamma` is the median's (`median_gamma`) where None."""
        mean, scale = unit_rows(X)
        if kernel == "linear":
            return cls(mean, scale, None)
        return cls(mean, scale, gamma or median_gamma((X - mean) / scale))

    def __call__(self, X: Array, Y: Array) -> Array:
        """Values of shape (len(X), len(Y))."""
        X, Y = ((np.asarray(Z, dtype=np.float64) - self.mean) / self.scale for Z in (X, Y))
        return np.asarray(X @ Y.T) if self.gamma is None else rbf(X, Y, self.gamma)
