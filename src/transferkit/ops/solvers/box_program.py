"""A quadratic program with bounds on each weight and on their sum, solved to optimality: kernel mean matching's."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ...core.protocols import Array

__all__ = ["minimise_box_sum", "relative_gap"]

_GAP = 1e-8  # relative duality gap at which the program counts as solved
_SUM = 1e-7  # relative precision of the bounds on the mean weight
_WARM_STEPS = 40
_LARGE = 1e30  # weight in single precision that stands for any larger one
_MAX_PIVOTS = 100
_PATIENCE = 5
_MAX_PROXIMAL = 100
_MAX_SHIFTS = 30


def minimise_box_sum(K: Array, kappa: Array, upper: float, low: float, high: float) -> Array:
    """argmin 1/2 b'Kb - kappa'b over 0 <= b <= upper, low <= sum b <= high, solved to optimality.

    Parameters
    ----------
    K : array of shape (n, n)
        Symmetric, positive definite, no negative entry.
    kappa : array of shape (n,)
    upper, low, high : float
        Bounds of each b and of their sum; ``low <= n upper``.

    Returns
    -------
    array of shape (n,)

    References
    ----------
    Júdice & Pires. A Block Principal Pivoting Algorithm for Large-Scale Strictly Monotone Linear Complementarity Problems.
    Computers & Operations Research 21, 1994.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.ops.solvers.box_program import minimise_box_sum
    >>> minimise_box_sum(np.eye(3), np.array([-1.0, 0.5, 9.0]), upper=2.0, low=0.0, high=9.0)
    array([0. , 0.5, 2. ])
    """
    b, slope = _minimise_box(K, kappa, upper, _warm_start(K, kappa, upper))
    if low <= b.sum() <= high:
        return b
    # By convexity the optimum lies on the side that is violated: sum b = total, with b the minimiser for kappa + shift.
    total = high if b.sum() > high else low
    left, right, shift = -np.inf, np.inf, 0.0
    for _ in range(_MAX_SHIFTS):
        excess = b.sum() - total
        if abs(excess) <= _SUM * total:
            break
        left, right = (left, shift) if excess > 0 else (shift, right)
        # With every weight at a bound the slope is 0 and says nothing: step by the size of kappa.
        shift -= excess / slope if slope > 0 else np.copysign(max(kappa.max(), 1.0), excess)
        if not left < shift < right:
            shift = (left + right) / 2
        b, slope = _minimise_box(K, kappa + shift, upper, b)
    return b


def _minimise_box(K: Array, kappa: Array, upper: float, start: Array) -> tuple[Array, float]:
    """argmin 1/2 b'Kb - kappa'b over 0 <= b <= upper, and how fast the sum of b grows with kappa."""
    b, slope, done = _pivot(K, kappa, upper, start, 0.0)
    if done:
        return b, slope
    b, delta = start, 1e-3
    for _ in range(_MAX_PROXIMAL):
        new, slope, done = _pivot(K, kappa + delta * b, upper, b, delta)
        if not done:
            delta *= 10
            continue
        b, delta = new, delta / 10
        if relative_gap(K, kappa, b, upper, 0.0, 2 * max(b.sum(), len(b))) <= _GAP:
            break
    return b, slope


def _warm_start(K: Array, kappa: Array, upper: float) -> Array:
    """Accelerated projected gradient steps with restarts, from weights of one; for a guess single precision is enough."""
    K, kappa, top = K.astype(np.float32), kappa.astype(np.float32), np.float32(min(upper, _LARGE))
    step = 1 / K.sum(axis=1).max()  # the largest row sum bounds the largest eigenvalue
    b = z = np.ones(len(kappa), dtype=np.float32)
    t = 1.0
    for _ in range(_WARM_STEPS):
        gradient = K @ z - kappa
        new = np.clip(z - step * gradient, 0, top)
        if gradient @ (new - b) > 0:
            t = 1.0
        t_new = (1 + np.sqrt(1 + 4 * t * t)) / 2
        z = new + np.float32((t - 1) / t_new) * (new - b)
        b, t = new, t_new
    return np.where(b < top, b.astype(np.float64), upper)


def _pivot(K: Array, kappa: Array, upper: float, start: Array, delta: float) -> tuple[Array, float, bool]:
    """Block principal pivoting for ``K + delta I``: the solution, the growth of its sum with kappa, whether it ended."""
    at_low, at_high = start <= 0, start >= upper
    tol = 1e-9 * max(np.abs(kappa).max(), 1.0)
    fewest, patience = len(kappa) + 1, _PATIENCE
    for _ in range(_MAX_PIVOTS):
        free = ~(at_low | at_high)
        rows = np.flatnonzero(free)
        b, slope = np.where(at_high, upper, 0.0), 0.0
        if len(rows):
            block = K[rows][:, rows]  # half the time of one look-up by both
            block.flat[:: len(rows) + 1] += delta
            pull = (K @ b)[rows] if at_high.any() else 0.0
            right = np.column_stack([kappa[rows] - pull, np.ones(len(rows))])
            solved = cho_solve(cho_factor(block, overwrite_a=True, check_finite=False), right, check_finite=False)
            b[rows], slope = solved[:, 0], float(solved[:, 1].sum())
        gradient = K @ b + delta * b - kappa
        below, above = free & (b < 0), free & (b > upper)
        leave = (at_low & (gradient < -tol)) | (at_high & (gradient > tol))
        wrong = int((below | above | leave).sum())
        if not wrong:
            return b, slope, True
        if wrong < fewest:
            fewest, patience = wrong, _PATIENCE
        else:
            patience -= 1
            if not patience:
                break
        at_low, at_high = (at_low & ~leave) | below, (at_high & ~leave) | above
    return np.clip(b, 0.0, upper), slope, False


def relative_gap(K: Array, kappa: Array, b: Array, upper: float, low: float, high: float) -> float:
    """Frank-Wolfe duality gap of b over the feasible set, divided by the objective's size."""
    Kb = K @ b
    gradient = np.sort(Kb - kappa)
    mass = np.clip(upper * (gradient < 0).sum(), low, high)
    best = np.clip(mass - upper * np.arange(len(b)), 0.0, upper)
    gap = b @ (Kb - kappa) - best @ gradient
    return float(max(gap, 0.0) / max(abs(b @ (Kb / 2 - kappa)), np.finfo(float).tiny))
