"""K-means clusters of rows, for as many clusters as there are different rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.utils import check_random_state

from ..core.protocols import Array

__all__ = ["class_clusters", "kmeans_clusters"]


def kmeans_clusters(Z: Array, n_clusters: int, *, n_init: int = 10, random_state: Any = None) -> Array:
    """Cluster of each row, of shape (n,), the best of `n_init` starts.

    There are fewer than `n_clusters` where there are fewer different rows.
    """
    rng = check_random_state(random_state)
    k = min(n_clusters, len(np.unique(Z, axis=0)))
    labels: Array = KMeans(k, n_init=n_init, random_state=rng.randint(2**31 - 1)).fit(Z).labels_
    return labels


def class_clusters(Z: Array, labels: Array) -> Array:
    """Cluster of each row, of shape (n,), by k-means that starts at the mean of each label's rows.

    Labels whose means coincide share a cluster.
    """
    codes = np.unique(labels, return_inverse=True)[1]
    sums = np.zeros((codes.max() + 1, Z.shape[1]))
    np.add.at(sums, codes, Z)
    means = np.unique(sums / np.bincount(codes)[:, None], axis=0)
    k = min(len(means), len(np.unique(Z, axis=0)))
    found: Array = KMeans(k, init=means[:k], n_init=1, random_state=0).fit(Z).labels_
    return found
