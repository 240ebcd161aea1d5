"""Entropic plans between two sets of rows that may leave mass behind: relaxed marginals, and a given share of the mass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax

from ...core.protocols import Array

__all__ = ["RelaxedPlan", "partial_plan", "unbalanced_plan"]

_ABSORB = np.log(1e8)  # scalings beyond this factor move into the kernel
_EMPTY = 1e-280  # kernel sums below this are taken again in the log domain


@dataclass(frozen=True, eq=False)
class RelaxedPlan:
    """What `unbalanced_plan` and `partial_plan` found.

    Attributes
    ----------
    plan : array of shape (n_source, n_target)
        ``exp((f[:, None] + g - cost) / reg) / (n_source * n_target)``.
    rows : array of shape (n_source, n_target)
        The plan's rows divided by their sums, which is defined even where a sum is too small for a number.
    f, g : arrays of shape (n_source,) and (n_target,)
        Dual potentials, in the cost's unit.
    error : float
        Largest relative change of the scalings in the last iteration.
    n_iter : int
        Iterations used.
    """

    plan: Array
    rows: Array
    f: Array
    g: Array
    error: float
    n_iter: int


def unbalanced_plan(
    cost: Array, reg: float, reg_marginal: float, *, max_iter: int = 1000, tol: float = 1e-6
) -> RelaxedPlan:
    """Minimise ``<P, cost> + reg KL(P | a b') + reg_marginal (KL(P 1 | a) + KL(P' 1 | b))`` over ``P >= 0``.

    a and b are uniform and sum to 1; ``KL(p | q) = sum p log(p / q) - p + q``.

    Parameters
    ----------
    cost : array of shape (n_source, n_target)
        Finite costs.
    reg, reg_marginal : float
        Weights of the entropy and of the marginals, in the cost's unit, above 0.
    max_iter : int
        Iterations at most.
    tol : float
        Stops when no scaling changes by more than this share.

    Notes
    -----
    Scaling iterations [1]_, each potential being ``reg_marginal / (reg + reg_marginal)`` of what would meet its marginal.
    The slowest part of the error is a constant that moves from one potential to the other: after every iteration it is
    set to its optimum [2]_.

    References
    ----------
    .. [1] Chizat, Peyré, Schmitzer & Vialard. Scaling Algorithms for Unbalanced Optimal Transport Problems. Math. Comp. 2018.
    .. [2] Séjourné, Vialard & Peyré. Faster Unbalanced Optimal Transport: Translation Invariant Sinkhorn and 1-D
       Frank-Wolfe. AISTATS 2022.
    """
    damping = reg_marginal / (reg + reg_marginal)

    def translate(f: Array, g: Array) -> float:
        gap = _log_mean(-f / reg_marginal) - _log_mean(-g / reg_marginal)
        return reg_marginal / 2 * gap

    return _iterate(cost, reg, lambda free: damping * free, translate, None, max_iter, tol)


def partial_plan(cost: Array, reg: float, mass: float, *, max_iter: int = 1000, tol: float = 1e-6) -> RelaxedPlan:
    """Minimise ``<P, cost> + reg sum P (log P - 1)`` over plans of total `mass` whose marginals are at most uniform.

    Parameters
    ----------
    cost : array of shape (n_source, n_target)
        Finite costs.
    reg : float
        Weight of the entropy, in the cost's unit.
    mass : float in (0, 1)
        What is transported of a total of 1.
    max_iter, tol
        As for `unbalanced_plan`.

    Notes
    -----
    Block ascent on the dual: the potentials of the two marginals, which are at most 0, and the one of the mass, each set
    to its optimum in turn. It is the problem that Benamou et al. (2015) solve by Dykstra's projections.
    """
    return _iterate(cost, reg, lambda free: np.minimum(free, 0.0), None, mass, max_iter, tol)


def _iterate(
    cost: Array,
    reg: float,
    relax: Callable[[Array], Array],
    translate: Callable[[Array, Array], float] | None,
    mass: float | None,
    max_iter: int,
    tol: float,
) -> RelaxedPlan:
    """Scale in the plain domain around potentials that the kernel has taken in; `level` is the potential of the mass."""
    n, m = cost.shape
    f, g, level = np.zeros(n), np.zeros(m), 0.0
    f0, g0, kernel = f, g, np.empty((0, 0))
    error, iteration = np.inf, 0
    while iteration < max_iter and not error <= tol:
        iteration += 1
        last = f, g, level
        if not kernel.size or max(np.abs(f - f0).max(), np.abs(g + level - g0).max()) > reg * _ABSORB:
            if not kernel.size:  # one step in the log domain, after which no row of the kernel is empty
                f = relax(-reg * (logsumexp((g - cost) / reg, axis=1) - np.log(m)))
                g = relax(-reg * (logsumexp((f[:, None] - cost) / reg, axis=0) - np.log(n)))
            f0, g0 = f, g + level
            kernel = np.exp((f0[:, None] + g0 - cost) / reg)
        f, sums = _side(kernel, cost, reg, f0, g + level, g0, relax)
        if mass is not None:
            level += reg * (np.log(mass) + np.log(n * m) - logsumexp((f - f0) / reg + sums))
        g, sums = _side(kernel.T, cost.T, reg, g0 - level, f, f0, relax)
        if mass is not None:
            level += reg * (np.log(mass) + np.log(n * m) - logsumexp((g - g0 + level) / reg + sums))
        if translate is not None:
            move = translate(f, g)
            f, g = f + move, g - move
        error = max(np.abs(f - last[0]).max(), np.abs(g - last[1]).max(), abs(level - last[2])) / reg
    plan = np.exp((f[:, None] + (g + level) - cost) / reg) / (n * m)
    return RelaxedPlan(plan, softmax((g - cost) / reg, axis=1), f, g + level, float(error), iteration)


def _log_mean(logs: Array) -> float:
    """``log(mean(exp(logs)))`` of finite logs; scipy's `logsumexp` takes longer to begin than this to end."""
    top = logs.max()
    return float(top + np.log(np.exp(logs - top).mean()))


def _side(
    kernel: Array, cost: Array, reg: float, own0: Array, other: Array, other0: Array, relax: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """The optimal potentials of one side given the other's, and the logarithms of the kernel's sums over the other.

    The kernel is ``exp((own0 + other0 - cost) / reg)``, up to what is added to `own0` and `other0` alike.
    """
    plain = kernel @ np.exp((other - other0) / reg)
    empty = np.flatnonzero(plain < _EMPTY)
    sums = np.log(np.maximum(plain, _EMPTY))
    if len(empty):
        sums[empty] = own0[empty] / reg + logsumexp((other - cost[empty]) / reg, axis=1)
    return relax(own0 - reg * (sums - np.log(kernel.shape[1]))), sums
