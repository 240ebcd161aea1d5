"""TJM: TCA that also turns away from source rows which are unlike the target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh, qr

from ...core.base import ESTIMATOR, FeatureTransfer, stack
from ...core.constraints import Boolean, Either, Interval, Nothing, Options
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels.gaussian import median_gamma, rbf
from ...ops.kernels.mmd import centred_square, leading_ratio, mmd_vectors
from ...ops.solvers.linalg import iterates, unit_rows

CARD = {
    "class": "TJM",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Long, Wang, Ding, Sun & Yu. Transfer Joint Matching for Unsupervised Domain Adaptation. CVPR 2014.",
    "url": "https://doi.org/10.1109/CVPR.2014.183",
}

__all__ = ["TJM"]

_ABSENT = 1e-8  # a source row whose coefficients are shorter than this has none


class TJM(FeatureTransfer):
    """Find components that bring the domains' means together, built from few source rows: those near the target.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Components to keep; fewer where the rank of the kernel is lower.
    reg : float in (0, inf), default=1.0
        Weight of the penalty of the coefficients; larger leaves out more source rows.
    kernel : {"linear", "rbf"}, default="linear"
        The kernel of the rows, whose coefficients are penalised.
    gamma : float in (0, inf), default=None
        Width of the rbf kernel ``exp(-gamma ||x - y||^2)``. None is half the inverse median squared distance.
    normalize : bool, default=True
        Scale rows to length 1 before the kernel and again in the space of the components.
    n_iter : int in [1, inf), default=10
        Rounds of components and row weights; 1 is TCA.
    estimator : estimator, default=None
        Fitted on the mapped source. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    components_ : array of shape (n_features, n_components_), or (n_source + n_target, n_components_) for the rbf kernel
        What features, or kernel values with ``X_fit_``, are multiplied with.
    n_components_ : int
        Number of components kept.
    relevance_ : array of shape (n_source,)
        Length of each source row's coefficients: rows near 0 are left out of the components.
    X_fit_ : array of shape (n_source + n_target, n_features) or None
        Rows that the rbf kernel compares with; None for the linear kernel.
    gamma_ : float or None
        Width used; None for the linear kernel.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``tr(A' K M K A) + reg (2 ||A_s||_{2,1} + ||A_t||_F^2)`` over ``A' K H K A = I``, A_s and A_t the coefficients
    of source and target rows. By turns A solves the eigenproblem of ``K H K`` and ``K M K + reg G``, G diagonal, and G takes
    ``1 / |a_i|`` for a source row and 1 for a target row. (The 2 is that of the authors' code: the paper has it in G, as
    ``1 / (2 |a_i|)``.) For the linear kernel a round is solved in the row space of X: with ``K = X X'`` the coefficients
    are ``G^(-1) X S^(-1) W`` with ``S = X' G^(-1) X`` and ``W = X' A``, so that only W, n_features wide, is sought. The
    cost of a round is then O(n d^2 + d^3), not O(n^3).

    As in the authors' code M is divided by its Frobenius norm, eigenvectors have unit length, and rows are normalised
    (unless ``normalize=False``). No label is used, so numbers can be predicted as well as classes.

    References
    ----------
    Long, Wang, Ding, Sun & Yu. Transfer Joint Matching for Unsupervised Domain Adaptation. CVPR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import TJM, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, 0] += 5 * y - 2.5
    >>> model = TJM(n_components=2, normalize=False).fit(X, y, target=Domain(X + [0, 4, 0, 0]))
    >>> model.score(X + [0, 4, 0, 0], y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "reg": Interval(float, 0, closed="neither"),
        "kernel": Options("linear", "rbf"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "normalize": Boolean(),
        "n_iter": Interval(int, 1),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        n_components: int = 30,
        reg: float = 1.0,
        kernel: str = "linear",
        gamma: float | None = None,
        normalize: bool = True,
        n_iter: int = 10,
        estimator: Any = None,
    ) -> None:
        self.n_components = n_components
        self.reg = reg
        self.kernel = kernel
        self.gamma = gamma
        self.normalize = normalize
        self.n_iter = n_iter
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        X = np.asarray(stack(data.Xs, data.Xt), dtype=np.float64)
        if self.normalize:
            X = unit_rows(X)
        is_rbf = self.kernel == "rbf"
        self.gamma_ = (self.gamma or median_gamma(X)) if is_rbf else None
        self.X_fit_ = X.astype(data.Xs.dtype) if is_rbf else None
        rows, back = X, None
        if is_rbf:
            rows = rbf(X, X, self.gamma_)
        elif X.shape[1] > len(X):
            back, lower = qr(X.T, mode="economic")
            rows = lower.T
        scatter: Any
        if is_rbf and iterates(len(X), self.n_components):
            scatter = centred_square(rows)
        else:
            centred = rows - rows.mean(axis=0)
            scatter = centred.T @ centred
        mean_gap = rows.T @ mmd_vectors(len(data.Xs), len(data.Xt))
        inverse_penalty = np.ones(len(X))  # the diagonal of G^(-1)
        for _ in range(self.n_iter):
            if is_rbf:
                W = A = _kernel_round(scatter, mean_gap, inverse_penalty, self.reg, self.n_components)
            else:
                W, A = _round(rows, scatter, mean_gap, inverse_penalty, self.reg, self.n_components)
            self.relevance_ = np.linalg.norm(A[: len(data.Xs)], axis=1)
            inverse_penalty[: len(data.Xs)] = np.maximum(self.relevance_, _ABSENT)
        self.components_ = (W if back is None else back @ W).astype(data.Xs.dtype)
        self.n_components_ = W.shape[1]
        return self._map(data.Xs, "source")

    def _map(self, X: Array, domain: str) -> Array:
        if self.normalize:
            X = unit_rows(X)
        if self.X_fit_ is not None:
            X = rbf(X, self.X_fit_, self.gamma_)
        Z = X @ self.components_
        return unit_rows(Z) if self.normalize else Z


def _kernel_round(
    scatter: Array | Callable[[Array], Array], mean_gap: Array, inverse_penalty: Array, reg: float, k: int
) -> Array:
    """The coefficients of the rows, of unit length in each component."""
    root = np.sqrt(inverse_penalty)
    scaled: Any = (
        (lambda V: (root * scatter((root * V.T).T).T).T) if callable(scatter) else scatter * root * root[:, None]
    )
    _, B = leading_ratio(scaled, mean_gap * root[:, None], reg, k)
    A = B * root[:, None]
    return A / np.linalg.norm(A, axis=0)


def _round(
    rows: Array, scatter: Array, mean_gap: Array, inverse_penalty: Array, reg: float, k: int
) -> tuple[Array, Array]:
    """W, what `rows` are multiplied with, and the coefficients A of the rows, of unit length in each component."""
    weighed = rows * inverse_penalty[:, None]
    values, vectors = eigh(rows.T @ weighed, driver="evd")
    keep = values > values[-1] * max(rows.shape) * np.finfo(np.float64).eps
    if not keep.any():
        keep[-1] = True  # all rows are 0
        values = np.maximum(values, 1.0)
    root = vectors[:, keep] * np.sqrt(values[keep])
    _, B = leading_ratio(root.T @ scatter @ root, root.T @ mean_gap, reg, k)
    A = weighed @ (vectors[:, keep] / np.sqrt(values[keep]) @ B)
    length = np.linalg.norm(A, axis=0)
    length[length == 0] = 1
    return root @ B / length, A / length
