"""Have the target's rows left the space that the source's rows span, or the places where the source has rows?"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ...core.protocols import Array

__all__ = ["outside_rows", "share_outside"]


def outside_rows(own: Array, others: Array, *, level: float = 0.01) -> Array:
    """Rows of one sample in the region that scores highest and holds at most `level` of the other sample.

    Of all regions with that share of the other sample, one above a threshold of the density ratio holds the most of this
    sample (Neyman & Pearson 1933); the probability of a domain classifier orders rows by that ratio. Without a shift, the
    share of rows outside is at most about `level`.

    Parameters
    ----------
    own : array of shape (n,)
        Held-out scores of the sample whose support is meant.
    others : array of shape (m,)
        Held-out scores of the rows that may be outside; high where they are unlike the first sample.
    level : float in (0, 1)
        Share of the sample's own rows that may lie in the region. With fewer than ``1 / level`` rows, none may.

    Returns
    -------
    bool array of shape (m,)
    """
    limit = np.sort(own)[len(own) - 1 - int(level * len(own))]
    outside: Array = others > limit
    return outside


def share_outside(Xs: Array, Xt: Array, *, variance: float = 0.99, n_folds: int = 5, random_state: Any = None) -> float:
    """Share of target rows farther from the source's principal subspace than any held-out source row is.

    The squared prediction error of process monitoring (Jackson & Mudholkar, Technometrics 1979), with the limit taken from
    cross-validation. A move of the rows by a few standard deviations within the space that the source's columns span
    leaves it near 0; another instrument or unit shows as 1. Columns without common structure span everything: the share
    is small then, and nothing is said.

    Parameters
    ----------
    Xs, Xt : arrays of shape (n_source, n_features), (n_target, n_features)
        Rows; five source rows or more.
    variance : float in (0, 1)
        Share of the source's variance that its subspace holds.
    n_folds : int
        Folds over the source's rows.
    random_state : int, RandomState or None
        For the folds.
    """
    order = check_random_state(random_state).permutation(len(Xs))
    own = np.empty(len(Xs))
    for fold in np.array_split(order, min(n_folds, len(Xs))):
        own[fold] = _distance(np.delete(Xs, fold, axis=0), Xs[fold], variance)
    return float((_distance(Xs, Xt, variance) > own.max()).mean())


def _distance(X: Array, rows: Array, variance: float) -> Array:
    """Distance of each row from the principal subspace of X."""
    centre = X.mean(axis=0)
    _, S, V = np.linalg.svd(X - centre, full_matrices=False)
    held = np.cumsum(S**2)
    V = V[: int(np.searchsorted(held, variance * held[-1])) + 1]
    residual = rows - centre
    distance: Array = np.linalg.norm(residual - (residual @ V.T) @ V, axis=1)
    return distance
