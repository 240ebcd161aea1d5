"""The target's own structure: several clusterings, and how well labels follow them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

from ...core.protocols import Array
from ...ops.components import component_space, subsample

__all__ = ["Clusterings"]

MULTIPLES = (1.0, 1.5, 2.0)  # clusters a class
N_STARTS = 2
N_COMPONENTS = 30
MOST_ROWS = 5000


class Clusterings:
    """K-means in two spaces (columns as given, columns standardised), with 1, 1.5 and 2 clusters a class, from two starts.

    A verdict from one clustering flips with another seed in half of the tasks; twelve are asked.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Target rows; 5000 of more are drawn.
    n_classes : int
    rng : RandomState
    """

    def __init__(self, X: Array, n_classes: int, rng: Any) -> None:
        self.rows = subsample(len(X), MOST_ROWS, rng)
        rows = X[self.rows]
        most = max(2, len(rows) // 3)
        self.labels: list[Array] = []
        for scale in (False, True):
            (Z,) = component_space(rows, n_components=N_COMPONENTS, scale=scale, random_state=rng)
            # Equal rows differ in the last digits once they are components.
            distinct = len(np.unique(np.round(Z / (np.abs(Z).max() or 1.0), 9), axis=0))
            for multiple in MULTIPLES:
                k = min(max(2, round(n_classes * multiple)), most, distinct)
                for _ in range(N_STARTS):
                    self.labels.append(KMeans(k, n_init=1, random_state=rng.randint(2**31)).fit(Z).labels_)

    def information(self, labels: Array) -> Array:
        """Adjusted mutual information of labels with each clustering, of shape (12,)."""
        own = labels[self.rows]
        return np.array([adjusted_mutual_info_score(own, c) for c in self.labels])

    def rand(self, labels: Array) -> float:
        """Mean adjusted Rand index with the clusterings: cheap enough to be asked of every candidate."""
        own = labels[self.rows]
        return float(np.mean([_adjusted_rand(own, c) for c in self.labels]))


def _adjusted_rand(a: Array, b: Array) -> float:
    k = int(b.max()) + 1
    table = np.bincount(a * k + b, minlength=(int(a.max()) + 1) * k).reshape(-1, k).astype(np.float64)
    n = len(a)
    both = (table * (table - 1)).sum()
    left, right = (s * (s - 1) for s in (table.sum(axis=1), table.sum(axis=0)))
    chance = left.sum() * right.sum() / (n * (n - 1))
    most = (left.sum() + right.sum()) / 2
    return float((both - chance) / (most - chance)) if most > chance else 0.0
