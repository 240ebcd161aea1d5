"""GFK: compare rows along the whole way from the source's subspace to the target's."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, FeatureTransfer, stack
from ...core.constraints import Either, Interval, Nothing
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels.geodesic_flow import flow_factor
from ...ops.solvers.linalg import principal_axes

CARD = {
    "class": "GFK",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "scaling": "domain",
    "portfolio": ({}, {"n_components": 20}),
    "paper": "Gong, Shi, Sha & Grauman. Geodesic Flow Kernel for Unsupervised Domain Adaptation. CVPR 2012.",
    "url": "https://doi.org/10.1109/CVPR.2012.6247911",
}

__all__ = ["GFK"]

_MAX_SEARCHED = 100  # dimensions that the disagreement measure is computed for
_ORTHOGONAL = 0.995  # a disagreement that reads 1 to two decimals, where rounding never gives 1 itself


class GFK(FeatureTransfer):
    """Integrate the projections on all subspaces on the geodesic between the domains' principal subspaces.

    Parameters
    ----------
    n_components : int in [1, inf) or None, default=None
        Dimension of each domain's subspace; less where the rank of a domain is lower. None takes the paper's subspace
        disagreement measure. The mapped rows have up to twice as many columns.
    estimator : estimator, default=None
        Fitted on the mapped source. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    components_ : array of shape (n_features, n_columns)
        L with ``G = L L'``: inner products of ``X L`` are the kernel ``x' G y``.
    angles_ : array of shape (n_components_,)
        Principal angles between the two subspaces, in radians, rising.
    n_components_ : int
        Dimension of the subspaces.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    ``G = int_0^1 Phi(t) Phi(t)' dt`` (eq. 5) with the geodesic ``Phi(t) = A cos(t theta) + B sin(t theta)`` from the
    source's principal subspace to the target's, in closed form (eq. 6). With the principal vectors A of the source and B,
    the directions in which they leave it, G is one 2 x 2 block an angle; we keep the Cholesky factor of each block and
    never form the n_features x n_features matrix or an orthogonal complement. Angles come from both sine and cosine,
    since the arc cosine loses half the digits of small ones.

    For ``n_components=None``, D(d) is half the sum of the sines of the largest principal angle between each domain's
    first d principal directions and those of the pooled rows (eq. 8). The paper takes the smallest d with D(d) = 1; we
    take the first that reads 1 to two decimals, or else, in domains that agree everywhere, the largest that there is, up
    to 100. More than half of the number of features is allowed: some principal angles are 0 then, which is no special
    case here.

    References
    ----------
    Gong, Shi, Sha & Grauman. Geodesic Flow Kernel for Unsupervised Domain Adaptation. CVPR 2012, sections 3.2 and 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import GFK, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 6)), np.arange(60) % 2
    >>> X[:, 0] += 6 * y
    >>> model = GFK(n_components=2).fit(X, y, target=Domain(X + 0.1))
    >>> model.score(X + 0.1, y) > 0.9
    True
    """

    _constraints: ClassVar = {"n_components": Either(Interval(int, 1), Nothing()), "estimator": ESTIMATOR}

    def __init__(self, n_components: int | None = None, estimator: Any = None) -> None:
        self.n_components = n_components
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        limit = self.n_components or _MAX_SEARCHED
        axes_s, axes_t = principal_axes(data.Xs, limit)[1], principal_axes(data.Xt, limit)[1]
        k = min(axes_s.shape[1], axes_t.shape[1])
        if self.n_components is None:
            k = _agreeing_dimension(axes_s, axes_t, principal_axes(stack(data.Xs, data.Xt), k)[1])
        self.n_components_ = k
        factor, self.angles_ = flow_factor(axes_s[:, :k], axes_t[:, :k])
        self.components_ = factor.astype(data.Xs.dtype)
        return self._map(data.Xs, "source")

    def _map(self, X: Array, domain: str) -> Array:
        return X @ self.components_


def _agreeing_dimension(axes_s: Array, axes_t: Array, axes_all: Array) -> int:
    """The dimension that the subspace disagreement measure takes."""
    cross_s, cross_t = axes_s.T @ axes_all, axes_t.T @ axes_all
    largest = min(*cross_s.shape, *cross_t.shape)
    for d in range(1, largest + 1):
        cosines = np.array([np.linalg.svd(cross[:d, :d], compute_uv=False)[-1] for cross in (cross_s, cross_t)])
        if np.sqrt(np.maximum(1 - cosines**2, 0)).mean() >= _ORTHOGONAL:
            return d
    return largest
