"""JGSA: two projections, one a domain, that bring means and classes together and stay near each other."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from ...core.base import ESTIMATOR, FeatureTransfer, fit_inner, stack
from ...core.constraints import Boolean, Either, Interval, Nothing, Options
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels.map import fit_kernel_map, kernel_components
from ...ops.kernels.mmd import mmd_vectors
from ...ops.solvers.linalg import top_eigh, unit_rows

CARD = {
    "class": "JGSA",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Zhang, Li & Ogunbona. Joint Geometrical and Statistical Alignment for Visual Domain Adaptation. CVPR 2017.",
    "url": "https://arxiv.org/abs/1705.05498",
}

__all__ = ["JGSA"]

_TOL = 1e-12  # eigenvalues of at most this part of the largest count as none


class JGSA(FeatureTransfer):
    """Project each domain by a map of its own: near each other, equal class means, much variance, classes apart.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Components to keep; fewer where the rank is lower.
    reg : float in (0, inf), default=1.0
        Weight of the distance between the two projections (lambda of the paper).
    target_variance : float in (0, inf), default=1.0
        Weight of the target's variance, to be large, and of its projection's length, to be small (mu).
    class_scatter : float in [0, inf), default=0.1
        Weight of the source's scatter between the classes, to be large, and within them, to be small (beta).
    kernel : {"linear", "rbf"}, default="linear"
        ``"linear"`` is the paper's primal form; ``"rbf"`` projects the principal components of the Gaussian kernel.
    gamma : float in (0, inf), default=None
        Width of the rbf kernel ``exp(-gamma ||x - y||^2)``. None is half the inverse median squared distance.
    normalize : bool, default=True
        Scale rows to length 1 beforehand, as for the paper's tables.
    n_iter : int in [1, inf), default=10
        Rounds of projections and pseudo-labels.
    estimator : estimator, default=None
        Gives the pseudo-labels and the prediction. None is logistic regression; the paper takes the nearest neighbour.

    Attributes
    ----------
    source_components_, target_components_ : arrays of shape (n_features, n_components_)
        The projections (of the kernel's components, for the rbf kernel).
    n_components_ : int
        Number of components kept.
    kernel_map_ : sklearn.decomposition.KernelPCA or None
        From rows to the kernel's components, 500 at most; None for the linear kernel.
    n_iter_ : int
        Rounds made; fewer than ``n_iter`` where the pseudo-labels no longer changed, which the rest would not change.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Maximises the ratio of ``mu tr(B' S_t B) + beta tr(A' S_b A)`` to ``tr of [A; B]' M [A; B] + lambda |A - B|^2 + beta
    tr(A' S_w A) + mu |B|^2``, S_t the target's scatter, S_b and S_w the source's between and within its classes, and M the
    discrepancies of the domains and classes. As in the authors' code M is divided by the Frobenius norm of the domains'
    part and each component, A and B together, has unit length: the paper's tables need both. The first pseudo-labels come
    from the rows as they are. ``"rbf"`` is the paper's kernel form, whose norms are those of the kernel's space, written in
    the principal components of that space.

    Only M changes from round to round and has the rank of the number of classes: the rest is factorised once, in a d x d
    matrix, and a round solves an eigenproblem as wide as the numerator's rank, at most d and the number of classes, and
    fewer where the target has fewer rows. More features than rows are first replaced by coordinates in the space of the
    rows, in which all solutions lie.

    References
    ----------
    Zhang, Li & Ogunbona. Joint Geometrical and Statistical Alignment for Visual Domain Adaptation. CVPR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import JGSA, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, 0] += 5 * y - 2.5
    >>> model = JGSA(n_components=2, normalize=False).fit(X, y, target=Domain(X + [0, 4, 0, 0]))
    >>> model.score(X + [0, 4, 0, 0], y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "reg": Interval(float, 0, closed="neither"),
        "target_variance": Interval(float, 0, closed="neither"),
        "class_scatter": Interval(float, 0),
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
        target_variance: float = 1.0,
        class_scatter: float = 0.1,
        kernel: str = "linear",
        gamma: float | None = None,
        normalize: bool = True,
        n_iter: int = 10,
        estimator: Any = None,
    ) -> None:
        self.n_components = n_components
        self.reg = reg
        self.target_variance = target_variance
        self.class_scatter = class_scatter
        self.kernel = kernel
        self.gamma = gamma
        self.normalize = normalize
        self.n_iter = n_iter
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        if data.task != "classification":
            raise DomainError(
                "JGSA.fit: y must hold classes for the target's pseudo-labels. Unknown label type: continuous."
            )
        X = np.asarray(stack(data.Xs, data.Xt), dtype=np.float64)
        if self.normalize:
            X = unit_rows(X)
        self.kernel_map_ = fit_kernel_map(X, self.gamma) if self.kernel == "rbf" else None
        if self.kernel_map_ is not None:
            X = kernel_components(self.kernel_map_, X)
        back = None
        if X.shape[1] > len(X):
            back, lower = np.linalg.qr(X.T)
            X = lower.T
        Xs, Xt = np.split(X, [len(data.Xs)])
        problem = _Problem(Xs, data.codes, Xt, self.reg, self.target_variance, self.class_scatter)
        Zs, Zt = Xs, Xt
        codes = np.full(len(Xt), -1)
        for n_done in range(1, self.n_iter + 1):
            relabelled = np.empty(len(Xt), dtype=np.intp)
            relabelled[data.known] = data.codes_t
            if not data.known.all():
                inner = fit_inner(self, data.task, stack(Zs, Zt[data.known]), np.concatenate([data.ys, data.yt]))
                relabelled[~data.known] = np.searchsorted(data.classes, inner.predict(Zt[~data.known]))
            if (relabelled == codes).all():
                break
            codes, self.n_iter_ = relabelled, n_done
            E = mmd_vectors(len(Xs), len(Xt), data.codes, codes)
            Es, Et = np.split(E / np.linalg.norm(E[:, 0]), [len(Xs)])
            A, B = problem.solve(Xs.T @ Es, Xt.T @ Et, self.n_components)
            Zs, Zt = Xs @ A, Xt @ B
        dtype = data.Xs.dtype
        self.n_components_ = A.shape[1]
        self.source_components_ = (A if back is None else back @ A).astype(dtype)
        self.target_components_ = (B if back is None else back @ B).astype(dtype)
        return self._map(data.Xs, "source")

    def _map(self, X: Array, domain: str) -> Array:
        if self.normalize:
            X = unit_rows(X)
        if self.kernel_map_ is not None:
            X = kernel_components(self.kernel_map_, X)
        return X @ (self.source_components_ if domain == "source" else self.target_components_)


class _Problem:
    """``[A; B]`` of the largest ratio, for an M that changes.

    Without M the denominator is, with ``share = reg / (reg + mu)``, ``a' S a + (reg + mu) |b - share a|^2`` and ``S =
    beta S_w + reg mu / (reg + mu) I``: it is |p|^2 + |q|^2 of ``p = R a``, ``R'R = S``, and ``q = root (b - share a)``.
    In (p, q) the numerator is N N' of as many columns as it has ranks, mostly far fewer than (p, q) has numbers: the
    components are sought among combinations of those columns, and M's few columns are taken in by a low-rank correction.
    """

    def __init__(self, Xs: Array, codes: Array, Xt: Array, reg: float, mu: float, beta: float) -> None:
        indicator = np.eye(codes.max() + 1)[codes]
        counts = indicator.sum(axis=0)
        means = (indicator.T @ Xs) / counts[:, None]
        within = Xs - means[codes]
        between = (means - Xs.mean(axis=0)) * np.sqrt(beta * counts)[:, None]
        variance = _root_rows(np.sqrt(mu) * (Xt - Xt.mean(axis=0)))
        self._root, self._share = np.sqrt(reg + mu), reg / (reg + mu)
        S = beta * (within.T @ within)
        # The second part keeps S positive for features so large that the first is lost in rounding.
        S.flat[:: len(S) + 1] += reg * (mu / (reg + mu)) + len(S) * np.finfo(np.float64).eps * np.trace(S)
        self._R = cholesky(S, check_finite=False)
        a_side = np.vstack([between, np.zeros_like(variance)]).T
        b_side = np.vstack([np.zeros_like(between), variance]).T
        self._N = self._whitened(a_side, b_side)
        self._inner = self._N.T @ self._N

    def _whitened(self, a_side: Array, b_side: Array) -> Array:
        """Columns ``(u, v)`` with ``u'a + v'b`` written in (p, q)."""
        p_side = solve_triangular(self._R, a_side + self._share * b_side, trans="T", check_finite=False)
        return np.concatenate([p_side, b_side / self._root])

    def solve(self, source_side: Array, target_side: Array, k: int) -> tuple[Array, Array]:
        """The first k components, A and B together of unit length, for ``M = E E'`` by the products of rows and E."""
        U = self._whitened(source_side, target_side)
        # N'(I + UU')^(-1) N, whose eigenvectors z are those of the pencil as (I + UU')^(-1) N z.
        Q, f, _ = np.linalg.svd(U, full_matrices=False)
        across, lost = Q.T @ self._N, (f**2 / (1 + f**2))[:, None]
        values, z = top_eigh(self._inner - across.T @ (lost * across), min(k, self._N.shape[1]))
        z = z[:, : max(int((values > values[0] * _TOL).sum()), 1)]
        p, q = np.split(self._N @ z - Q @ (lost * (across @ z)), 2)
        A = solve_triangular(self._R, p, check_finite=False)
        W = np.concatenate([A, q / self._root + self._share * A])
        length = np.linalg.norm(W, axis=0)
        A, B = np.split(W / np.where(length > 0, length, 1), 2)
        return A, B


def _root_rows(X: Array) -> Array:
    """Rows F, not more than X has columns, with ``F'F = X'X``."""
    return np.linalg.qr(X, mode="r") if len(X) > X.shape[1] else X
