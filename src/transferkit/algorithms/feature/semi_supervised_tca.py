"""SSTCA: transfer components that also follow the labels and keep neighbours together."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.linalg import norm

from ...core.base import ESTIMATOR, FeatureTransfer, stack
from ...core.constraints import Boolean, Either, Interval, Nothing, Options
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels.gaussian import median_gamma, rbf
from ...ops.kernels.mmd import ComponentProblem, mmd_vectors
from ...ops.neighbours import nearest
from ...ops.solvers.linalg import unit_rows

CARD = {
    "class": "SemiSupervisedTCA",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "scaling": "domain",
    "portfolio": (),
    "paper": "Pan, Tsang, Kwok & Yang. Domain Adaptation via Transfer Component Analysis. IEEE TNN 22(2), 2011.",
    "url": "https://doi.org/10.1109/TNN.2010.2091281",
}

__all__ = ["SemiSupervisedTCA"]


class SemiSupervisedTCA(FeatureTransfer):
    """Find components on which the domains' means agree, neighbours stay near, and rows vary most with their labels.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Components to keep; fewer where the rank is lower.
    reg : float in (0, inf), default=1.0
        Weight of the components' squared length against the discrepancy and the manifold term, the paper's mu.
    label_weight : float in [0, 1], default=0.5
        Share of the labels in what the components shall vary with, the paper's gamma; the rest is the rows' variance.
    manifold : float in [0, inf), default=1.0
        Weight of the differences between neighbours against the discrepancy, the paper's lambda.
    n_neighbors : int in [1, inf), default=5
        Neighbours of a row in the graph, from both domains; at most one less than there are rows.
    kernel : {"linear", "primal", "rbf"}, default="linear"
        As in `TCA`.
    gamma : float in (0, inf), default=None
        Width of the rbf kernel ``exp(-gamma ||x - y||^2)``. None is half the inverse median squared distance.
    normalize : bool, default=True
        Scale rows to length 1 before the kernel and again in the space of the components.
    estimator : estimator, default=None
        Fitted on the mapped source. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    components_ : array of shape (n_features, n_components_), or (n_source + n_target, n_components_) for the rbf kernel
        What features, or kernel values with ``X_fit_``, are multiplied with.
    n_components_ : int
        Number of components kept.
    X_fit_ : array of shape (n_source + n_target, n_features) or None
        Rows that the rbf kernel compares with; None for the other kernels.
    gamma_ : float or None
        Width used; None for the other kernels.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``tr(A' K (M + lambda L) K A) + mu ||A||^2`` over ``A' K H (gamma Y Y' + (1 - gamma) I) H K A = I``, with K
    the kernel, M the discrepancy and H centring as in `TCA`, L the Laplacian of the graph of nearest neighbours, and Y one
    column a class (or the standardised values for a regression), 0 where a label is not known. With lambda = gamma = 0 it
    is `TCA`. The right-hand side is the Hilbert-Schmidt dependence on the labels, mixed with variance.

    As `TCA` here, and unlike the paper: M is divided by its Frobenius norm, and so is L; Y by its largest singular value, so
    that the labels weigh as one row does; eigenvectors have unit length; rows are normalised (unless ``normalize=False``).
    Edges weigh ``exp(-d^2 / (2 s^2))`` with s the mean distance of a row to a neighbour. The cost is that of the search for
    neighbours and O(d^3); for the rbf kernel O(n^3).

    References
    ----------
    Pan, Tsang, Kwok & Yang. Domain Adaptation via Transfer Component Analysis. IEEE TNN 22(2), 2011, section IV.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, SemiSupervisedTCA
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, 0] += 5 * y - 2.5
    >>> model = SemiSupervisedTCA(n_components=2, normalize=False).fit(X, y, target=Domain(X + [0, 4, 0, 0]))
    >>> model.score(X + [0, 4, 0, 0], y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "reg": Interval(float, 0, closed="neither"),
        "label_weight": Interval(float, 0, 1),
        "manifold": Interval(float, 0),
        "n_neighbors": Interval(int, 1),
        "kernel": Options("linear", "primal", "rbf"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "normalize": Boolean(),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        n_components: int = 30,
        reg: float = 1.0,
        label_weight: float = 0.5,
        manifold: float = 1.0,
        n_neighbors: int = 5,
        kernel: str = "linear",
        gamma: float | None = None,
        normalize: bool = True,
        estimator: Any = None,
    ) -> None:
        self.n_components = n_components
        self.reg = reg
        self.label_weight = label_weight
        self.manifold = manifold
        self.n_neighbors = n_neighbors
        self.kernel = kernel
        self.gamma = gamma
        self.normalize = normalize
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        X = np.asarray(stack(data.Xs, data.Xt), dtype=np.float64)
        if self.normalize:
            X = unit_rows(X)
        is_rbf = self.kernel == "rbf"
        self.gamma_ = (self.gamma or median_gamma(X)) if is_rbf else None
        problem = ComponentProblem(X, self.kernel, self.gamma_)
        F = problem.features
        spread = F - F.mean(axis=0)
        towards = spread.T @ _labels(data)
        gain = (1 - self.label_weight) * (spread.T @ spread) + self.label_weight * (towards @ towards.T)
        gaps = F.T @ mmd_vectors(len(data.Xs), len(data.Xt))
        loss = gaps @ gaps.T
        if self.manifold > 0 and len(X) > 1:
            loss += self.manifold * (F.T @ (_laplacian(X, min(self.n_neighbors, len(X) - 1)) @ F))
        size = F.shape[1]
        # Beside features of huge size a small penalty would be lost in rounding, and the matrix singular.
        loss.flat[:: size + 1] += max(self.reg, 1e-13 * float(loss.trace()))
        values, A = eigh(gain, loss, subset_by_index=(max(size - self.n_components, 0), size - 1))
        values, A = values[::-1], A[:, ::-1]
        A = A[:, : max(int((values > values[0] * max(F.shape) * np.finfo(np.float64).eps).sum()), 1)]
        A = A / np.linalg.norm(A, axis=0)
        A = A * np.where(A[np.abs(A).argmax(axis=0), np.arange(A.shape[1])] < 0, -1.0, 1.0)
        self.components_ = (A if problem.back is None else problem.back @ A).astype(data.Xs.dtype)
        self.n_components_ = A.shape[1]
        self.X_fit_ = X.astype(data.Xs.dtype) if is_rbf else None
        return self._map(data.Xs, "source")

    def _map(self, X: Array, domain: str) -> Array:
        if self.normalize:
            X = unit_rows(X)
        if self.X_fit_ is not None:
            X = rbf(X, self.X_fit_, self.gamma_)
        Z = X @ self.components_
        return unit_rows(Z) if self.normalize else Z


def _labels(data: TransferData) -> Array:
    """Columns of the known labels with largest singular value 1, 0 for rows whose label is not known."""
    known = np.concatenate([np.ones(len(data.ys), dtype=bool), data.known])
    if data.classes is None:
        values = np.concatenate([data.ys, data.yt])
        values = (values - values.mean())[:, None]
    else:
        values = np.eye(len(data.classes))[np.concatenate([data.codes, data.codes_t])]
    Y = np.zeros((len(known), values.shape[1]))
    Y[known] = values
    return Y / (np.linalg.norm(Y, 2) or 1.0)


def _laplacian(X: Array, k: int) -> Any:
    """Laplacian of the graph of the k nearest neighbours, with Frobenius norm 1."""
    n = len(X)
    squared, index = nearest(X, X, k + 1)
    rows, columns, squared = np.repeat(np.arange(n), k + 1), index.ravel(), squared.ravel()
    edge = (rows != columns) & np.isfinite(squared)
    scale = float(np.sqrt(squared[edge]).mean()) ** 2 or 1.0
    weights = np.exp(-squared[edge] / (2 * scale))
    graph = sparse.csr_matrix((weights, (rows[edge], columns[edge])), shape=(n, n))
    graph = graph.maximum(graph.T)
    laplacian = sparse.diags_array(np.asarray(graph.sum(axis=1)).ravel()) - graph
    return laplacian / (norm(laplacian) or 1.0)
