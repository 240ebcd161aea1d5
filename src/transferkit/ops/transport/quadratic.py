"""Exact plans that also make a quadratic form of the images small: one linear programme after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ...core.protocols import Array
from .plans import exact_plan

__all__ = ["Pull", "QuadraticPlan", "quadratic_plan"]

_ROUNDS = 10  # of the active set at most, a plan
_RIDGE = 1e-13  # on the form's diagonal, relative to its mean: plans may have the same images
_GONE = 1e-14  # weights at most this are 0
_ROUNDING = 1e-13  # gap, relative to the largest cost, that is none
_LEVEL = 1e-12  # relative difference of slopes that counts as none


@dataclass(frozen=True, eq=False)
class Pull:
    """The quadratic form ``<Z - centre, A (Z - centre)>`` of images Z, of shape (n_rows, n_features).

    Attributes
    ----------
    apply : callable
        What multiplies with A, which must be symmetric and positive semi-definite.
    centre : array of shape (n_rows, n_features) or float
        Images at which the form is 0.
    """

    apply: Callable[[Array], Array]
    centre: Array | float = 0.0


@dataclass(frozen=True, eq=False)
class QuadraticPlan:
    """What `quadratic_plan` found.

    Attributes
    ----------
    plan : CSR matrix of shape (n_source, n_target)
        A mixture of vertices of the transport polytope, with uniform marginals.
    value : float
        The objective.
    gap : float
        How far above the minimum that is at most.
    n_iter : int
        Linear programmes solved.
    optimal : bool
        Whether the network simplex ended by itself in each of them; where not, the rest means nothing.
    """

    plan: sparse.csr_matrix
    value: float
    gap: float
    n_iter: int
    optimal: bool


def quadratic_plan(
    cost: Array,
    Xs: Array,
    Xt: Array,
    source: Pull | None,
    target: Pull | None,
    *,
    max_iter: int,
    tol: float,
    max_pivots: int,
) -> QuadraticPlan:
    """Minimise ``<P, cost> + source(n P Xt) + target(m P' Xs)`` over plans P between n and m uniform weights.

    ``n P Xt`` are the images of the source's rows and ``m P' Xs`` those of the target's.

    Parameters
    ----------
    cost : array of shape (n_source, n_target)
        Linear part of the objective, not negative.
    Xs, Xt : arrays of shape (n_source, n_features) and (n_target, n_features)
        Rows of the domains.
    source, target : Pull or None
        Quadratic forms of the images.
    max_iter : int
        Linear programmes at most.
    tol : float
        Stops when the value is within this share of the minimum.
    max_pivots : int
        Of the network simplex, in each linear programme.

    Notes
    -----
    Simplicial decomposition [1]_: the gradient at the last plan is the cost of a linear programme, whose plan joins those
    found before, and the objective is minimised exactly over all their mixtures. The way of the conditional gradient,
    which steps towards the newest plan only, is never better for the same plans. The linear programme also bounds how far the
    minimum is away, so that the result carries its own certificate. Images are kept for each plan that has a
    weight: memory of ``(n + m) * n_features`` for each.

    References
    ----------
    .. [1] von Hohenbalken. Simplicial Decomposition in Nonlinear Programming Algorithms. Math. Programming 13, 1977.
    """
    n, m = cost.shape
    sides = [(pull, k) for k, pull in enumerate((source, target)) if pull is not None]
    weights = np.empty(0)
    plans: list[sparse.csr_matrix] = []
    linear = np.empty(0)
    # Of each plan and side: images minus centre, and A times that.
    away: list[list[Array]] = []
    pulled: list[list[Array]] = []
    form = np.empty((0, 0))
    gradient, value, gap = cost, np.inf, np.inf
    rounding = _ROUNDING * float(np.abs(cost).max())
    n_iter = 0
    while n_iter < max_iter:
        n_iter += 1
        new, ended = exact_plan(gradient, max_pivots)
        if not ended:
            return QuadraticPlan(new, np.inf, np.inf, n_iter, False)
        images = (n * (new @ Xt), m * (new.T @ Xs))
        new_linear = float(new.multiply(cost).sum())
        new_away = [images[k] - pull.centre for pull, k in sides]
        if plans:
            slope = [_mix(weights, [A[s] for A in pulled]) for s in range(len(sides))]
            mixed = [_mix(weights, [D[s] for D in away]) for s in range(len(sides))]
            ahead = sum(float((G * (D - N)).sum()) for G, D, N in zip(slope, mixed, new_away))
            gap = float(weights @ linear) - new_linear + 2 * ahead
            if gap <= tol * value + rounding:
                break
        plans.append(new)
        linear = np.append(linear, new_linear)
        away.append(new_away)
        pulled.append([pull.apply(D) for (pull, _), D in zip(sides, new_away)])
        row = np.array([sum(float((A * D).sum()) for A, D in zip(pulled[-1], other)) for other in away])
        form = np.block([[form, row[:-1, None]], [row[None]]]) if len(plans) > 1 else row[None]
        weights = _best_mixture(form, linear, np.append(weights, 0.0) if len(plans) > 1 else np.ones(1))
        kept = np.flatnonzero(weights)
        plans, away, pulled = ([held[k] for k in kept] for held in (plans, away, pulled))
        weights, linear, form = weights[kept], linear[kept], form[np.ix_(kept, kept)]
        last, value = value, float(weights @ (linear + form @ weights))
        gap -= last - value if np.isfinite(gap) else 0.0  # the bound was on the last value
        gradient = _gradient(
            cost, Xs, Xt, [(2 * _mix(weights, [A[s] for A in pulled]), k) for s, (_, k) in enumerate(sides)]
        )
    plan = sum((w * P for w, P in zip(weights, plans)), start=sparse.csr_matrix((n, m)))
    return QuadraticPlan(sparse.csr_matrix(plan), value, max(gap, 0.0), n_iter, True)


def _gradient(cost: Array, Xs: Array, Xt: Array, slopes: list[tuple[Array, int]]) -> Array:
    """The cost plus what the slopes at the images, of side 0 or 1, make of it: one product for both."""
    if not slopes:
        return cost
    left = np.hstack([Xs if k else len(Xs) * G for G, k in slopes])
    right = np.hstack([len(Xt) * G if k else Xt for G, k in slopes])
    gradient: Array = left @ right.T
    gradient += cost
    return gradient


def _mix(weights: Array, parts: list[Array]) -> Array:
    out = weights[0] * parts[0]
    for w, part in zip(weights[1:], parts[1:]):
        out += w * part
    return out


def _best_mixture(form: Array, linear: Array, weights: Array) -> Array:
    """argmin ``linear'w + w' form w`` over the simplex by an active set: weights of 0 leave it, the steepest one enters."""
    k = len(weights)
    active = weights > 0
    active[-1] = True  # the newest plan, which the linear programme says is worth it
    ridge = _RIDGE * float(np.trace(form)) / k + np.finfo(np.float64).tiny
    for _ in range(_ROUNDS * k):
        rows = np.flatnonzero(active)
        system = np.ones((len(rows) + 1, len(rows) + 1))
        system[:-1, :-1] = 2 * form[np.ix_(rows, rows)] + ridge * np.eye(len(rows))
        system[-1, -1] = 0
        goal = np.linalg.lstsq(system, np.append(-linear[rows], 1.0), rcond=None)[0][:-1]
        if (goal <= 0).any():
            low = goal <= 0
            step = (weights[rows][low] / np.maximum(weights[rows][low] - goal[low], np.finfo(float).tiny)).min()
            moved = weights[rows] + step * (goal - weights[rows])
            gone = low & (moved <= _GONE)
            weights[rows] = np.where(gone, 0.0, moved)
            active[rows[gone]] = False
            continue
        weights[rows] = goal
        slope = linear + 2 * form @ weights
        steepest = int(slope.argmin())
        if active[steepest] or slope[rows].mean() - slope[steepest] <= _LEVEL * np.abs(slope).max():
            break
        active[steepest] = True
    return weights / weights.sum()
