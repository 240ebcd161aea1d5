"""SCA: components on which classes lie apart and rows vary, while domains and the rows of a class lie close."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from ...core.base import ESTIMATOR, FeatureTransfer, stack
from ...core.constraints import Boolean, Either, Interval, Nothing, Options
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels.map import fit_kernel_map, kernel_components
from ...ops.kernels.mmd import leading_ratio
from ...ops.solvers.linalg import unit_rows

CARD = {
    "class": "SCA",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": (
        "Ghifary, Balduzzi, Kleijn & Zhang. Scatter Component Analysis: A Unified Framework for Domain Adaptation and Domain"
        " Generalization. IEEE TPAMI 39(7), 2017."
    ),
    "url": "https://arxiv.org/abs/1510.04373",
}

__all__ = ["SCA"]


class SCA(FeatureTransfer):
    """Find components of much scatter between classes and in all, and little between domains and within classes.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Components to keep; fewer where the rank is lower.
    class_share : float in [0, 1], default=0.5
        Share of the scatter between the classes against that of all rows (beta of the paper).
    domain_weight : float in [0, inf), default=1.0
        Weight of the scatter between the domains' means (delta).
    kernel : {"rbf", "linear"}, default="rbf"
        Kernel in whose space the scatters are taken.
    gamma : float in (0, inf), default=None
        Width of the rbf kernel ``exp(-gamma ||x - y||^2)``. None is half the inverse median squared distance.
    normalize : bool, default=True
        Scale rows to length 1 before the kernel and again in the space of the components.
    estimator : estimator, default=None
        Fitted on the mapped source. None is logistic regression; the paper takes the nearest neighbour.

    Attributes
    ----------
    components_ : array of shape (n_features, n_components_)
        What centred rows, or their components in the kernel's space, are multiplied with.
    ratios_ : array of shape (n_components_,)
        The scatter ratio of each component, falling.
    n_components_ : int
        Number of components kept.
    mean_ : array of shape (n_features,) or None
        Of all rows, for the linear kernel.
    kernel_map_ : sklearn.decomposition.KernelPCA or None
        From rows to the kernel's components, 500 at most; None for the linear kernel.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Maximises ``tr(B' (beta P + (1 - beta) T) B) / tr(B' (delta D + Q + K) B)``: T the total scatter of all rows (by their
    number), P and Q the labelled rows' scatter between and within the classes, D the scatter of the domains' means, K the
    kernel, whose term is the components' length in its space. A generalized eigenproblem, solved once. Components are
    scaled so that the denominator's matrix becomes the identity. (Dividing them by the root of their eigenvalue as well, as
    programs of the method do, gives components without scatter the same weight as those with much.)

    In the kernel's principal components (or in the features, for the linear kernel) K is the identity and all scatters are
    plain ones: n_features or 500 numbers a side in place of n, at the price of finding those components, O(n^2) memory and
    O(n^3) time (the linear kernel: O(n d^2 + d^3)). D has the rank of the number of domains and is taken in by
    a low-rank correction. With beta = 1 and delta = 0 the components are those of regularised kernel discriminant analysis;
    as delta grows the domains' means meet. Several sources (``groups``) each count as a domain. The paper chooses beta and
    delta on the source; here they are parameters.

    References
    ----------
    Ghifary, Balduzzi, Kleijn & Zhang. Scatter Component Analysis: A Unified Framework for Domain Adaptation and Domain
    Generalization. IEEE TPAMI 39(7), 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import SCA, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, 0] += 5 * y - 2.5
    >>> model = SCA(2, domain_weight=100.0, kernel="linear", normalize=False).fit(X, y, target=Domain(X + [0, 2, 0, 0]))
    >>> model.score(X + [0, 2, 0, 0], y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "class_share": Interval(float, 0, 1),
        "domain_weight": Interval(float, 0),
        "kernel": Options("rbf", "linear"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "normalize": Boolean(),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        n_components: int = 30,
        class_share: float = 0.5,
        domain_weight: float = 1.0,
        kernel: str = "rbf",
        gamma: float | None = None,
        normalize: bool = True,
        estimator: Any = None,
    ) -> None:
        self.n_components = n_components
        self.class_share = class_share
        self.domain_weight = domain_weight
        self.kernel = kernel
        self.gamma = gamma
        self.normalize = normalize
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        if data.task != "classification":
            raise DomainError("SCA.fit: y must hold classes. Unknown label type: continuous.")
        X = np.asarray(stack(data.Xs, data.Xt), dtype=np.float64)
        if self.normalize:
            X = unit_rows(X)
        is_rbf = self.kernel == "rbf"
        self.kernel_map_ = fit_kernel_map(X, self.gamma) if is_rbf else None
        self.mean_ = None if is_rbf else X.mean(axis=0)
        Z = self._inner_space(X)
        n_source, turn = len(data.Xs), None
        if Z.shape[1] > len(Z):
            turn, lower = np.linalg.qr(Z.T)
            Z = lower.T
        labelled = np.concatenate([np.ones(n_source, dtype=bool), data.known])
        within, between = _class_scatter(Z[labelled], np.concatenate([data.codes, data.codes_t]))
        large = self.class_share * between + (1 - self.class_share) / len(Z) * (Z.T @ Z)
        within.flat[:: len(within) + 1] += 1.0
        R = cholesky(within, check_finite=False)
        half = solve_triangular(R, large, trans="T", check_finite=False)
        scatter = solve_triangular(R, half.T, trans="T", check_finite=False)
        groups = np.zeros(n_source) if data.groups is None else np.unique(data.groups, return_inverse=True)[1]
        means = [Z[:n_source][groups == g].mean(axis=0) for g in np.unique(groups)] + [Z[n_source:].mean(axis=0)]
        gaps = (np.array(means) - np.mean(means, axis=0)).T * np.sqrt(self.domain_weight / len(means))
        U = solve_triangular(R, gaps, trans="T", check_finite=False)
        self.ratios_, V = leading_ratio(scatter, U, 1.0, self.n_components)
        B = solve_triangular(R, V, check_finite=False)
        self.n_components_ = B.shape[1]
        self.components_ = (B if turn is None else turn @ B).astype(data.Xs.dtype)
        return self._map(data.Xs, "source")

    def _inner_space(self, X: Array) -> Array:
        """Rows in coordinates whose inner products are the centred kernel."""
        return X - self.mean_ if self.kernel_map_ is None else kernel_components(self.kernel_map_, X)

    def _map(self, X: Array, domain: str) -> Array:
        if self.normalize:
            X = unit_rows(X)
        Z = (self._inner_space(X) @ self.components_).astype(X.dtype, copy=False)
        return unit_rows(Z) if self.normalize else Z


def _class_scatter(Z: Array, codes: Array) -> tuple[Array, Array]:
    """Scatter within and between the classes, summed over rows."""
    indicator = np.eye(codes.max() + 1)[codes]
    counts = indicator.sum(axis=0)
    means = (indicator.T @ Z) / np.maximum(counts, 1)[:, None]
    spread = Z - means[codes]
    gaps = (means - Z.mean(axis=0)) * np.sqrt(counts)[:, None]
    return spread.T @ spread, gaps.T @ gaps
