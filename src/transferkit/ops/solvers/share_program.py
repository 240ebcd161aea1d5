"""Least quadratic values over shares: simplices, one or several, whose entries may have an upper bound."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigvalsh
from scipy.sparse.linalg import eigsh

from ...core.protocols import Array

__all__ = ["minimise_on_simplices", "project_on_simplex"]

_SMALL = 200  # below this size a dense solver is faster than Lanczos iterations


def project_on_simplex(v: Array, total: float = 1.0, upper: Array | float = np.inf) -> Array:
    """The point nearest to `v` with entries in ``[0, upper]`` that sum to `total`.

    Parameters
    ----------
    v : array of shape (n,)
        Any point.
    total : float
        Positive, at most the sum of `upper`.
    upper : array of shape (n,) or float
        Largest entries.

    Returns
    -------
    array of shape (n,)
        ``clip(v - shift, 0, upper)`` with the shift at which the sum is right, found exactly: the sum is linear between the
        points at which an entry meets a bound.
    """
    high = np.broadcast_to(np.asarray(upper, dtype=np.float64), v.shape)
    capped = np.isfinite(high)
    # From the right: an entry leaves 0 at v, which steepens the sum by 1, and meets its bound at v - upper.
    knots = np.concatenate([v, (v - high)[capped]])
    turns = np.concatenate([np.ones(len(v)), -np.ones(int(capped.sum()))])
    order = np.argsort(knots)[::-1]
    knots, steep = knots[order], np.cumsum(turns[order])
    sums = np.concatenate([[0.0], np.cumsum(-np.diff(knots) * steep[:-1])])
    k = min(int(np.searchsorted(sums, total, side="left")), len(sums)) - 1
    shift = knots[k] - (total - sums[k]) / max(steep[k], 1.0)
    return np.clip(v - shift, 0.0, high)


def minimise_on_simplices(
    A: Array,
    b: Array,
    groups: Array,
    totals: Array,
    *,
    upper: Array | None = None,
    start: Array | None = None,
    tol: float = 1e-8,
    max_iter: int = 5000,
) -> tuple[Array, float, int]:
    """argmin ``1/2 x'Ax - b'x`` over ``0 <= x <= upper`` whose entries of group g sum to ``totals[g]``.

    Accelerated projected gradient steps, restarted where they turn uphill.

    Parameters
    ----------
    A : array of shape (n, n)
        Symmetric positive semi-definite.
    b : array of shape (n,)
    groups : int array of shape (n,)
        Group of each entry, 0 to n_groups - 1; each has an entry.
    totals : array of shape (n_groups,)
        Non-negative.
    upper : array of shape (n,), optional
        Largest entries, for a single group; they sum to its total or more.
    start : array of shape (n,), optional
        Where it begins, and stays in directions that A and b say nothing about. None has equal entries in a group.
    tol : float
        Stops when the value is proven to be that close to the least one, in units of what is proven of the start; or up
        to rounding.
    max_iter : int
        Most steps.

    Returns
    -------
    x : array of shape (n,)
    gap : float
        How far the value is from the least one at most (the Frank-Wolfe gap).
    n_iter : int
        Steps made.
    """
    starts = np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=len(totals)))[:-1]])

    def project(v: Array) -> Array:
        if upper is not None:
            return project_on_simplex(v, float(totals[0]), upper)
        return _project_each(v, groups, starts, totals)

    def gap_at(x: Array, Ax: Array) -> float:
        slope = Ax - b
        if upper is None:
            order = np.argsort(groups, kind="stable")
            least = totals @ np.minimum.reduceat(slope[order], starts)
        else:
            order = np.argsort(slope)
            filled = np.minimum(np.concatenate([[0.0], np.cumsum(upper[order])[:-1]]), totals[0])
            least = slope[order] @ np.minimum(upper[order], totals[0] - filled)
        return max(float(x @ slope - least), 0.0)

    x = z = project(np.zeros(len(b)) if start is None else start)
    rounding = len(b) * np.finfo(float).eps * np.abs(A).max()
    mass = float(totals.sum())
    no_gap = mass * (mass * rounding + len(b) * np.finfo(float).eps * np.abs(b).max())
    A, b = _without_sums(A, b, groups, len(totals), x)
    steepest = _largest_eigenvalue(A)
    step = 1 / steepest if steepest > rounding else 1.0
    Ax = Az = A @ x
    t, gap = 1.0, gap_at(x, Ax)
    enough = max(tol * gap, no_gap)
    n_done = 0
    while n_done < max_iter and gap > enough:
        n_done += 1
        new = project(z - step * (Az - b))
        if (z - new) @ (new - x) > 0:  # the momentum points uphill
            t = 1.0
        t_new = (1 + np.sqrt(1 + 4 * t * t)) / 2
        A_new = A @ new
        momentum = (t - 1) / t_new
        z, Az = new + momentum * (new - x), A_new + momentum * (A_new - Ax)
        x, Ax, t = new, A_new, t_new
        if n_done % 10 == 0 or n_done == max_iter:
            gap = gap_at(x, Ax)
    return x, gap, n_done


def _largest_eigenvalue(A: Array) -> float:
    """An upper bound that is at most a tenth too large: a step needs no more digits."""
    n = len(A)
    if n <= _SMALL:
        return float(eigvalsh(A, subset_by_index=(n - 1, n - 1))[0])
    start = np.random.default_rng(0).standard_normal(n)
    found = eigsh(A, k=1, which="LA", v0=start, tol=0.02, return_eigenvectors=False)[0]
    return float(min(1.1 * found, np.abs(A).sum(axis=1).max()))


def _without_sums(A: Array, b: Array, groups: Array, n_groups: int, inside: Array) -> tuple[Array, Array]:
    """The same program, up to a constant, with an A that does not see the sums of the groups, which are given.

    A kernel that is wide against its rows is all but constant: that one direction would set the length of all steps.
    """
    one_hot = np.eye(n_groups)[groups]
    mean = one_hot / one_hot.sum(axis=0)
    fixed = one_hot @ (mean.T @ inside)  # what every feasible point is in the directions of the groups
    to_mean = A @ mean
    centred = A - to_mean @ one_hot.T - one_hot @ to_mean.T + one_hot @ (mean.T @ to_mean) @ one_hot.T
    return centred, b - A @ fixed


def _project_each(v: Array, groups: Array, starts: Array, totals: Array) -> Array:
    """Projection of every group on its own simplex, all in one sort (Duchi et al., ICML 2008)."""
    order = np.lexsort((-v, groups))
    falling, group = v[order], groups[order]
    sums = np.cumsum(falling)
    sums -= (sums[starts] - falling[starts])[group]
    rank = np.arange(len(v)) - starts[group] + 1
    kept = np.add.reduceat(falling * rank > sums - totals[group], starts, dtype=int)
    kept = np.maximum(kept, 1)  # a total of 0 keeps none
    shift = (sums[starts + kept - 1] - totals) / kept
    return np.maximum(v - shift[groups], 0.0)
