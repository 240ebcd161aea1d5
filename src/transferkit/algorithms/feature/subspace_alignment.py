"""Subspace alignment: turn the source's principal directions towards the target's."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.base import ESTIMATOR, FeatureTransfer
from ...core.constraints import Interval
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.moments import chunk_moments, leading_axes
from ...ops.solvers.linalg import principal_axes

CARD = {
    "class": "SubspaceAlignment",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "chunks"),
    "needs": (),
    "cost": "n",
    "scaling": "domain",
    "portfolio": ({"n_components": 30}, {"n_components": 100}, {"n_components": 30, "estimator": "nearest"}),
    "paper": (
        "Fernando, Habrard, Sebban & Tuytelaars. Unsupervised Visual Domain Adaptation Using Subspace Alignment."
        " ICCV 2013."
    ),
    "url": "https://doi.org/10.1109/ICCV.2013.368",
}

__all__ = ["SubspaceAlignment"]


class SubspaceAlignment(FeatureTransfer):
    """Describe each domain in its own principal directions, after a linear map of the source's onto the target's.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Principal directions of each domain; fewer where the rank of a domain is lower.
    estimator : estimator, default=None
        Fitted on the aligned source. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    axes_source_, axes_target_ : arrays of shape (n_features, n_components_)
        Orthonormal principal directions of the two domains.
    alignment_ : array of shape (n_components_, n_components_)
        The map M of the source's coordinates.
    mean_source_, mean_target_ : arrays of shape (n_features,)
        Column means of the two domains.
    n_components_ : int
        Number of directions kept.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``||P_s M - P_t||_F`` over M (eq. 1), which gives ``M = P_s' P_t`` (eq. 2); source rows become
    ``x P_s M`` and target rows ``x P_t`` (algorithm 1). The paper's domains are standardised; we subtract each domain's
    mean, which is the same there and makes the method blind to a shift of a whole domain elsewhere.
    Rows in chunks are read once for the moments, which are merged exactly.

    References
    ----------
    Fernando, Habrard, Sebban & Tuytelaars. Unsupervised Visual Domain Adaptation Using Subspace Alignment. ICCV 2013,
    algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, SubspaceAlignment
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 4)), np.arange(60) % 2
    >>> X[:, 0] += 6 * y
    >>> model = SubspaceAlignment(n_components=2).fit(X, y, target=Domain(X + 9))
    >>> model.score(X + 9, y) > 0.9
    True
    """

    _constraints: ClassVar = {"n_components": Interval(int, 1), "estimator": ESTIMATOR}
    _accept_chunks: ClassVar = True

    def __init__(self, n_components: int = 30, estimator: Any = None) -> None:
        self.n_components = n_components
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        source, target = principal_axes(data.Xs, self.n_components), principal_axes(data.Xt, self.n_components)
        self._align(*source, *target, data.Xs.dtype)
        return self._map(data.Xs, "source")

    def _fit_map_on_chunks(self, data: TransferData) -> None:
        source, target = chunk_moments(data.Xs), chunk_moments(data.Xt)
        axes_s, axes_t = leading_axes(source, self.n_components), leading_axes(target, self.n_components)
        self._align(source.mean, axes_s, target.mean, axes_t, data.Xs.dtype)

    def _align(self, mean_s: Array, axes_s: Array, mean_t: Array, axes_t: Array, dtype: Any) -> None:
        self.n_components_ = k = min(axes_s.shape[1], axes_t.shape[1])
        self.mean_source_, self.mean_target_ = mean_s.astype(dtype), mean_t.astype(dtype)
        self.axes_source_, self.axes_target_ = axes_s[:, :k].astype(dtype), axes_t[:, :k].astype(dtype)
        self.alignment_ = self.axes_source_.T @ self.axes_target_

    def _map(self, X: Array, domain: str) -> Array:
        if domain == "source":
            return (X - self.mean_source_) @ (self.axes_source_ @ self.alignment_)
        return (X - self.mean_target_) @ self.axes_target_
