"""Couplings of two domains by their inner distances: exact steps, entropic, or through anchors where the rows are many."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from ...core.errors import TransferWarning
from ...core.heterogeneous import HeterogeneousData
from ...core.plan_transfer import to_unit_scale
from ...core.protocols import Array
from ..kernels.gaussian import squared_distances
from .plans import sinkhorn

__all__ = ["couple_by_distances", "distortion", "inner_distances"]

Cost = Callable[[HeterogeneousData], Array]
_LOWER = 1e-9  # a difference of two objectives that counts
_SETTLED = 1e-6  # mass that still moves in a step, below which an entropic plan is done


def couple_by_distances(est: Any, data: HeterogeneousData, share: float, cost: Cost) -> Any:
    """Fit the plan of least ``share * sum_ijkl (C_ik - D_jl)^2 P_ij P_kl + (1 - share) * <M, P>`` between equal masses.

    Sets ``plan_``, ``distortion_`` and ``n_iter_`` of the method, and warns where its steps were not enough. Steps begin twice,
    from a plan that leans on M, and from one that leans on how alike the distributions of two rows' distances are, too; the
    lower end is kept.

    Parameters
    ----------
    est : estimator
        With ``distance``, ``max_iter``, ``approx``, ``n_anchors``, ``reg`` and ``random_state``.
    data : HeterogeneousData
        The checked domains.
    share : float
        In [0, 1].
    cost : callable
        M of the rows of some data, of shape (n_source, n_target). It is asked for the anchors alone where there are such.

    Returns
    -------
    plan : array or csr_matrix of shape (n_source, n_target)
        Sparse, and nothing of this shape was ever held, with anchors.

    References
    ----------
    Vayer, Chapel, Flamary, Tavenard & Courty. Optimal Transport for structured data with application on graphs. ICML 2019.
    Peyre, Cuturi & Solomon. Gromov-Wasserstein Averaging of Kernel and Distance Matrices. ICML 2016.
    Chowdhury, Miller & Needham. Quantized Gromov-Wasserstein. ECML-PKDD 2021.
    Memoli. Gromov-Wasserstein Distances and the Metric Approach to Object Matching. FoCM 2011 (the third lower bound).
    """
    X, Y = to_unit_scale(data.Xs), to_unit_scale(data.Xt)
    masses = [np.full(len(rows), 1 / len(rows)) for rows in (X, Y)]
    cells = []
    if est.approx == "anchors":
        anchors = _anchors(data, est.n_anchors, check_random_state(est.random_state))
        cells = [_cells(rows, chosen, est.distance) for rows, chosen in zip((X, Y), anchors)]
        masses = [np.bincount(c[1], minlength=len(c[0])) / len(c[1]) for c in cells]
        data = _among(data, *anchors)
        far = [c[0] for c in cells]
        C, D = (of[:, chosen] for of, chosen in zip(far, anchors))
    else:
        C, D = far = [inner_distances(rows, est.distance) for rows in (X, Y)]
    M = cost(data)
    ties = M / (M.max() or 1.0) if share < 1 else np.zeros_like(M)
    found = []
    for lean in (ties, ties + _unlike(*far)):
        if est.approx == "entropic":
            plan, n_iter, done = _entropic(M, C, D, _start(lean, *masses), share, est.reg, est.max_iter)
            spread = est.reg * float((plan * np.log(np.maximum(plan, 1e-300))).sum())
        else:
            plan, n_iter, done = _exact(M, C, D, _start(lean, *masses), share, est.max_iter)
            spread = 0.0
        value = share * distortion(C, D, plan) + (1 - share) * float((M * plan).sum()) + spread
        found.append((value, plan, n_iter, done))
    _, plan, est.n_iter_, done = found[1] if found[1][0] < found[0][0] - _LOWER else found[0]
    if not done:
        warnings.warn(
            f"{type(est).__name__}.fit: max_iter={est.max_iter} steps were not enough; take more.",
            TransferWarning,
            stacklevel=5,
        )
    est.distortion_ = distortion(C, D, plan)
    est.plan_ = _spread(plan, *(c[1:] for c in cells)) if cells else plan
    return est.plan_


def inner_distances(X: Array, kind: str, rows: Array | None = None) -> Array:
    """Of some rows, or all, to all rows of a domain, divided by their mean.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
    kind : {"euclidean", "sqeuclidean", "neighbours"}
        The last one counts steps along the graph of the ten nearest neighbours.
    rows : int array of shape (k,), optional

    Returns
    -------
    distances : array of shape (k, n_samples)
    """
    rows = np.arange(len(X)) if rows is None else rows
    if kind == "neighbours":
        D = _steps(X, rows)
    else:
        D = squared_distances(X[rows], X)
        D = D if kind == "sqeuclidean" else np.sqrt(D)
    D[np.arange(len(rows)), rows] = 0
    return np.asarray(D / (D.mean() or 1.0))


def distortion(C: Array, D: Array, P: Array) -> float:
    """``sum_ijkl (C_ik - D_jl)^2 P_ij P_kl`` for symmetric C and D."""
    of_rows, of_columns = P.sum(axis=1), P.sum(axis=0)
    cross = np.sum((C @ P @ D) * P)
    return float(max(0.0, of_rows @ C**2 @ of_rows + of_columns @ D**2 @ of_columns - 2 * cross))


def _steps(X: Array, rows: Array) -> Array:
    """Steps along the graph of nearest neighbours; one more than the most between rows that it does not connect."""
    from scipy.sparse.csgraph import dijkstra
    from sklearn.neighbors import kneighbors_graph

    if len(X) == 1:
        return np.zeros((1, 1))
    graph = kneighbors_graph(X, min(10, len(X) - 1))
    steps = dijkstra(graph, directed=False, unweighted=True, indices=rows)
    reached = np.isfinite(steps)
    return np.where(reached, steps, steps[reached].max() + 1)


def _unlike(C: Array, D: Array) -> Array:
    """How far the distributions of two rows' distances are apart, at most 1: what Memoli's lower bound couples by."""
    places = np.linspace(0, 1, 33)
    M = squared_distances(*(np.quantile(far, places, axis=1).T for far in (C, D)))
    return np.asarray(M / (M.max() or 1.0))


def _start(M: Array, p: Array, q: Array) -> Array:
    """The plan of M alone with much entropy, its masses mended: else rounding would decide between mirror images."""
    P = np.exp(-M / (0.1 * (M.max() or 1.0)))
    for _ in range(50):
        P *= (p / P.sum(axis=1))[:, None]
        P *= q / P.sum(axis=0)
    # Rows and columns are cut to their masses, and what is missing is added.
    P *= np.minimum(1, p / P.sum(axis=1))[:, None]
    P *= np.minimum(1, q / P.sum(axis=0))
    rows, columns = p - P.sum(axis=1), q - P.sum(axis=0)
    return np.asarray(P + np.outer(rows, columns) / (rows.sum() or 1.0))


def _exact(M: Array, C: Array, D: Array, start: Array, share: float, max_iter: int) -> tuple[Array, int, bool]:
    """By POT's conditional gradient: each step is an exact transport problem."""
    from ot.gromov import fused_gromov_wasserstein  # here, because importing POT loads every array library installed

    C, D = ((V + V.T) / 2 for V in (C, D))
    p, q = start.sum(axis=1), start.sum(axis=0)
    settings = {"alpha": share, "symmetric": True, "max_iter": max_iter, "tol_rel": 1e-7, "tol_abs": 1e-9}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exact solver; what counts is said by the caller
        plan, log = fused_gromov_wasserstein(M, C, D, p, q, G0=start, log=True, **settings)
    n_done = max(1, len(log["loss"]) - 1)
    return np.asarray(plan), n_done, n_done < max_iter


def _entropic(
    M: Array, C: Array, D: Array, start: Array, share: float, reg: float, max_iter: int
) -> tuple[Array, int, bool]:
    """Projected gradient in the divergence of the entropy: a transport problem of the gradient's cost in each step."""
    P, potentials = start, None
    own = (C**2).mean(axis=1)[:, None] + (D**2).mean(axis=1)
    n_done, moved = 0, np.inf
    while n_done < max_iter and moved > _SETTLED:
        n_done += 1
        slope = (1 - share) * M + 2 * share * (own - 2 * C @ P @ D)
        found = sinkhorn(slope, reg, tol=1e-8, start=potentials)
        moved, P, potentials = float(np.abs(found.plan - P).sum()), found.plan, (found.f, found.g)
    return P, n_done, moved <= _SETTLED


def _anchors(data: HeterogeneousData, n_anchors: int, rng: np.random.RandomState) -> tuple[Array, Array]:
    """Rows that stand for their neighbours: of pairs and with known labels first, up to half of them, then drawn at random."""
    pairs = rng.permutation(data.pairs)[: n_anchors // 2]
    known = rng.permutation(np.flatnonzero(data.known))
    chosen = []
    for n, first in ((len(data.Xs), pairs[:, 0]), (len(data.Xt), np.concatenate([pairs[:, 1], known]))):
        order = np.concatenate([first[: n_anchors // 2], rng.permutation(n)]).astype(np.int64)
        _, at = np.unique(order, return_index=True)
        chosen.append(np.sort(order[np.sort(at)[:n_anchors]]))
    return chosen[0], chosen[1]


def _among(data: HeterogeneousData, s: Array, t: Array) -> HeterogeneousData:
    """The domains' rows s and t alone."""
    labels = np.empty(len(data.Xt), dtype=data.yt.dtype)
    labels[data.known] = data.yt
    known = data.known[t]
    pairs = data.pairs[np.isin(data.pairs[:, 0], s) & np.isin(data.pairs[:, 1], t)]
    return replace(
        data, Xs=data.Xs[s], ys=data.ys[s], Xt=data.Xt[t], known=known, yt=labels[t][known],
        groups=None if data.groups is None else data.groups[s],
        pairs=np.column_stack([np.searchsorted(rows, of) for rows, of in zip((s, t), pairs.T)]),
    )  # fmt: skip


def _cells(X: Array, anchors: Array, kind: str) -> tuple[Array, Array, Array]:
    """Distances of anchors to all rows, the anchor nearest to each row, and how far that is."""
    far = inner_distances(X, kind, anchors)
    cell = far.argmin(axis=0)
    cell[anchors] = np.arange(len(anchors))  # of two equal rows, too, each is its own
    return far, cell, far[cell, np.arange(len(X))]


def _spread(plan: Array, of_source: tuple[Array, Array], of_target: tuple[Array, Array]) -> sparse.csr_matrix:
    """Mass between two anchors goes to their cells' rows in the order of the distance to the anchor, equal masses."""
    n, m = len(of_source[0]), len(of_target[0])
    cells = []
    for (cell, far), k in zip((of_source, of_target), plan.shape):
        order = np.lexsort((far, cell))
        cells.append(np.split(order, np.searchsorted(cell[order], np.arange(1, k))))
    parts = []
    for p, q in np.argwhere(plan > 0):
        a, b = len(cells[0][p]), len(cells[1][q])
        ends = np.union1d(np.arange(1, a + 1) * b, np.arange(1, b + 1) * a)  # in units of 1 / (a b)
        mass = np.diff(ends, prepend=0) / (a * b) * plan[p, q]
        parts.append((mass, cells[0][p][(ends - 1) // b], cells[1][q][(ends - 1) // a]))
    mass, rows, columns = (np.concatenate(part) for part in zip(*parts))
    return sparse.csr_matrix((mass, (rows, columns)), shape=(n, m))
