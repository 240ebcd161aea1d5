"""Joint PCA: the principal components of both domains' rows together."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.base import ESTIMATOR, FeatureTransfer, stack
from ...core.chunks import JoinedChunks
from ...core.constraints import Interval
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.moments import chunk_moments, leading_axes
from ...ops.solvers.linalg import principal_axes

CARD = {
    "class": "JointPCA",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "chunks"),
    "needs": (),
    "cost": "n",
    "scaling": "domain",
    "portfolio": ({"n_components": 30}, {"n_components": 100}, {"n_components": 30, "estimator": "nearest"}),
    "paper": "Jolliffe. Principal Component Analysis. Springer 2002; the PCA baseline of Long et al. ICCV 2013.",
    "url": "https://doi.org/10.1007/b98835",
}

__all__ = ["JointPCA"]


class JointPCA(FeatureTransfer):
    """Project both domains on the directions in which their pooled rows vary most.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Directions to keep; fewer where the rank of the pooled rows is lower. Few directions drop what is particular to
        one domain, and detail with it.
    estimator : estimator, default=None
        Fitted on the projected source. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    components_ : array of shape (n_features, n_components_)
        Orthonormal directions, by falling variance.
    mean_ : array of shape (n_features,)
        Mean of the pooled rows.
    n_components_ : int
        Number of directions kept.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Maximises ``tr(A' X H X' A)`` over ``A' A = I``, with X the rows of both domains as columns and H the centring matrix:
    eq. 1 of Long et al. (2013). It does not look at which domain a row comes from.
    Rows in chunks are read once for the moments, which are merged exactly.

    References
    ----------
    Jolliffe. Principal Component Analysis. Springer 2002, section 1.1.

    Long, Wang, Ding, Sun & Yu. Transfer Feature Learning with Joint Distribution Adaptation. ICCV 2013, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, JointPCA
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 5)), np.arange(60) % 2
    >>> X[:, 0] += 6 * y
    >>> model = JointPCA(n_components=2).fit(X, y, target=Domain(X + 0.1))
    >>> model.transform(X).shape, model.score(X + 0.1, y) > 0.9
    ((60, 2), True)
    """

    _constraints: ClassVar = {"n_components": Interval(int, 1), "estimator": ESTIMATOR}
    _accept_chunks: ClassVar = True

    def __init__(self, n_components: int = 30, estimator: Any = None) -> None:
        self.n_components = n_components
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        self._keep(*principal_axes(stack(data.Xs, data.Xt), self.n_components), data.Xs.dtype)
        return self._map(data.Xs, "source")

    def _fit_map_on_chunks(self, data: TransferData) -> None:
        pooled = chunk_moments(JoinedChunks(data.Xs, data.Xt))
        self._keep(pooled.mean, leading_axes(pooled, self.n_components), data.Xs.dtype)

    def _keep(self, mean: Array, axes: Array, dtype: Any) -> None:
        self.mean_, self.components_ = mean.astype(dtype), axes.astype(dtype)
        self.n_components_ = axes.shape[1]

    def _map(self, X: Array, domain: str) -> Array:
        return (X - self.mean_) @ self.components_
