"""Optimal transport with several sources: the class shares of a target, and the barycentre of labelled rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.protocols import Array
from ..kernels.gaussian import squared_distances
from .plans import exact_plan

__all__ = ["Barycentre", "SharedShares", "labelled_barycentre", "shared_class_shares"]


@dataclass(frozen=True, eq=False)
class SharedShares:
    """What `shared_class_shares` found.

    Attributes
    ----------
    shares : array of shape (n_classes,)
        Estimated class shares of the target.
    plans : list of arrays of shape (n_source_k, n_target)
        The plan of each source; columns sum to ``1 / n_target``.
    error : float
        Largest change of a share in the last iteration.
    n_iter : int
        Iterations used.
    """

    shares: Array
    plans: list[Array]
    error: float
    n_iter: int


def shared_class_shares(
    costs: Sequence[Array], codes: Sequence[Array], n_classes: int, reg: float, *, max_iter: int, tol: float
) -> SharedShares:
    """Class shares under which all sources, with their classes weighed alike, are cheapest to carry to the target.

    Minimises ``sum_k KL(P_k | exp(-C_k / reg))`` over plans whose columns sum to ``1 / n_target`` and whose rows of
    class c sum to the same ``h_c`` in every source, spread evenly over them, and over h.

    Parameters
    ----------
    costs : sequence of arrays of shape (n_source_k, n_target)
        Finite costs of each source.
    codes : sequence of int arrays of shape (n_source_k,)
        Class of each row, in ``range(n_classes)``.
    n_classes : int
        Every class must be in one source at least.
    reg : float
        Weight of the entropy, in the cost's unit.
    max_iter : int
        Iterations at most.
    tol : float
        Stops when no share changes by more.

    Notes
    -----
    Alternating Bregman projections [1]_ as scalings of fixed kernels: columns first, then h is the geometric mean of what
    the sources carry in each class, and rows are scaled to it. Each kernel's rows are divided by their largest
    entry, which the scalings take back, so that none is empty. A source that lacks a class, for which the paper's h would
    be 0, has a say on how the other classes divide what they have together, and none on that class; where no source
    has all classes, what none of them says stays as it began, with equal shares.

    References
    ----------
    .. [1] Redko, Courty, Flamary & Tuia. Optimal Transport for Multi-source Domain Adaptation under Target Shift.
       AISTATS 2019, proposition 4.
    """
    m = costs[0].shape[1]
    tops = [cost.min(axis=1) for cost in costs]
    kernels = [np.exp((top[:, None] - cost) / reg) for top, cost in zip(tops, costs)]
    # Scalings by their logarithms: a class that nothing reaches is far below the smallest number.
    rows = [-top / reg for top in tops]
    columns: list[Array] = [np.zeros(m) for _ in costs]
    counts = np.array([np.bincount(code, minlength=n_classes) for code in codes])
    there = counts > 0
    # Rows in the order of their classes, and where each class that is there begins.
    orders = [np.argsort(code, kind="stable") for code in codes]
    starts = [(np.cumsum(own) - own)[own > 0] for own in counts]
    shares, error, iteration = np.full(n_classes, 1 / n_classes), np.inf, 0
    while iteration < max_iter and not error <= tol:
        iteration += 1
        carried = np.full((len(costs), n_classes), -np.inf)
        reached = []
        for k, kernel in enumerate(kernels):
            columns[k] = -np.log(m) - _log_product(kernel.T, rows[k])
            reached.append(_log_product(kernel, columns[k]))
            carried[k, there[k]] = _log_sums((rows[k] + reached[k])[orders[k]], starts[k])
            carried[k] += np.log(shares[there[k]].sum())
        logs = np.where(there, carried, 0.0).sum(axis=0) / there.sum(axis=0)
        for k, code in enumerate(codes):
            wanted = logs - _log_sums(logs[there[k]])
            rows[k] = wanted[code] - np.log(counts[k][code]) - reached[k]
        new = np.exp(logs - _log_sums(logs))
        error, shares = float(np.abs(new - shares).max()), new
    plans = []
    for k, kernel in enumerate(kernels):
        columns[k] = -np.log(m) - _log_product(kernel.T, rows[k])
        plans.append(np.exp(rows[k][:, None] + columns[k] + (tops[k][:, None] - costs[k]) / reg))
    return SharedShares(shares, plans, error, iteration)


def _log_sums(logs: Array, starts: Sequence[int] | Array = (0,)) -> Array:
    """``log(sum(exp(logs)))`` of each stretch of finite logs; scipy's `logsumexp` takes longer to begin than this to end."""
    tops = np.maximum.reduceat(logs, starts)
    lengths = np.diff(np.append(starts, len(logs)))
    return tops + np.log(np.add.reduceat(np.exp(logs - np.repeat(tops, lengths)), starts))


def _log_product(kernel: Array, logs: Array) -> Array:
    """``log(kernel @ exp(logs))`` for logs of any size."""
    top = logs.max()
    return top + np.log(np.maximum(kernel @ np.exp(logs - top), np.finfo(np.float64).tiny))


@dataclass(frozen=True, eq=False)
class Barycentre:
    """What `labelled_barycentre` found.

    Attributes
    ----------
    X : array of shape (n_rows, n_features)
        Its rows.
    costs : array of shape (n_iter,)
        Mean transport cost between the sources and the rows that each round began with.
    optimal : bool
        Whether the network simplex ended by itself in each round.
    """

    X: Array
    costs: Array
    optimal: bool


def labelled_barycentre(
    start: Array,
    labels: Array,
    sources: Sequence[Array],
    source_labels: Sequence[Array],
    penalty: float,
    *,
    max_iter: int,
    tol: float,
    max_pivots: int,
) -> Barycentre:
    """Rows whose mean squared transport distance to all sources is smallest, each moving with rows of its own label.

    Parameters
    ----------
    start : array of shape (n_rows, n_features)
        First rows.
    labels : array of shape (n_rows,)
        Their labels, which they keep.
    sources, source_labels : sequences of arrays
        Rows and labels of each source.
    penalty : float
        Cost of matching rows of different labels, in units of the largest squared distance.
    max_iter : int
        Rounds at most, each one exact plan a source.
    tol : float
        Stops when a round lowers the mean cost by less than this share.
    max_pivots : int
        Of the network simplex, in each plan.

    Notes
    -----
    Free support barycentre [1]_: with the plans held, each row goes to the mean over the sources of where its plan sends
    it, which is the minimum for squared distances; with the rows held, each plan is the cheapest. The cost falls at each.

    References
    ----------
    .. [1] Cuturi & Doucet. Fast Computation of Wasserstein Barycenters. ICML 2014, algorithm 2.
    """
    n, Z = len(start), start
    unit = max(float(squared_distances(Z, X).max()) for X in sources) or 1.0
    wrong = [labels[:, None] != own for own in source_labels]
    costs: list[float] = []
    optimal = True
    for _ in range(max_iter):
        total, images = 0.0, np.zeros_like(Z)
        for X, other in zip(sources, wrong):
            cost = squared_distances(Z, X) / unit
            cost[other] += penalty
            plan, ended = exact_plan(cost, max_pivots)
            optimal = optimal and ended
            total += float(plan.multiply(cost).sum()) * unit / len(sources)
            images += n * (plan @ X) / len(sources)
        if costs and costs[-1] - total <= tol * abs(costs[-1]):
            break
        costs.append(total)
        Z = images
    return Barycentre(Z, np.array(costs), optimal)
