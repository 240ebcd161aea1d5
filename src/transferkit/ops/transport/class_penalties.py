"""Entropic plans with a penalty on target rows that receive from several source classes: one entropic problem after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...core.protocols import Array
from .plans import COARSE, sinkhorn

__all__ = ["ClassPlan", "class_plan"]

_SMOOTHING = 1e-3  # keeps the slope of the square root finite where a class sends nothing; the value of POT
_NOTHING = 1e-100  # mass below this counts as this, so that its square and its logarithm are finite
_PART = 0.03  # marginals of a problem are met to this part of what the last step moved
_MILD = 30.0  # exponent of a factor under which entries that are 0 by rounding would stay next to nothing
_CELLS = 65_536  # entries of plans that are handled at a time, so that they stay in the cache


@dataclass(frozen=True, eq=False)
class ClassPlan:
    """What `class_plan` found.

    Attributes
    ----------
    plan : array of shape (n_source, n_target)
        With uniform marginals.
    n_iter : int
        Entropic problems solved.
    moved : float
        Share of the mass that the last step moved.
    error : float
        Largest L1 distance of a marginal from its weights.
    """

    plan: Array
    n_iter: int
    moved: float
    error: float


def class_plan(
    cost: Array,
    members: Array,
    penalty: str,
    reg: float,
    reg_class: float,
    *,
    max_iter: int,
    max_inner_iter: int,
    tol: float,
) -> ClassPlan:
    """Minimise ``<P, cost> + reg * sum P log P + reg_class * Omega(P)`` over plans P between uniform weights.

    Parameters
    ----------
    cost : array of shape (n_source, n_target)
        Finite costs.
    members : array of shape (n_classes, n_source)
        1 where a source row is of the class, 0 elsewhere.
    penalty : {"lp_l1", "l1_l2"}
        Omega: with ``P_cj`` the entries of column j in the rows of class c, ``sum_cj (sum P_cj + 1e-3)^(1/2)``, or
        ``sum_cj ||P_cj||_2``.
    reg, reg_class : float
        Weights, in the cost's unit.
    max_iter, max_inner_iter : int
        Entropic problems at most, and scaling iterations in each.
    tol : float
        Stops when a step moves at most this share of the mass, with marginals met to the same L1 distance.

    Notes
    -----
    ``"lp_l1"`` by majorisation-minimisation: the root is replaced by its tangent, which makes a class dearer in a column by one
    number, so that the next kernel is the last plan times a factor for each class and column. ``"l1_l2"`` by Bregman proximal
    steps. Each problem starts from the last one's potentials and is solved as precisely as the last step was long, in single
    precision where that is enough; the last one to `tol`.
    """
    alone = reg_class == 0 or max_iter == 1
    inner = tol if alone else max(tol, COARSE)
    found = sinkhorn(cost, reg, max_iter=max_inner_iter, tol=inner, dtype=_dtype(inner))
    raised = _Raised(cost, np.zeros((len(members), cost.shape[1])), members.argmax(axis=0))
    n_iter, moved = 1, 0.0 if reg_class == 0 else np.inf
    while n_iter < max_iter and (moved > tol or inner > tol):
        inner = tol if n_iter == max_iter - 1 else max(tol, min(inner, _PART * moved))
        last = found
        problem: Any
        if penalty == "lp_l1":
            raised, kernel = _tangent(raised, last.plan, members, reg, reg_class, _dtype(inner))
            problem, weight = raised, reg
        else:
            problem, kernel = cost + reg_class * _bregman_slope(last.plan, members, raised.codes), None
            weight = reg + reg_class
        found = sinkhorn(
            problem, weight, max_iter=max_inner_iter, tol=inner, start=(last.f, last.g), kernel=kernel, relax=last.relax,
            dtype=_dtype(inner),
        )  # fmt: skip
        moved = _distance(found.plan, last.plan)
        n_iter += 1
    return ClassPlan(found.plan, n_iter, moved, found.error)


def _dtype(tol: float) -> type:
    return np.float32 if tol >= COARSE else np.float64


@dataclass(frozen=True, eq=False)
class _Raised:
    """A cost plus what the rows of a class have more to pay in each column; made when rows are asked for."""

    cost: Array
    levels: Array
    codes: Array

    @property
    def shape(self) -> tuple[int, int]:
        return self.cost.shape

    def __getitem__(self, rows: slice) -> Array:
        raised = self.levels[self.codes[rows]]
        raised += self.cost[rows]
        return raised


def _tangent(
    last: _Raised, plan: Array, members: Array, reg: float, reg_class: float, dtype: type
) -> tuple[_Raised, Array | None]:
    """The cost whose levels are the root's slopes at the plan of `last`, and the kernel that its potentials have with it."""
    mass = (members.astype(plan.dtype) @ plan).astype(np.float64)
    tangent = replace(last, levels=reg_class * 0.5 * (mass + _SMOOTHING) ** -0.5)
    fall = (last.levels - tangent.levels) / reg
    if plan.dtype != dtype or np.abs(fall).max() > _MILD:
        return tangent, None
    factors: Array = np.exp(fall).astype(dtype)
    kernel: Array = np.empty_like(plan)
    for rows in _blocks(plan):
        np.multiply(plan[rows], factors[last.codes[rows]], out=kernel[rows])
    return tangent, kernel


def _bregman_slope(plan: Array, members: Array, codes: Array) -> Array:
    """Slope of the groups' norms less that of the entropy, with which the step is taken."""
    plan = np.maximum(plan, _NOTHING, dtype=np.float64)
    slope: Array = plan / np.sqrt(members @ plan**2)[codes]
    slope -= np.log(plan)
    return slope


def _blocks(plan: Array) -> Iterator[slice]:
    step = max(_CELLS // plan.shape[1], 1)
    return (slice(first, first + step) for first in range(0, len(plan), step))


def _distance(new: Array, old: Array) -> float:
    """Half the L1 distance of two plans: the share of the mass that lies elsewhere."""
    return sum(float(np.abs(new[rows] - old[rows]).sum()) for rows in _blocks(new)) / 2
