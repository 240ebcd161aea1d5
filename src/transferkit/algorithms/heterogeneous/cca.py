"""CCA: the directions of two feature spaces in which paired rows, or rows of one class, are most correlated."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR
from ...core.constraints import Interval
from ...core.heterogeneous import HeterogeneousData, HeterogeneousTransfer
from ...core.protocols import Array
from ...ops.canonical import canonical, ties_of, whiten

CARD = {
    "class": "CanonicalCorrelation",
    "protocol": "Transfer",
    "settings": ("few_label", "heterogeneous"),
    "tasks": ("classification",),
    "with_pairs": ("regression",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Hotelling. Relations between two sets of variates. Biometrika 1936; Rasiwasia, Mahajan, Mahadevan & Aggarwal."
    " Cluster Canonical Correlation Analysis. AISTATS 2014.",
    "url": "https://proceedings.mlr.press/v33/rasiwasia14.html",
}

__all__ = ["CanonicalCorrelation"]


class CanonicalCorrelation(HeterogeneousTransfer):
    """Learn one space from pairs of rows, or from the classes that both domains share, and classify there.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Directions to keep; fewer where the rank of the ties is lower, as with few pairs or classes.
    reg : float in [0, inf), default=1.0
        Added to the variance of each direction of a domain, in units of their mean: the ridge that keeps many columns and
        few rows from being correlated by chance.
    estimator : estimator, default=None
        Fitted in the common space on the source and the known rows of the target. None is logistic regression, or ridge
        regression for numbers, which need pairs.

    Attributes
    ----------
    source_map_, target_map_ : arrays of shape (n_features_source, n_components_) and (n_features, n_components_)
        What centred rows are multiplied with.
    source_mean_, target_mean_ : arrays of shape (n_features_source,) and (n_features,)
        Means of the rows.
    correlations_ : array of shape (n_components_,)
        Of the two sides, falling; between 0 and 1.
    n_components_ : int
        Directions kept.
    n_features_source_ : int
        Columns of the source.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    With covariances ``S_s`` and ``S_t`` of all rows of the domains, labelled or not, ridge included, the directions are the
    leading singular vectors of ``S_s^(-1/2) S_st S_t^(-1/2)`` (Hotelling). The cross-covariance ``S_st`` is over the pairs
    where `fit` was given some; else over all pairs of a source row and a known target row with one class, which is cluster
    CCA and needs the classes' means alone. The latter has at most as many directions as both have classes in common. Cost
    is O(n d min(n, d)) in each domain.

    Cluster CCA has the covariances over its pairs; here they are over all rows, since known target rows are few.

    References
    ----------
    Hotelling. Relations between two sets of variates. Biometrika 28, 1936.
    Rasiwasia, Mahajan, Mahadevan & Aggarwal. Cluster Canonical Correlation Analysis. AISTATS 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CanonicalCorrelation, Domain
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=(100, 2))
    >>> X, Xt = hidden @ rng.normal(size=(2, 5)), hidden @ rng.normal(size=(2, 3))
    >>> y = hidden[:, 0] > 0
    >>> model = CanonicalCorrelation(reg=0.0).fit(X, y, target=Domain(Xt), pairs=[[i, i] for i in range(20)])
    >>> model.score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {"n_components": Interval(int, 1), "reg": Interval(float, 0), "estimator": ESTIMATOR}

    def __init__(self, n_components: int = 30, reg: float = 1.0, estimator: Any = None) -> None:
        self.n_components = n_components
        self.reg = reg
        self.estimator = estimator

    def _fit_map(self, data: HeterogeneousData) -> Array:
        source, target = (whiten(np.asarray(X, dtype=np.float64), self.reg) for X in (data.Xs, data.Xt))
        found = canonical(
            ties_of("CanonicalCorrelation.fit", data, source(data.Xs), target(data.Xt)), self.n_components
        )
        self.source_mean_, self.target_mean_ = source.mean, target.mean
        self.source_map_, self.target_map_ = source.map @ found.left, target.map @ found.right
        self.correlations_, self.n_components_ = found.correlations, len(found.correlations)
        return self._map(data.Xs, "source")

    def _map(self, X: Array, domain: str) -> Array:
        if domain == "source":
            return np.asarray((X - self.source_mean_) @ self.source_map_)
        return np.asarray((X - self.target_mean_) @ self.target_map_)
