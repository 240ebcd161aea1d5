"""Subpopulations of the target that lie where the source has no rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples

from ...core.protocols import Array
from ...ops.components import component_space, subsample
from ...ops.evidence.support import outside_rows
from .limits import APART, OUTSIDE, UNCOVERED

__all__ = ["support_of", "uncovered_clusters"]

COMPONENTS = 5  # of the target alone, in units of the source: a group far from the rest is among the first
MOST_CLUSTERS = 8
FEWEST = 5
MOST_CLUSTERED = 1000
MOST_OUTSIDE = 0.5


def support_of(pi_source: Array, pi_target: Array) -> tuple[dict[str, float], Array]:
    """The overlap of the domains, and which target rows are outside the source's support.

    ``outside``: share of target rows in the region that holds one in a hundred source rows at most; ``used``: share of
    source rows out of the region that holds one in a hundred target rows at most. Without a shift, about 0.01 and 0.99.
    """
    outside = outside_rows(pi_source, pi_target)
    unused = outside_rows(-pi_target, -pi_source)
    return {"outside": float(outside.mean()), "used": float(1 - unused.mean()), "expected": 0.01}, outside


def uncovered_clusters(
    Xs: Array, Xt: Array, outside: Array, index: Array, names: Sequence[str], rng: np.random.RandomState
) -> list[dict[str, Any]]:
    """Clusters of the target that are mostly outside the source's support and apart from its other rows, the largest first.

    The number of clusters is that with the best silhouette. There is none where most of the target lies outside: that is
    another measurement, not another population.

    Parameters
    ----------
    Xs, Xt : arrays of shape (n_source, n_features), (n_target, n_features)
        Rows.
    outside : bool array of shape (n_target,)
        From `support_of`.
    index : int array of shape (n_target,)
        Row numbers in the target that the rows of `Xt` have.
    names : sequence of str
        Columns.
    rng : RandomState
        For the clustering.
    """
    if len(Xt) < 2 * FEWEST or not OUTSIDE / 2 <= outside.mean() <= MOST_OUTSIDE:
        return []
    most = subsample(len(Xt), MOST_CLUSTERED, rng)
    spread = Xs.std(axis=0)
    (Zt,) = component_space(
        Xt[most] / np.where(spread > 0, spread, 1.0), n_components=COMPONENTS, scale=False, random_state=rng
    )
    found = []
    for own, centre, apart in _clusters(Zt, rng):
        share = float(outside[most][own].mean())
        # The edge of one cloud that moved as a whole is no group of its own.
        if own.sum() < FEWEST or share < UNCOVERED or apart < APART:
            continue
        nearest = np.argsort(((Zt[own] - centre) ** 2).sum(axis=1), kind="stable")
        found.append(
            {
                "share": float(own.mean()),
                "rows": round(own.mean() * len(Xt)),
                "outside": share,
                "columns": _marks(Xs, Xt[most][own], names),
                "examples": index[most][own][nearest[:5]].tolist(),
            }
        )
    return sorted(found, key=lambda f: -f["rows"])


def _clusters(Z: Array, rng: np.random.RandomState) -> list[tuple[Array, Array, float]]:
    """Members, centre and mean silhouette of each cluster, for the number of clusters with the best silhouette."""
    best: tuple[float, list[tuple[Array, Array, float]]] = (-np.inf, [])
    for k in range(2, min(MOST_CLUSTERS, len(np.unique(Z, axis=0)) - 1) + 1):
        fitted = KMeans(k, n_init=3, random_state=rng).fit(Z)
        apart = silhouette_samples(Z, fitted.labels_)
        if apart.mean() > best[0]:
            each = [fitted.labels_ == c for c in range(k)]
            best = (
                apart.mean(),
                [(own, fitted.cluster_centers_[c], float(apart[own].mean())) for c, own in enumerate(each)],
            )
    return best[1]


def _marks(Xs: Array, own: Array, names: Sequence[str], most: int = 3) -> list[dict[str, Any]]:
    """The columns whose mean in the cluster is farthest from the source's, in standard deviations of both together."""
    spread = np.concatenate([Xs, own]).std(axis=0)
    apart = np.divide(own.mean(axis=0) - Xs.mean(axis=0), spread, out=np.zeros(len(spread)), where=spread > 0)
    order = np.argsort(-np.abs(apart), kind="stable")[:most]
    return [
        {"name": names[j], "effect": float(apart[j]), "here": float(own[:, j].mean()), "source": float(Xs[:, j].mean())}
        for j in order
    ]
