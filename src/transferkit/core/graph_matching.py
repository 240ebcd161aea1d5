"""Which label or concept of one side stands for which of the other, by the edges among each side's own."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.utils import check_random_state

from .errors import DomainError
from .protocols import Array

__all__ = ["GraphMatch", "match_graphs"]

_MOST_STEPS, _SETTLED = 100, 1e-10
_SAME = 1e-9  # two maps cost the same


@dataclass(frozen=True, eq=False)
class GraphMatch:
    """What `match_graphs` found.

    Attributes
    ----------
    mapping : dict
        Node of the source to node of the target, one to one; of graphs of different sizes, as many as the smaller one has.
    mismatch : float
        Mean squared difference of two edges that are matched, over the mean square of all edges of both graphs: 0 where the
        smaller graph is part of the larger one as it is, about 2 where edges are independent and as often above 0 as below.
    alternatives : list of dict
        Other maps that were found and cost the same, as the mirror image of a symmetric graph does: where there are any, seeds or
        similarities have to tell them apart.
    """

    mapping: dict[Hashable, Hashable]
    mismatch: float
    alternatives: list[dict[Hashable, Hashable]]


def match_graphs(
    source: Any,
    target: Any,
    *,
    seeds: Iterable[tuple[Hashable, Hashable]] = (),
    similarity: Any = None,
    similarity_weight: float = 1.0,
    n_starts: int = 20,
    random_state: Any = 0,
) -> GraphMatch:
    """Match the nodes of two small graphs one to one, so that edges agree.

    Parameters
    ----------
    source, target : array-like of shape (n, n) and (m, m)
        Edge weights, or distances: 0 is no edge. Directed where not symmetric. Of a data frame, the index names the nodes; else
        they are called by their numbers. Both should be in one unit.
    seeds : pairs of names, default=()
        Node of the source and node of the target that are known to be the same.
    similarity : array-like of shape (n, m), default=None
        Of nodes, as of their names or descriptions: larger is more alike.
    similarity_weight : float in [0, inf), default=1.0
        Weight of the mean similarity of matched nodes beside the mismatch of their edges.
    n_starts : int in [0, inf), default=20
        Random starts beside the two fixed ones.
    random_state : int, RandomState or None, default=0
        Draws the random starts.

    Returns
    -------
    match : GraphMatch
        The best map of all starts.

    Raises
    ------
    DomainError
        Naming the argument that cannot be used.

    Notes
    -----
    Minimises ``mean_ij (A_ij - B_p(i)p(j))^2 / scale - similarity_weight * mean_i S_i,p(i)`` over one-to-one maps p,
    with scale the mean square of all edges. For graphs of one size this is the quadratic assignment problem, and its
    relaxation to couplings is the fused Gromov-Wasserstein problem. FAQ solves the relaxation by Frank-Wolfe steps,
    each a linear assignment, and rounds the end. Where sizes differ, the paper pads the smaller graph with zeros;
    here the steps are over maps of the smaller graph into the larger one, and edges of nodes that are left out do not
    count. It starts from the mean of all maps, as the paper does (that start is Gromov-Wasserstein's too); from the
    assignment of nodes whose sorted edges are most alike, which is a lower bound of the Gromov-Wasserstein distance
    (Memoli), mixed with that mean; and from random maps mixed with it. The best end need not be the best map: the
    problem is NP-hard. O(n^3) a step; for some hundred nodes.

    References
    ----------
    Vogelstein, Conroy, Lyzinski, Podrazik, Kratzer, Harley, Fishkind, Vogelstein & Priebe. Fast Approximate Quadratic Programming
    for Graph Matching. PLOS ONE 2015.
    Fishkind, Adali, Patsolic, Meng, Singh, Lyzinski & Priebe. Seeded graph matching. Pattern Recognition 2019.
    Memoli. Gromov-Wasserstein Distances and the Metric Approach to Object Matching. FoCM 2011.

    Examples
    --------
    >>> import pandas as pd
    >>> from transferkit import match_graphs
    >>> english = pd.DataFrame([[0, 1, 8], [1, 0, 7], [8, 7, 0]], index=["cat", "dog", "car"])
    >>> german = pd.DataFrame([[0, 7, 8], [7, 0, 1], [8, 1, 0]], index=["Auto", "Hund", "Katze"])
    >>> match_graphs(english, german).mapping
    {'cat': 'Katze', 'dog': 'Hund', 'car': 'Auto'}
    """
    (A, left), (B, right) = (_graph(value, side) for value, side in ((source, "source"), (target, "target")))
    if not 0 <= similarity_weight < np.inf or n_starts < 0:
        raise DomainError(
            f"match_graphs: similarity_weight and n_starts must be 0 or more. Got {similarity_weight} and {n_starts}."
        )
    S = np.zeros((len(A), len(B))) if similarity is None else _table(similarity, (len(A), len(B)))
    known = _places(seeds, left, right)
    turned = len(A) > len(B)
    problem = _Problem(*((B, A, S.T, known[:, ::-1]) if turned else (A, B, S, known)), weight=similarity_weight)
    rng = check_random_state(random_state)
    ends = [problem.solve(start) for start in problem.starts(n_starts, rng)]
    costs = np.array([problem.cost(p) for p in ends])
    best = int(costs.argmin())
    maps: list[dict[Hashable, Hashable]] = []
    for k in [best, *np.flatnonzero(costs <= costs[best] + _SAME)]:
        pairs = [(j, i) if turned else (i, j) for i, j in enumerate(ends[k])]
        found = {left[i]: right[j] for i, j in sorted(pairs)}
        if found not in maps:
            maps.append(found)
    return GraphMatch(maps[0], problem.mismatch(ends[best]), maps[1:])


class _Problem:
    """The smaller graph A into the larger one B; a map is given by the node of B for each of A."""

    def __init__(self, A: Array, B: Array, S: Array, known: Array, weight: float) -> None:
        n = len(A)
        scale = (np.sum(A**2) + np.sum(B**2)) / (n**2 + len(B) ** 2) or 1.0
        self.A, self.B, self.linear = A / np.sqrt(scale), B / np.sqrt(scale), -weight * S / n
        self.known = known
        self.rows, self.columns = (np.setdiff1d(np.arange(len(V)), known[:, k]) for k, V in enumerate((A, B)))

    def mismatch(self, p: Array) -> float:
        """Of matched edges."""
        return float(((self.A - self.B[np.ix_(p, p)]) ** 2).mean())

    def cost(self, p: Array) -> float:
        """What is minimised."""
        return self.mismatch(p) + float(self.linear[np.arange(len(p)), p].sum())

    def slope(self, P: Array) -> Array:
        """Gradient of the quadratic part, which is linear in P."""
        A, B, rows, columns = self.A, self.B, P.sum(axis=1), P.sum(axis=0)
        own = ((A**2 + A.T**2) @ rows)[:, None] + (B**2 + B.T**2) @ columns
        return np.asarray((own - 2 * (A @ P @ B.T + A.T @ P @ B)) / len(A) ** 2)

    def assign(self, cost: Array) -> Array:
        """The cheapest map that keeps the seeds."""
        p = np.empty(len(self.A), dtype=np.int64)
        p[self.known[:, 0]] = self.known[:, 1]
        i, j = linear_sum_assignment(cost[np.ix_(self.rows, self.columns)])
        p[self.rows[i]] = self.columns[j]
        return p

    def table(self, p: Array) -> Array:
        """A map as a matrix of zeros and ones."""
        return np.eye(len(self.B))[p]

    def starts(self, n: int, rng: np.random.RandomState) -> list[Array]:
        """The mean of all maps; that mixed with the map of nodes whose edges are alike, and with random ones."""
        mean = self.table(self.assign(np.zeros(self.linear.shape)))
        mean[np.ix_(self.rows, self.columns)] = 1 / max(len(self.columns), 1)
        alike = [
            ((_sorted_edges(a, len(self.A))[:, None] - _sorted_edges(b, len(self.A))) ** 2).mean(axis=2)
            for a, b in ((self.A, self.B), (self.A.T, self.B.T))
        ]
        first = self.assign(alike[0] + alike[1] + self.linear)
        random = [self.assign(rng.uniform(size=self.linear.shape)) for _ in range(n)]
        return [mean, *((mean + self.table(p)) / 2 for p in (first, *random))]

    def solve(self, P: Array) -> Array:
        """Frank-Wolfe steps with exact line search, and the nearest map to their end."""
        for _ in range(_MOST_STEPS):
            slope = self.slope(P)
            step = self.table(self.assign(slope + self.linear)) - P
            falls = float(((slope + self.linear) * step).sum())
            if falls > -_SETTLED:
                break
            bend = float((self.slope(step) * step).sum())
            P = P + (1.0 if bend <= 0 else min(1.0, -falls / bend)) * step
        return self.assign(-P)


def _sorted_edges(A: Array, n: int) -> Array:
    """The edges of each node but its own loop in order, at n places."""
    others = A[~np.eye(len(A), dtype=bool)].reshape(len(A), -1)
    if not others.shape[1]:
        return np.zeros((len(A), 1))
    return np.quantile(others, np.linspace(0, 1, max(n - 1, 1)), axis=1).T


def _graph(value: Any, side: str) -> tuple[Array, list[Hashable]]:
    names = list(value.index) if hasattr(value, "index") and hasattr(value, "columns") else None
    A = _table(value, None, side)
    if A.ndim != 2 or A.shape[0] != A.shape[1] or not len(A):
        raise DomainError(f"match_graphs: {side} must be square, one row and column a node. Got shape {A.shape}.")
    names = list(range(len(A))) if names is None else names
    if len(set(names)) < len(names):
        raise DomainError(f"match_graphs: {side} must have names of its own for all nodes. Got {names[:20]}.")
    return A, names


def _table(value: Any, shape: tuple[int, int] | None, name: str = "similarity") -> Array:
    try:
        found = np.asarray(value, dtype=np.float64)
    except (ValueError, TypeError) as err:
        raise DomainError(f"match_graphs: {name} must be a table of numbers. Got: {err}") from err
    if not np.isfinite(found).all() or (shape is not None and found.shape != shape):
        expected = "" if shape is None else f" of shape {shape}"
        raise DomainError(f"match_graphs: {name} must be finite numbers{expected}. Got shape {found.shape}.")
    return found


def _places(seeds: Iterable[tuple[Hashable, Hashable]], left: list[Hashable], right: list[Hashable]) -> Array:
    """Seeds as numbers of nodes, of shape (n_seeds, 2)."""
    pairs = [tuple(pair) for pair in seeds]
    if any(len(pair) != 2 or pair[0] not in left or pair[1] not in right for pair in pairs):
        raise DomainError(f"match_graphs: seeds must be pairs of a source and a target node. Got {pairs[:5]}.")
    found = np.array([(left.index(a), right.index(b)) for a, b in pairs], dtype=np.int64).reshape(-1, 2)
    if any(len(np.unique(side)) < len(side) for side in found.T):
        raise DomainError(f"match_graphs: seeds must name each node once. Got {pairs[:5]}.")
    return found
