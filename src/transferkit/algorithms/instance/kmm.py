"""KMM: kernel mean matching, weights that move the source's mean in a kernel space onto the target's."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ...core.base import ESTIMATOR, InstanceTransfer
from ...core.constraints import Either, Interval, Nothing
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels import median_gamma, rbf

CARD = {
    "class": "KMM",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": ({}, {"max_weight": 10.0}),
    "paper": "Huang, Smola, Gretton, Borgwardt & Schölkopf. Correcting Sample Selection Bias by Unlabeled Data. NIPS 2006.",
    "url": "https://papers.nips.cc/paper/3075-correcting-sample-selection-bias-by-unlabeled-data",
}

__all__ = ["KMM"]

_RIDGE = 1e-7  # added to the kernel's unit diagonal: one solution even where rows repeat; moves the objective by < 1e-7
_GAP = 1e-8  # relative duality gap at which the program counts as solved
_SUM = 1e-7  # relative precision of the bounds on the mean weight
_WARM_STEPS = 40
_MAX_PIVOTS = 100
_PATIENCE = 5
_MAX_PROXIMAL = 100
_MAX_SHIFTS = 30


class KMM(InstanceTransfer):
    """Weigh the source so that its mean in a Gaussian kernel space is the target's.

    Parameters
    ----------
    gamma : float in (0, inf) or None, default=None
        Kernel parameter of ``k(x, z) = exp(-gamma ||x - z||^2)``. None is ``1 / (2 s^2)`` with s the median distance of
        the pooled rows. A larger gamma matches finer detail with fewer rows. Features are taken as they are, never scaled.
    max_weight : float in [1, inf), default=1000.0
        B of the paper, the largest weight; smaller keeps more source rows in use.
    eps : float in [0, inf) or None, default=None
        The mean weight lies in ``[1 - eps, 1 + eps]``. None is ``(sqrt(n) - 1) / sqrt(n)`` for n source rows.
    estimator : estimator, default=None
        Fitted on the weighted source; must take ``sample_weight``. None is logistic regression for classes and ridge
        regression for numbers.

    Attributes
    ----------
    sample_weight_ : array of shape (n_source,)
        Weights of the source rows, scaled to mean 1.
    beta_ : array of shape (n_source,)
        The solution of the quadratic program, before that scaling.
    gamma_ : float
        The kernel parameter that was used.
    gap_ : float
        Duality gap of ``beta_`` relative to the objective: how far from the optimum it is at most.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``1/2 b'Kb - kappa'b`` subject to ``0 <= b_i <= B`` and ``|sum b - n| <= n eps`` (eq. 12), where
    ``kappa_i = (n / m) sum_j k(x_i, z_j)`` over the m target rows.

    The program is solved to optimality, not to a step limit. Accelerated projected gradient steps guess which weights are
    at a bound; block principal pivoting (Júdice & Pires 1994) corrects the guess until the optimality conditions hold.
    Should it cycle, which an ill-conditioned K allows, proximal point steps (the same on ``K + delta I``) lead to the same
    optimum. Where the bounds on the mean weight are violated, their multiplier is found by a safeguarded Newton iteration
    on the sum of the weights, which is monotone in it; they then hold to five digits. The cost is O(n (n + m) d) for the
    kernels and O(f^3) a pivot for f weights off their bounds; one kernel matrix is held in memory.

    We add 1e-7 to the diagonal of K, which singles out one solution where rows repeat. The default of `eps` is that of
    Gretton et al. 2009.

    References
    ----------
    Huang et al. Correcting Sample Selection Bias by Unlabeled Data. NIPS 2006, section 4. Gretton et al. Covariate Shift
    by Kernel Mean Matching, 2009. Júdice & Pires. A Block Principal Pivoting Algorithm for Large-Scale Strictly Monotone
    Linear Complementarity Problems. Computers & Operations Research 21, 1994.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import KMM, Domain
    >>> X = np.linspace(-2, 2, 41)[:, None]
    >>> model = KMM().fit(X, (X[:, 0] > 0).astype(int), target=Domain(X[25:35]))
    >>> bool(model.sample_weight_[25:35].mean() > 2)
    True
    """

    _constraints: ClassVar = {
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "max_weight": Interval(float, 1),
        "eps": Either(Nothing(), Interval(float, 0)),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        gamma: float | None = None,
        max_weight: float = 1000.0,
        eps: float | None = None,
        estimator: Any = None,
    ) -> None:
        self.gamma = gamma
        self.max_weight = max_weight
        self.eps = eps
        self.estimator = estimator

    def _weights(self, data: TransferData) -> Array:
        n, m = len(data.Xs), len(data.Xt)
        self.gamma_ = median_gamma(np.vstack([data.Xs, data.Xt])) if self.gamma is None else float(self.gamma)
        kappa = rbf(data.Xs, data.Xt, self.gamma_).sum(axis=1) * (n / m)
        K = rbf(data.Xs, data.Xs, self.gamma_)
        K.flat[:: n + 1] = 1.0 + _RIDGE
        eps = (np.sqrt(n) - 1) / np.sqrt(n) if self.eps is None else float(self.eps)
        low, high = n * (1 - eps), n * (1 + eps)
        upper = float(self.max_weight)
        self.beta_ = _minimise(K, kappa, upper, low, high)
        self.gap_ = _relative_gap(K, kappa, self.beta_, upper, low, high)
        return self.beta_


def _minimise(K: Array, kappa: Array, upper: float, low: float, high: float) -> Array:
    """argmin 1/2 b'Kb - kappa'b over 0 <= b <= upper, low <= sum b <= high."""
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
        if _relative_gap(K, kappa, b, upper, 0.0, 2 * max(b.sum(), len(b))) <= _GAP:
            break
    return b, slope


def _warm_start(K: Array, kappa: Array, upper: float) -> Array:
    """Accelerated projected gradient steps with restarts, from weights of one."""
    step = 1.0 / K.sum(axis=1).max()  # the largest row sum bounds the largest eigenvalue
    b = z = np.ones(len(kappa))
    t = 1.0
    for _ in range(_WARM_STEPS):
        gradient = K @ z - kappa
        new = np.clip(z - step * gradient, 0.0, upper)
        if gradient @ (new - b) > 0:
            t = 1.0
        t_new = (1 + np.sqrt(1 + 4 * t * t)) / 2
        z = new + (t - 1) / t_new * (new - b)
        b, t = new, t_new
    return b


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
            columns = K[rows]
            block = columns[:, rows]
            block.flat[:: len(rows) + 1] += delta
            right = np.column_stack([kappa[rows] - columns @ b, np.ones(len(rows))])
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


def _relative_gap(K: Array, kappa: Array, b: Array, upper: float, low: float, high: float) -> float:
    """Frank-Wolfe duality gap of b over the feasible set, divided by the objective's size."""
    Kb = K @ b
    gradient = np.sort(Kb - kappa)
    mass = np.clip(upper * (gradient < 0).sum(), low, high)
    best = np.clip(mass - upper * np.arange(len(b)), 0.0, upper)
    gap = b @ (Kb - kappa) - best @ gradient
    return float(max(gap, 0.0) / max(abs(b @ (Kb / 2 - kappa)), np.finfo(float).tiny))
