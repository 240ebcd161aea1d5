"""Optimal transport between two sets of rows: costs, exact and entropic plans, and the map that a plan stands for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.metrics import pairwise_distances_argmin

from ...core.errors import ParamError, TransferWarning
from ...core.protocols import Array
from ...core.validation import TransferData
from ..kernels.gaussian import squared_distances

__all__ = [
    "COARSE", "EntropicPlan", "barycentric", "contradictions", "displace", "exact_plan", "plan_of", "sinkhorn", "transport_cost",
]  # fmt: skip

_CHECK_EVERY = 10  # iterations between two looks at how fast the error falls
_WINDOW = 4  # looks between two choices of the over-relaxation; the first still feels the choice before
_NEAR = 0.1  # marginal error below which over-relaxation may begin
_FASTEST = 1.99  # largest over-relaxation; nearer to 2 a wrong step is remembered for too long
_ABSORB = 1e8  # scalings beyond this move into the potentials, so that no product under- or overflows
_SHARP = 100.0  # cost range over reg from which a problem is approached through larger regs
_WARM_UP = 50  # iterations at most at each larger reg
COARSE = 1e-4  # marginal error that single precision reaches with room to spare
_MILD = 1 / 6  # power of the largest number: sums of the kernel within such a factor of 1 leave room for scalings
_CELLS = 65_536  # entries of the kernel that are computed at a time, so that they stay in the cache


def transport_cost(data: TransferData, norm: str | None, limit_max: float) -> Array:
    """Cost of moving each source row onto each target row, of shape (n_source, n_target).

    Parameters
    ----------
    data : TransferData
        The checked domains.
    norm : {"median", "max"} or None
        What the squared distances are divided by; a cost whose divisor is 0 stays as it is.
    limit_max : float
        For classes, the cost of moving a source row onto a target row that is known to be of another class, in units
        of the largest cost.
    """
    cost = squared_distances(data.Xs, data.Xt)
    if norm is not None:
        cost /= float(np.median(cost) if norm == "median" else cost.max()) or 1.0
    wrong = contradictions(data)
    if wrong.any():
        cost[wrong] = limit_max * cost.max()
    return cost


def contradictions(data: TransferData) -> Array:
    """Whether a source row and a target row are known to be of different classes, of shape (n_source, n_target)."""
    wrong = np.zeros((len(data.Xs), len(data.Xt)), dtype=bool)
    if data.task == "classification" and len(data.yt):
        wrong[:, data.known] = data.codes[:, None] != data.codes_t
    return wrong


def exact_plan(cost: Array, max_pivots: int) -> tuple[sparse.csr_matrix, bool]:
    """The cheapest plan between uniform weights, by the network simplex of POT.

    Returns
    -------
    plan : CSR matrix of shape (n_source, n_target)
        At most ``n_source + n_target - 1`` entries are not zero.
    optimal : bool
        False where `max_pivots` were not enough; what comes back is then no plan.
    """
    from ot import emd  # here, because importing POT loads every array library that is installed

    n, m = cost.shape
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="numItermax reached")  # told by `optimal`
        plan, log = emd(np.full(n, 1 / n), np.full(m, 1 / m), cost, numItermax=max_pivots, log=True)
    return sparse.csr_matrix(plan), log["warning"] is None


@dataclass(frozen=True, eq=False)
class EntropicPlan:
    """What `sinkhorn` found.

    Attributes
    ----------
    plan : array of shape (n_source, n_target)
        ``exp((f[:, None] + g - cost) / reg)``.
    f, g : arrays of shape (n_source,) and (n_target,)
        Dual potentials, in the cost's unit.
    error : float
        Largest L1 distance of a marginal from its weights, as the last iteration measured it.
    n_iter : int
        Iterations spent at the wanted `reg`.
    relax : float
        Over-relaxation at the end, with which a similar problem may begin.
    """

    plan: Array
    f: Array
    g: Array
    error: float
    n_iter: int
    relax: float = 1.0


def sinkhorn(
    cost: Array,
    reg: float,
    *,
    max_iter: int = 1000,
    tol: float = 1e-6,
    start: tuple[Array, Array] | None = None,
    kernel: Array | None = None,
    relax: float = 1.0,
    dtype: type = np.float64,
) -> EntropicPlan:
    """Minimise ``<P, cost> + reg * sum P (log P - 1)`` over plans P between uniform weights.

    Parameters
    ----------
    cost : array of shape (n_source, n_target)
        Finite costs. With a `start`, anything that has a shape and gives rows as an array will do.
    reg : float
        Entropic regularisation, in the cost's unit.
    max_iter : int
        Iterations at most at this `reg`.
    tol : float
        Stops when both marginals are within this L1 distance of the weights.
    start : pair of arrays, optional
        Potentials to start from, as of a similar problem.
    kernel : array of shape (n_source, n_target), optional
        ``exp((f[:, None] + g - cost) / reg)`` of the `start`, where it is at hand and no row or column of it is nearly empty;
        it is overwritten.
    relax : float in [1, 2)
        Over-relaxation to try as soon as the error is small, as of a similar problem.
    dtype : {np.float64, np.float32}
        Of the plan. Single precision is for a `tol` of `COARSE` or more.

    Notes
    -----
    Scalings are multiplied in the plain domain, where an iteration is two matrix-vector products. Three things make it
    stable: every `reg` starts with one step in the log domain, after which no row or column of the kernel is empty (a
    `start` only where one is nearly so); scalings that grow are absorbed into the potentials [1]_; and a `reg` far
    below the cost's range is approached through larger ones. Two make it quick: single precision as long as the error
    is large, and over-relaxation [2]_. Sinkhorn is a block Gauss-Seidel iteration near its solution, so that for a
    rate ``r`` the best factor is ``2 / (1 + sqrt(1 - r))``; the rate is measured as the iterations go. Where the error
    grows, the last good potentials come back, with factor 1.

    References
    ----------
    .. [1] Schmitzer. Stabilized Sparse Scaling Algorithms for Entropy Regularized Transport Problems. SIAM J. Sci.
       Comput. 2019.
    .. [2] Thibault, Chizat, Dossal & Papadakis. Overrelaxed Sinkhorn-Knopp Algorithm for Regularized Optimal
       Transport. Algorithms 2021.
    """
    n, m = cost.shape
    relax, spent = min(relax, _FASTEST), 0
    if start is None:
        f, g = np.zeros(n), np.zeros(m)
        warm = float(cost.max() - cost.min()) / _SHARP
        # A tenth of a row's mass: a row far off all others finds its place here or not at all.
        lone = min(1e-2, max(0.1 / max(n, m), COARSE))
        while warm > reg:
            f, g = _log_step(cost, warm, g)
            done = _scale(cost, warm, f, g, _WARM_UP, lone, np.float32)
            f, g = done.f, done.g
            warm /= 4
        f, g = _log_step(cost, reg, g)
        if tol < COARSE:
            done = _scale(cost, reg, f, g, max_iter, COARSE, np.float32, relax)
            f, g, relax, spent = done.f, done.g, done.relax, done.n_iter
    elif kernel is not None:
        f, g = start
    else:
        f, g = start
        kernel = _kernel(cost, reg, f, g, dtype)
        with np.errstate(over="ignore"):  # of a start that is far off, which is then seen
            sums = np.concatenate([kernel.sum(axis=0), kernel.sum(axis=1)])
        mild = float(np.finfo(dtype).max) ** _MILD
        if not (float(sums.min()) > 1 / mild and float(sums.max()) < mild):
            f, g = _log_step(cost, reg, g)
            kernel = None
    done = _scale(cost, reg, f, g, max(max_iter - spent, 1), tol, dtype, relax, kernel)
    return EntropicPlan(done.plan, done.f, done.g, done.error, spent + done.n_iter, done.relax)


def _log_step(cost: Array, reg: float, g: Array) -> tuple[Array, Array]:
    """One iteration in the log domain, from any potential g; the cost is read once."""
    n, m = cost.shape
    f, top, total = np.empty(n), np.full(m, -np.inf), np.zeros(m)
    for rows in _blocks(cost):
        block = cost[rows]
        f[rows] = -reg * (_log_sum_exp((g - block) / reg) + np.log(n))
        exponent = (f[rows, None] - block) / reg
        higher = np.maximum(top, exponent.max(axis=0))
        total *= np.exp(top - higher)
        exponent -= higher
        total += np.exp(exponent, out=exponent).sum(axis=0)
        top = higher
    return f, -reg * (top + np.log(total) + np.log(m))


def _log_sum_exp(exponent: Array) -> Array:
    """Of each row; as scipy's, in the memory of the argument."""
    top = exponent.max(axis=1)
    exponent -= top[:, None]
    return top + np.log(np.exp(exponent, out=exponent).sum(axis=1))


def _blocks(cost: Array) -> Iterator[slice]:
    step = max(_CELLS // cost.shape[1], 1)
    return (slice(first, first + step) for first in range(0, cost.shape[0], step))


def _kernel(cost: Array, reg: float, f: Array, g: Array, dtype: type) -> Array:
    kernel: Array = np.empty(cost.shape, dtype)
    with np.errstate(over="ignore"):  # as above
        for rows in _blocks(cost):
            exponent = f[rows, None] - cost[rows]
            exponent += g
            exponent /= reg
            np.exp(exponent, out=kernel[rows], dtype=dtype, casting="same_kind")
    return kernel


def _scale(
    cost: Array,
    reg: float,
    f: Array,
    g: Array,
    max_iter: int,
    tol: float,
    dtype: type,
    relax: float = 1.0,
    kernel: Array | None = None,
) -> EntropicPlan:
    """Scale to uniform marginals at one `reg`, from potentials near it and their kernel; `relax` waits for a small error."""
    n, m = cost.shape
    good = f, g
    kernel = _kernel(cost, reg, f, g, dtype) if kernel is None else kernel
    u: Array = np.ones(n, dtype)
    v: Array = np.ones(m, dtype)
    waiting, relax, ceiling = relax, 1.0, _FASTEST
    errors: list[float] = []
    error = np.inf
    with np.errstate(all="ignore"):  # a step that overshoots is seen in its error and taken back
        for iteration in range(1, max_iter + 1):
            rows = n * u * (kernel @ v)  # 1 where the marginal is met
            u /= rows**relax
            columns = m * v * (u @ kernel)
            v /= columns**relax
            error = max(float(np.abs(rows - 1).mean()), float(np.abs(columns - 1).mean()))
            if iteration % _CHECK_EVERY and iteration < max_iter and not error <= tol:
                continue
            errors.append(error)
            if relax > 1 and not error <= 2 * errors[0]:
                ceiling, relax, errors = max(1.0, 2 - 4 * abs(2 - relax)), 1.0, []
                f, g = good
                error = np.inf  # the last look took a step back
            else:
                moved = f + reg * np.log(u, dtype=np.float64), g + reg * np.log(v, dtype=np.float64)
                if error <= tol or iteration == max_iter:
                    f, g = moved
                    break
                faster = relax
                if waiting > 1 and error < _NEAR:
                    faster, waiting = waiting, 1.0
                elif len(errors) % _WINDOW == 0 and error < _NEAR:
                    rate = (error / errors[1 - _WINDOW]) ** (1 / (_CHECK_EVERY * (_WINDOW - 2)))
                    faster = min(_relaxation(relax, rate), ceiling)
                if faster > relax:
                    good, relax, errors = moved, faster, []
                if max(u.max(), v.max(), 1 / u.min(), 1 / v.min()) <= _ABSORB:
                    continue
                f, g = moved
            kernel, u, v = _kernel(cost, reg, f, g, dtype), np.ones(n, dtype), np.ones(m, dtype)
    kernel *= u[:, None]
    kernel *= v
    if error == np.inf:
        error = max(float(np.abs(size * kernel.sum(axis=axis) - 1).mean()) for axis, size in ((1, n), (0, m)))
    return EntropicPlan(kernel, f, g, error, iteration, max(relax, waiting))


def _relaxation(relax: float, rate: float) -> float:
    """The next over-relaxation factor from the measured rate of the last one (Young's relation, solved for r)."""
    if rate >= 1 or rate <= relax - 1:
        return relax
    plain = min((rate + relax - 1) ** 2 / (rate * relax**2), 1 - 1e-8)
    return max(relax, 2 / (1 + float(np.sqrt(1 - plain))))


def plan_of(
    where: str, cost: Array, reg: float, *, max_pivots: int, max_iter: int = 2000, tol: float = 1e-6
) -> tuple[Any, int]:
    """The exact plan where `reg` is 0, else the entropic one; and the iterations used, 1 for the exact plan.

    Raises
    ------
    ParamError
        If `max_pivots` were not enough for the exact plan; the message begins with `where`.

    Warns
    -----
    TransferWarning
        If `max_iter` were not enough for marginals within `tol`.
    """
    if reg == 0:
        plan, optimal = exact_plan(cost, max_pivots)
        if not optimal:
            n, m = cost.shape
            raise ParamError(f"{where}: max_pivots must be larger for {n} by {m} rows. Got {max_pivots}.")
        return plan, 1
    found = sinkhorn(cost, reg, max_iter=max_iter, tol=tol)
    if not found.error <= tol:
        warnings.warn(
            f"{where}: reg must be larger, or max_iter where there is one, to reach tol={tol:g}."
            f" Got a marginal error of {found.error:.2g} after {found.n_iter} iterations.",
            TransferWarning,
            stacklevel=3,
        )
    return found.plan, found.n_iter


def barycentric(plan: Array | sparse.csr_matrix, Xt: Array) -> Array:
    """Where each source row goes: the mean of the target rows, weighted by the plan's row (Courty et al. 2017)."""
    mass = np.asarray(plan.sum(axis=1)).reshape(-1, 1)
    return (plan @ Xt / mass).astype(Xt.dtype, copy=False)


def displace(X: Array, Xs: Array, images: Array) -> Array:
    """Images of new source rows: each moves like the nearest row of the fit (Ferradans et al. 2014)."""
    nearest = pairwise_distances_argmin(X, Xs)
    return images[nearest] + (X - Xs[nearest])
