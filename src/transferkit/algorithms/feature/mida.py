"""MIDA: components that vary much and depend on nothing that tells the domains apart."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ...core.base import ESTIMATOR, FeatureTransfer, stack
from ...core.constraints import Boolean, Either, Interval, Nothing, Options
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels.gaussian import median_gamma, rbf
from ...ops.kernels.mmd import ComponentProblem
from ...ops.solvers.linalg import top_eigh

CARD = {
    "class": "MIDA",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label", "multi_source"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "scaling": "domain",
    "portfolio": (),
    "paper": (
        "Yan, Kou & Zhang. Learning Domain-Invariant Subspace Using Domain Features and Independence Maximization."
        " IEEE Transactions on Cybernetics 48(1), 2018."
    ),
    "url": "https://arxiv.org/abs/1603.04535",
}

__all__ = ["MIDA"]

_DENSE = 3000  # above this size the matrix is applied, not formed


class MIDA(FeatureTransfer):
    """Find components with the least dependence on the domain, and with the most variance and dependence on the labels.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Components to keep; fewer where fewer have a positive part in the objective.
    variance_weight : float in (0, inf), default=1.0
        Weight of the variance against the dependence on the domain, the paper's mu. A large value gives (kernel) PCA.
    label_weight : float in [0, inf), default=0.1
        Weight of the dependence on the known labels of both domains, the paper's gamma: semi-supervised MIDA. 0 is plain
        MIDA, which looks at no label.
    kernel : {"linear", "rbf"}, default="linear"
        Compares rows.
    gamma : float in (0, inf), default=None
        Width of the rbf kernel ``exp(-gamma ||x - y||^2)``. None is half the inverse median squared distance.
    augment : bool, default=True
        Put a row's domain features beside its features first, so that a component may take off what a whole domain has
        more of.
    estimator : estimator, default=None
        Fitted on the mapped source. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    components_ : array of shape (n_augmented, n_components_), or (n_source + n_target, n_components_) for the rbf kernel
        What augmented features, or kernel values with ``X_fit_``, are multiplied with.
    n_components_ : int
        Number of components kept.
    groups_ : array of shape (n_sources,)
        Names of the source domains; one where `groups` was not given.
    domain_scale_ : float
        Size of the domain features that are put beside the features.
    X_fit_ : array of shape (n_source + n_target, n_augmented) or None
        Rows that the rbf kernel compares with; None for the linear kernel.
    gamma_ : float or None
        Width used; None for the linear kernel.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Dependence is the Hilbert-Schmidt independence criterion. With K the kernel of all rows, D their domain features (a
    column for every source domain of `groups` and one for the target, 1 where a row belongs), Y those of their known labels
    and H centring, W are the leading eigenvectors of ``K (-H D D' H + mu H + gamma H Y Y' H) K``, of unit length. Y has a
    column a class, or the standardised values for a regression; rows of unknown label are 0, as in the authors' code.

    For the linear kernel this is solved exactly in the row space of the features, at O(n d^2 + d^3); the rbf kernel takes
    O(n^2) memory. Domain features are augmented at the mean standard deviation of the columns, and all components are
    divided by one number so that mapped values are of size 1; neither changes the paper's result for standardised columns
    but for that number. Source rows mapped later are taken as of no particular one of several sources.

    References
    ----------
    Yan, Kou & Zhang. Learning Domain-Invariant Subspace Using Domain Features and Independence Maximization. IEEE
    Transactions on Cybernetics 48(1), 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import MIDA, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, 0] += 5 * y - 2.5
    >>> model = MIDA(n_components=2).fit(X, y, target=Domain(X + [6, 4, 0, 0]))
    >>> model.score(X + [6, 4, 0, 0], y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "variance_weight": Interval(float, 0, closed="neither"),
        "label_weight": Interval(float, 0),
        "kernel": Options("linear", "rbf"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "augment": Boolean(),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        n_components: int = 30,
        variance_weight: float = 1.0,
        label_weight: float = 0.1,
        kernel: str = "linear",
        gamma: float | None = None,
        augment: bool = True,
        estimator: Any = None,
    ) -> None:
        self.n_components = n_components
        self.variance_weight = variance_weight
        self.label_weight = label_weight
        self.kernel = kernel
        self.gamma = gamma
        self.augment = augment
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        X, n = np.asarray(stack(data.Xs, data.Xt), dtype=np.float64), len(data.ys)
        names = np.zeros(n, dtype=int) if data.groups is None else data.groups
        self.groups_, source = np.unique(names, return_inverse=True)
        spread = float(X.std(axis=0).mean())
        self.domain_scale_ = spread if spread > 0 else 1.0
        D = np.eye(len(self.groups_) + 1)[np.concatenate([source, np.full(len(data.Xt), len(self.groups_))])]
        rows = np.hstack([X, self.domain_scale_ * D]) if self.augment else X
        is_rbf = self.kernel == "rbf"
        self.gamma_ = (self.gamma or median_gamma(rows)) if is_rbf else None
        unit = 1.0 if is_rbf else self.domain_scale_  # the linear kernel's components do not hang on the rows' size
        problem = ComponentProblem(rows / unit, "rbf" if is_rbf else "linear", self.gamma_)
        W = self._solve(problem.features, D, _label_features(data))
        Z = problem.features @ W
        W = W / (np.sqrt((Z**2).mean()) or 1.0)
        self.components_ = (W if problem.back is None else problem.back @ W / unit).astype(data.Xs.dtype)
        self.n_components_ = W.shape[1]
        self.X_fit_ = rows.astype(data.Xs.dtype) if is_rbf else None
        return self._project(rows[:n].astype(data.Xs.dtype))

    def _solve(self, F: Array, D: Array, Y: Array) -> Array:
        """Unit eigenvectors in the space in which the kernel's rows are F."""
        centred = F - F.mean(axis=0)
        apart, labels, size = centred.T @ D, np.sqrt(self.label_weight) * (centred.T @ Y), F.shape[1]

        def apply(V: Array) -> Array:
            variance = self.variance_weight * (centred.T @ (centred @ V))
            return variance + labels @ (labels.T @ V) - apart @ (apart.T @ V)

        if size <= _DENSE:
            A = self.variance_weight * (centred.T @ centred) + labels @ labels.T - apart @ apart.T
        else:
            A = LinearOperator((size, size), matvec=apply, matmat=apply, dtype=np.float64)
        values, vectors = top_eigh(A, min(self.n_components, size))
        kept = max(int((values > values[0] * max(F.shape) * np.finfo(np.float64).eps).sum()), 1)
        return vectors[:, :kept]

    def _project(self, rows: Array) -> Array:
        return (rows if self.X_fit_ is None else rbf(rows, self.X_fit_, self.gamma_)) @ self.components_

    def _map(self, X: Array, domain: str) -> Array:
        if not self.augment:
            return self._project(X)
        k = len(self.groups_)
        own = np.append(np.zeros(k), 1) if domain == "target" else np.append(np.full(k, 1 / k), 0)
        beside = np.broadcast_to((self.domain_scale_ * own).astype(X.dtype), (len(X), k + 1))
        return self._project(np.hstack([X, beside]))


def _label_features(data: TransferData) -> Array:
    """Columns for the known labels of the rows of both domains, 0 where a label is not known."""
    labels = np.concatenate([data.ys, data.yt])
    known = np.concatenate([np.ones(len(data.ys), dtype=bool), data.known])
    if data.classes is None:
        spread = labels.std()
        values = ((labels - labels.mean()) / (spread if spread > 0 else 1.0))[:, None]
    else:
        values = np.eye(len(data.classes))[np.concatenate([data.codes, data.codes_t])]
    Y = np.zeros((len(known), values.shape[1]))
    Y[known] = values
    return Y
