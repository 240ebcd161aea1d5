"""TSL: a discriminative subspace in which the densities of both domains agree."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.linalg import qr, solve_triangular
from scipy.optimize import minimize
from sklearn.utils import check_random_state

from ...core.base import ESTIMATOR, FeatureTransfer, stack
from ...core.constraints import Either, Interval, Nothing, Options, RandomState
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.neighbours import nearest
from ...ops.projected_divergence import projected_divergence
from ...ops.solvers.trace_ratio import least_trace_ratio

CARD = {
    "class": "TransferSubspaceLearning",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Si, Tao & Geng. Bregman Divergence-Based Regularization for Transfer Subspace Learning. TKDE 22(7), 2010.",
    "url": "https://doi.org/10.1109/TKDE.2009.126",
}

__all__ = ["TransferSubspaceLearning"]


class TransferSubspaceLearning(FeatureTransfer):
    """Find the subspace that a method for one domain would, made to look alike in both domains by a divergence.

    Parameters
    ----------
    n_components : int in [1, inf), default=None
        Dimensions of the subspace; fewer where the rows span fewer. None is the number of classes less one for
        ``method="flda"`` and 30 for the others.
    method : {"flda", "pca", "lpp"}, default="flda"
        What the subspace is for: classes apart and narrow (Fisher), variance, or near rows of a class staying near
        (locality preserving projections).
    reg : float in [0, inf), default=1.0
        Weight of the divergence. 0 gives the plain subspace of the labelled rows.
    bandwidth : float in (0, inf), default=1.0
        Width of the density estimates' kernel, in units of the domains' standard deviation times ``sqrt(n_components)``.
    shrinkage : float in [0, 1], default=0.1
        How far covariances and scatters are drawn to a multiple of the identity; at least 1e-10 is used.
    n_neighbors : int in [1, inf), default=10
        Rows of its class that a row is joined with, for ``method="lpp"``.
    n_landmarks : int in [2, inf), default=500
        Rows of each domain that the densities are estimated from; all where there are no more.
    max_iter : int in [1, inf), default=100
        Iterations of the optimiser at most.
    tol : float in (0, inf), default=1e-06
        It stops when an iteration lowers the objective by less than this, or than this part of it where it is above 1.
    random_state : int, RandomState or None, default=None
        Draws the landmarks.
    estimator : estimator, default=None
        Fitted on the projected source. None is logistic regression.

    Attributes
    ----------
    components_ : array of shape (n_features, n_components_)
        Orthonormal columns that features are multiplied with.
    n_components_ : int
        Dimensions of the subspace.
    objective_ : float
        The objective at the solution.
    divergence_ : float
        The divergence in it, in [0, 2].
    n_iter_ : int
        Subspaces gone through, that of the start included.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Minimises ``F(W) + reg D(W)`` over ``W' W = I``, F the objective of the subspace method for the labelled rows and D the
    quadratic (Bregman) divergence, the integral of ``(p_s(y) - p_t(y))^2`` with p_s and p_t kernel density estimates of
    both domains' projected rows. With Gaussian kernels it is a sum of Gaussians of the differences of rows, in closed form.

    All F are ratios of traces without a scale: ``tr(W' S_w W) / tr(W' S_t W)`` for Fisher's analysis with S_w the scatter
    within classes and S_t the total one, ``-tr(W' C W) / tr(C)`` for principal components, ``tr(W' X' L X W) / tr(W' X' D X
    W)`` for LPP with L = D - E the Laplacian of the heat kernel E between neighbours of a class. Ours are these choices: the
    kernels' covariance is ``bandwidth^2 n_components W' C W``, C the mean of the domains' covariances, and the integral is
    taken in units of it. D then is 0 for equal samples, at most 2, and the same for any basis and any scale of the data; a
    kernel of fixed width would call domains alike in directions of small variance. A bandwidth of ``n_components^(-1/2)``
    takes out the factor n_components, without which a kernel of many dimensions finds all rows equally far.

    At reg = 0 the ratio is minimised globally. Otherwise that subspace, or one blind to the difference of the domains' means
    where its objective is lower, is the start of L-BFGS with the analytic gradient on the Grassmann manifold and a
    retraction by QR: D is not convex, and a local minimum is what is found. An iteration costs O((m^2 + d^2) n_components)
    for m landmarks. More features than rows are first replaced by coordinates in the space of the rows. Written from the
    published description; the authors' code was not compared, and the defaults are ours.

    References
    ----------
    Si, Tao & Geng. Bregman Divergence-Based Regularization for Transfer Subspace Learning. IEEE TKDE 22(7), 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, TransferSubspaceLearning
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, :2] += 4 * y[:, None] - 2
    >>> model = TransferSubspaceLearning().fit(X, y, target=Domain(X + [0, 9, 0, 0]))
    >>> model.score(X + [0, 9, 0, 0], y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "n_components": Either(Nothing(), Interval(int, 1)),
        "method": Options("flda", "pca", "lpp"),
        "reg": Interval(float, 0),
        "bandwidth": Interval(float, 0, closed="neither"),
        "shrinkage": Interval(float, 0, 1),
        "n_neighbors": Interval(int, 1),
        "n_landmarks": Interval(int, 2),
        "max_iter": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }
    _test_params: ClassVar = {"max_iter": 20}

    def __init__(
        self,
        n_components: int | None = None,
        method: str = "flda",
        reg: float = 1.0,
        bandwidth: float = 1.0,
        shrinkage: float = 0.1,
        n_neighbors: int = 10,
        n_landmarks: int = 500,
        max_iter: int = 100,
        tol: float = 1e-6,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.n_components = n_components
        self.method = method
        self.reg = reg
        self.bandwidth = bandwidth
        self.shrinkage = shrinkage
        self.n_neighbors = n_neighbors
        self.n_landmarks = n_landmarks
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        if data.task != "classification":
            raise DomainError("TransferSubspaceLearning.fit: y must hold classes. Unknown label type: continuous.")
        X, back = np.asarray(stack(data.Xs, data.Xt), dtype=np.float64), None
        X = X - X.mean(axis=0)
        if X.shape[1] > len(X):
            back, lower = qr(X.T, mode="economic")
            X = lower.T
        Xs, Xt = np.split(X, [len(data.Xs)])
        p = min(self.n_components or (max(int(data.codes.max()), 1) if self.method == "flda" else 30), X.shape[1])
        A, B = self._ratio(stack(Xs, Xt[data.known]), np.concatenate([data.codes, data.codes_t]), p)
        W, ratio = least_trace_ratio(A, B, p)
        rng = check_random_state(self.random_state)
        few = [x if len(x) <= self.n_landmarks else x[rng.permutation(len(x))[: self.n_landmarks]] for x in (Xs, Xt)]
        C = _shrunk((np.cov(Xs.T, bias=True) + np.cov(Xt.T, bias=True)) / 2, self.shrinkage)
        problem = _Problem(A, B, C, few[0], few[1], self.reg, self.bandwidth**2 * p)
        self.n_iter_ = 1
        if self.reg > 0 and p < X.shape[1]:
            gap = Xs.mean(axis=0) - Xt.mean(axis=0)
            gap *= 10 * np.sqrt(B.trace()) / (np.linalg.norm(gap) or 1.0)
            blind, _ = least_trace_ratio(A + np.outer(gap, gap), B, p, ratio)
            start = min(W, blind, key=lambda V: problem.parts(V)[0])
            options = {"maxiter": self.max_iter, "ftol": self.tol, "gtol": 1e-7}
            found = minimize(problem, start.ravel(), jac=True, method="L-BFGS-B", options=options)
            self.n_iter_, W = 1 + int(found.nit), np.linalg.qr(found.x.reshape(-1, p))[0]
        self.objective_, self.divergence_ = (float(part) for part in problem.parts(W)[:2])
        self.components_, self.n_components_ = (W if back is None else back @ W).astype(data.Xs.dtype), p
        return self._map(data.Xs, "source")

    def _ratio(self, X: Array, codes: Array, p: int) -> tuple[Array, Array]:
        """The matrices A and B of the subspace method's objective ``tr(W' A W) / tr(W' B W)``."""
        if self.method == "pca":
            C = np.atleast_2d(np.cov(X.T, bias=True))
            return -C, np.eye(len(C)) * ((C.trace() or 1.0) / p)
        if self.method == "lpp":
            E = _class_graph(X, codes, self.n_neighbors)
            degree = E.sum(axis=1)
            X = X - degree @ X / degree.sum()
            D = (X.T * degree) @ X
            return _shrunk(D - X.T @ (E @ X), self.shrinkage), _shrunk(D, self.shrinkage)
        indicator = np.eye(codes.max() + 1)[codes]
        means = indicator.T @ X / np.maximum(indicator.sum(axis=0), 1)[:, None]
        within, between = X - means[codes], means[codes] - X.mean(axis=0)
        A = _shrunk(within.T @ within / len(X), self.shrinkage)
        return A, A + between.T @ between / len(X)

    def _map(self, X: Array, domain: str) -> Array:
        return X @ self.components_


class _Problem:
    """The objective, and its gradient for the optimiser, which walks through bases that need not be orthonormal."""

    def __init__(self, A: Array, B: Array, C: Array, Xs: Array, Xt: Array, reg: float, width: float) -> None:
        self.A, self.B, self.C, self.reg, self.width = A, B, C, reg, width
        self.X, self.n_source = stack(Xs, Xt), len(Xs)

    def parts(self, W: Array) -> tuple[float, float, Array]:
        """Objective, divergence and gradient at an orthonormal basis."""
        AW, BW = self.A @ W, self.B @ W
        size = (W * BW).sum()
        ratio = (W * AW).sum() / size
        divergence, pull = projected_divergence(W, self.X, self.n_source, self.C, self.width)
        return ratio + self.reg * divergence, divergence, 2 * (AW - ratio * BW) / size + self.reg * pull

    def __call__(self, flat: Array) -> tuple[float, Array]:
        W, R = np.linalg.qr(flat.reshape(len(self.A), -1))
        value, _, gradient = self.parts(W)
        # The value depends on the columns' span alone, so the gradient has no part within the span.
        tangent = gradient - W @ (W.T @ gradient)
        return value, solve_triangular(R, tangent.T, check_finite=False).T.ravel()


def _shrunk(M: Array, shrinkage: float) -> Array:
    M, s = np.atleast_2d(M), max(shrinkage, 1e-10)
    return (1 - s) * M + s * (M.trace() / len(M) or 1.0) * np.eye(len(M))


def _class_graph(X: Array, codes: Array, k: int) -> sparse.csr_array:
    """Heat kernel between rows of a class one of which is among the other's k nearest there; 1 of a row with itself."""
    edges = []
    for c in np.unique(codes):
        rows = np.flatnonzero(codes == c)
        squared, index = nearest(X[rows], X[rows], min(k + 1, len(rows)))
        edges.append((squared.ravel(), np.repeat(rows, index.shape[1]), rows[index.ravel()]))
    far, heads, tails = map(np.concatenate, zip(*edges, strict=True))
    weight = np.exp(-far / (2 * np.median(far[far > 0]) if (far > 0).any() else 1.0))
    E = sparse.csr_array((weight, (heads, tails)), shape=(len(X), len(X)))
    return E.maximum(E.T)
