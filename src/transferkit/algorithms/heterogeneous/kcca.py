"""KCCA: CCA on the kernels of both domains, for ties between feature spaces that are not linear."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR
from ...core.constraints import Either, Interval, Nothing
from ...core.heterogeneous import HeterogeneousData, HeterogeneousTransfer
from ...core.protocols import Array
from ...ops.canonical import canonical, ties_of, whiten
from ...ops.kernels.gaussian import median_gamma, rbf
from ...ops.solvers.linalg import top_eigh

CARD = {
    "class": "KCCA",
    "protocol": "Transfer",
    "settings": ("few_label", "heterogeneous"),
    "tasks": ("classification",),
    "with_pairs": ("regression",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Hardoon, Szedmak & Shawe-Taylor. Canonical Correlation Analysis: An Overview with Application to Learning"
    " Methods. Neural Computation 2004.",
    "url": "https://doi.org/10.1162/0899766042321814",
}

__all__ = ["KCCA"]


class KCCA(HeterogeneousTransfer):
    """Learn one space from pairs of rows, or from shared classes, after a Gaussian kernel of each domain's own.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Directions to keep; fewer where the rank of the ties is lower.
    reg : float in [0, inf), default=1.0
        Added to the variance of each direction of a domain, in units of their mean.
    gamma : float in (0, inf), default=None
        Width of both kernels ``exp(-gamma ||x - y||^2)``. None is half the inverse median squared distance of each domain.
    rank : int in [1, inf), default=200
        Kernel principal components of each domain that are correlated; what lies below them is noise more often than not.
    estimator : estimator, default=None
        Fitted in the common space on the source and the known rows of the target. None is logistic regression, or ridge
        regression for numbers, which need pairs.

    Attributes
    ----------
    source_rows_, target_rows_ : arrays of shape (n_source, n_features_source) and (n_target, n_features)
        Rows that the kernels compare with.
    source_map_, target_map_ : arrays of shape (n_source, n_components_) and (n_target, n_components_)
        What kernel values are multiplied with.
    source_mean_, target_mean_ : arrays of shape (n_source,) and (n_target,)
        Mean kernel values, which are taken off first.
    gammas_ : tuple of float
        Widths of the source's kernel and the target's.
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
    `CanonicalCorrelation` of the kernel principal components of each domain: the dual problem of the paper, whose
    regularisation here is by `reg` and `rank`. Time is that of an eigendecomposition of each kernel, O(n^2 rank) to O(n^3),
    memory O(n^2).

    References
    ----------
    Hardoon, Szedmak & Shawe-Taylor. Canonical Correlation Analysis: An Overview with Application to Learning Methods.
    Neural Computation 16(12), 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import KCCA, Domain
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.uniform(-1, 1, size=(100, 2))
    >>> X, Xt = hidden @ rng.normal(size=(2, 5)), np.exp(hidden @ rng.normal(size=(2, 3)))
    >>> y = hidden[:, 0] > 0
    >>> model = KCCA().fit(X, y, target=Domain(Xt), pairs=[[i, i] for i in range(40)])
    >>> model.score(Xt, y) > 0.85
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "reg": Interval(float, 0),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "rank": Interval(int, 1),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        n_components: int = 30,
        reg: float = 1.0,
        gamma: float | None = None,
        rank: int = 200,
        estimator: Any = None,
    ) -> None:
        self.n_components = n_components
        self.reg = reg
        self.gamma = gamma
        self.rank = rank
        self.estimator = estimator

    def _fit_map(self, data: HeterogeneousData) -> Array:
        self.source_rows_, self.target_rows_ = data.Xs, data.Xt
        self.gammas_ = tuple(self.gamma or median_gamma(np.asarray(X, dtype=np.float64)) for X in (data.Xs, data.Xt))
        sides = [self._components(X, gamma) for X, gamma in zip((data.Xs, data.Xt), self.gammas_)]
        (_, _, Zs), (_, _, Zt) = sides
        source, target = whiten(Zs, self.reg), whiten(Zt, self.reg)
        found = canonical(ties_of("KCCA.fit", data, source(Zs), target(Zt)), self.n_components)
        self.correlations_, self.n_components_ = found.correlations, len(found.correlations)
        self.source_mean_, self.target_mean_ = sides[0][0], sides[1][0]
        self.source_map_ = sides[0][1] @ (source.map @ found.left)
        self.target_map_ = sides[1][1] @ (target.map @ found.right)
        return self._map(data.Xs, "source")

    def _components(self, X: Array, gamma: float) -> tuple[Array, Array, Array]:
        """Mean kernel values, what takes centred kernel values to the principal components, and these of all rows."""
        K = rbf(X, X, gamma)
        mean = K.mean(axis=0)
        # Centred on both sides it is the Gram matrix of centred images; new rows need the left side alone.
        values, vectors = top_eigh(K - mean - mean[:, None] + mean.mean(), min(self.rank, max(1, len(X) - 1)))
        keep = values > max(values[0], 0) * len(X) * np.finfo(np.float64).eps
        keep[0] = True
        # Equal rows have no component: the one that is kept is then 0, for new rows too.
        basis = vectors[:, keep] * (1 / np.sqrt(np.where(values[keep] > 0, values[keep], np.inf)))
        basis -= basis.mean(axis=0)
        return mean, basis, (K - mean) @ basis

    def _map(self, X: Array, domain: str) -> Array:
        of_source = domain == "source"
        rows, A = (self.source_rows_, self.source_map_) if of_source else (self.target_rows_, self.target_map_)
        mean = self.source_mean_ if of_source else self.target_mean_
        return np.asarray((rbf(X, rows, self.gammas_[0 if of_source else 1]) - mean) @ A)
