"""Accelerated proximal gradient descent, and the proximal maps of penalties on a matrix of tasks' coefficients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...core.protocols import Array

__all__ = ["descend", "shrink_clusters", "shrink_rows", "shrink_singular_values"]


def descend(
    gradient: Callable[[Array], Array],
    shrink: Callable[[Array, float], Array],
    start: Array,
    lipschitz: float,
    max_iter: int,
    tol: float,
) -> tuple[Array, int, bool]:
    """Minimise a smooth function plus a penalty.

    Parameters
    ----------
    gradient : callable
        Of the smooth function.
    shrink : callable
        ``shrink(V, step)``: the minimiser of ``|W - V|^2 / 2 + step * penalty(W)``.
    start : array
        Where to begin.
    lipschitz : float
        Of the gradient.
    max_iter : int
        Most steps.
    tol : float
        Relative change of a step at which it ends.

    Returns
    -------
    W : array
        The minimiser.
    n_iter : int
        Steps done.
    converged : bool
        Whether the last step was within `tol`.

    Notes
    -----
    FISTA (Beck & Teboulle 2009), begun anew where a step goes against the momentum (O'Donoghue & Candes 2015).
    """
    step = 1 / max(lipschitz, 1e-300)
    W, V, t = start, start, 1.0
    for n in range(1, max_iter + 1):
        new = shrink(V - step * gradient(V), step)
        change = new - W
        if np.linalg.norm(new - V) <= tol * max(1.0, np.linalg.norm(new)) and np.linalg.norm(change) <= tol * max(
            1.0, np.linalg.norm(new)
        ):
            return new, n, True
        if np.vdot(V - new, change) > 0:
            t, V = 1.0, new
        else:
            after = (1 + np.sqrt(1 + 4 * t**2)) / 2
            V, t = new + (t - 1) / after * change, after
        W = new
    return W, max_iter, False


def shrink_rows(V: Array, l21: float, l2: float = 0.0) -> Array:
    """Proximal map of ``l21 * sum of the rows' norms + l2 / 2 * |W|^2``."""
    norms = np.linalg.norm(V, axis=1, keepdims=True)
    return V * np.maximum(0.0, 1 - l21 / np.maximum(norms, 1e-300)) / (1 + l2)


def shrink_singular_values(V: Array, reg: float) -> Array:
    """Proximal map of ``reg`` times the trace norm."""
    U, s, Vt = np.linalg.svd(V, full_matrices=False)
    return (U * np.maximum(0.0, s - reg)) @ Vt


def shrink_clusters(V: Array, reg: float, eta: float, n_clusters: int) -> Array:
    """Proximal map of ``reg * min_M tr(W (eta I + M)^-1 W^T)`` over symmetric M with ``0 <= M <= I``, ``tr M = n_clusters``.

    Parameters
    ----------
    V : array of shape (n_features, n_columns)
    reg : float
    eta : float > 0
    n_clusters : int

    Notes
    -----
    M has the right singular vectors of W. With eigenvalues g the penalty is ``sum s^2 / (eta + g)``, and the map is
    ``s = v (eta + g) / (eta + g + 2 reg)`` with the g that minimise ``sum v^2 / (eta + g + 2 reg)``: water-filling,
    ``g = clip(level * v - eta - 2 reg, 0, 1)`` with the level at which they sum to n_clusters.
    """
    U, v, Vt = np.linalg.svd(V, full_matrices=False)
    g = _filled(v, eta + 2 * reg, n_clusters)
    return (U * (v * (eta + g) / (eta + g + 2 * reg))) @ Vt


def _filled(v: Array, floor: float, total: float) -> Array:
    used = v > 1e-12 * max(v.max(initial=0.0), 1e-300)
    if used.sum() <= total:
        return used.astype(float)
    low, high = floor / v.max(), (floor + 1) / v[used].min()
    for _ in range(200):
        level = (low + high) / 2
        if np.clip(level * v - floor, 0, 1).sum() < total:
            low = level
        else:
            high = level
    return np.clip(high * v - floor, 0, 1)
