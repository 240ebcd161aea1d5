"""TCA: components on which the domains' means agree and the rows still vary."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, FeatureTransfer, stack
from ...core.constraints import Boolean, Either, Interval, Nothing, Options, RandomState
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels.gaussian import median_gamma, rbf
from ...ops.kernels.mmd import mmd_vectors
from ...ops.kernels.nystroem import kernel_problem
from ...ops.solvers.linalg import unit_rows

CARD = {
    "class": "TCA",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "scaling": "domain",
    "portfolio": ({"n_components": 30}, {"n_components": 100}),
    "paper": "Pan, Tsang, Kwok & Yang. Domain Adaptation via Transfer Component Analysis. IEEE TNN 22(2), 2011.",
    "url": "https://doi.org/10.1109/TNN.2010.2091281",
}

__all__ = ["TCA"]


class TCA(FeatureTransfer):
    """Find components that bring the domains' means together and keep the rows' variance.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Components to keep; fewer where the rank of the kernel is lower.
    reg : float in (0, inf), default=1.0
        Weight of the components' squared length against the discrepancy. A large value gives plain (kernel) PCA.
    kernel : {"linear", "primal", "rbf"}, default="linear"
        ``"linear"`` and ``"rbf"`` weigh the components in the space of the rows, as the paper does; ``"primal"`` puts the
        features in the place of the kernel, so that the components themselves are penalised.
    gamma : float in (0, inf), default=None
        Width of the rbf kernel ``exp(-gamma ||x - y||^2)``. None is half the inverse median squared distance.
    normalize : bool, default=True
        Scale rows to length 1 before the kernel and again in the space of the components.
    approx : {None, "nystroem"}, default=None
        ``"nystroem"`` takes the rbf kernel of all rows from that with `n_landmarks` of them: time and memory then grow with
        the number of rows, not with its square. None is exact, and linear in the rows for the other two kernels.
    n_landmarks : int in [1, inf), default=500
        Rows that the approximation compares with, drawn from both domains; with as many as there are rows it is exact.
    random_state : int, RandomState or None, default=None
        Draws them.
    estimator : estimator, default=None
        Fitted on the mapped source. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    components_ : array of shape (n_features, n_components_), or (n_fit_rows, n_components_) for the rbf kernel
        What features, or kernel values with ``X_fit_``, are multiplied with.
    n_components_ : int
        Number of components kept.
    X_fit_ : array of shape (n_fit_rows, n_features) or None
        Rows that the rbf kernel compares with, all of both domains or the landmarks; None for the other kernels.
    gamma_ : float or None
        Width used; None for the other kernels.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``tr(A' K M K A) + reg ||A||^2`` over ``A' K H K A = I`` (eq. 9), with K the kernel of the rows of both
    domains, H centring them and M the matrix with which ``tr(A' K M K A)`` is the squared distance between the domains'
    means. The solution are the leading generalized eigenvectors of ``K H K`` and ``K M K + reg I``.

    We differ from the paper, and agree with the code of Long et al. (2013) with which TCA's published tables were made, in
    this: M is divided by its Frobenius norm, eigenvectors have unit length, and rows are normalised (unless
    ``normalize=False``). M has rank 1 and is kept as one vector. For the linear kernel the problem is solved exactly in
    the row space of X: the cost is O(n d^2 + d^3); for the rbf kernel it is O(n^2) memory and O(n^2 n_components) time or
    more. With ``approx="nystroem"`` it is solved exactly for the approximate kernel, in O(n m^2 + m^3) time for m landmarks;
    its discrepancy and variance are those of all rows. New rows are mapped through their kernel values with the rows of the fit.

    References
    ----------
    Pan, Tsang, Kwok & Yang. Domain Adaptation via Transfer Component Analysis. IEEE TNN 22(2), 2011, section III.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import TCA, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, 0] += 5 * y - 2.5
    >>> model = TCA(n_components=2, normalize=False).fit(X, y, target=Domain(X + [0, 4, 0, 0]))
    >>> model.score(X + [0, 4, 0, 0], y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "reg": Interval(float, 0, closed="neither"),
        "kernel": Options("linear", "primal", "rbf"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "normalize": Boolean(),
        "approx": Either(Nothing(), Options("nystroem")),
        "n_landmarks": Interval(int, 1),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        n_components: int = 30,
        reg: float = 1.0,
        kernel: str = "linear",
        gamma: float | None = None,
        normalize: bool = True,
        approx: str | None = None,
        n_landmarks: int = 500,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.n_components = n_components
        self.reg = reg
        self.kernel = kernel
        self.gamma = gamma
        self.normalize = normalize
        self.approx = approx
        self.n_landmarks = n_landmarks
        self.random_state = random_state
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        X = np.asarray(stack(data.Xs, data.Xt), dtype=np.float64)
        if self.normalize:
            X = unit_rows(X)
        self.gamma_ = (self.gamma or median_gamma(X)) if self.kernel == "rbf" else None
        problem, rows = kernel_problem(
            "TCA.fit", X, self.kernel, self.gamma_, self.approx, self.n_landmarks, self.random_state
        )
        A = problem.solve(mmd_vectors(len(data.Xs), len(data.Xt)), self.reg, self.n_components)
        self.components_, self.n_components_ = A.astype(data.Xs.dtype), A.shape[1]
        self.X_fit_ = None if rows is None else rows.astype(data.Xs.dtype)
        return self._map(data.Xs, "source")

    def _map(self, X: Array, domain: str) -> Array:
        if self.normalize:
            X = unit_rows(X)
        if self.X_fit_ is not None:
            X = rbf(X, self.X_fit_, self.gamma_)
        Z = X @ self.components_
        return unit_rows(Z) if self.normalize else Z
