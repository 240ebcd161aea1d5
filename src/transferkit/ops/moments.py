"""Count, mean and covariance of rows in one pass, from parts that are merged exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.chunks import Chunks
from ..core.protocols import Array
from .solvers.linalg import top_eigh

__all__ = ["Moments", "chunk_moments", "leading_axes", "merge_moments", "row_moments"]


@dataclass(frozen=True, eq=False)
class Moments:
    """First and second moments of rows, in float64.

    Attributes
    ----------
    n : int
        Number of rows.
    mean : array of shape (n_features,)
    scatter : array of shape (n_features, n_features)
        Sum of the outer products of the centred rows.
    """

    n: int
    mean: Array
    scatter: Array

    def covariance(self, reg: float = 0.0) -> Array:
        """Unbiased covariance plus ``reg`` times the identity, as `transferkit.ops.covariance.covariance` has it."""
        cov = self.scatter / max(self.n - 1, 1)
        cov.flat[:: cov.shape[0] + 1] += reg
        return cov

    @property
    def variance(self) -> Array:
        """Variance of each column with denominator n, as StandardScaler has it, of shape (n_features,)."""
        return np.diag(self.scatter) / self.n


def row_moments(X: Array) -> Moments:
    """Moments of rows that are in memory, of shape (n_samples, n_features)."""
    X = np.asarray(X, dtype=np.float64)
    mean = X.mean(axis=0)
    centred = X - mean
    return Moments(len(X), mean, centred.T @ centred)


def merge_moments(a: Moments, b: Moments) -> Moments:
    """Moments of the rows of both.

    Notes
    -----
    With ``delta = mean_b - mean_a``, the mean is ``mean_a + delta n_b / n`` and the scatter
    ``S_a + S_b + delta delta' n_a n_b / n`` (Chan et al., the formula for two samples of any size). No sum of raw squares is
    ever formed, so a mean that is large beside the spread costs no digits.

    References
    ----------
    Chan, Golub & LeVeque. Updating Formulae and a Pairwise Algorithm for Computing Sample Variances. COMPSTAT 1982.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.ops.moments import merge_moments, row_moments
    >>> X = np.array([[1.0], [2.0], [6.0]])
    >>> merge_moments(row_moments(X[:1]), row_moments(X[1:])).covariance()
    array([[7.]])
    """
    n = a.n + b.n
    delta = b.mean - a.mean
    scatter = a.scatter + b.scatter + np.outer(delta, delta) * (a.n * b.n / n)
    return Moments(n, a.mean + delta * (b.n / n), scatter)


def chunk_moments(chunks: Chunks) -> Moments:
    """Moments of rows that are read in chunks: one pass, merged two by two."""
    found: Any = chunks.reduce(row_moments, merge_moments)
    assert isinstance(found, Moments)
    return found


def leading_axes(moments: Moments, k: int) -> Array:
    """The first principal directions as columns: `transferkit.ops.solvers.linalg.principal_axes` from moments.

    Returns
    -------
    axes : array of shape (n_features, n_axes)
        ``n_axes`` is `k`, or the rank of the scatter where that is smaller, but at least 1.
    """
    d = len(moments.mean)
    values, vectors = top_eigh(moments.scatter, min(k, moments.n, d))
    rank = int((values > values[0] * max(moments.n, d) * np.finfo(np.float64).eps).sum())
    return vectors[:, : max(rank, 1)]
