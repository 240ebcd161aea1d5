"""TKL: the target's kernel with a new spectrum, under which it is the source's kernel too."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import nnls
from sklearn.utils import gen_batches

from ...core.base import ESTIMATOR, FeatureTransfer, stack
from ...core.constraints import Either, Interval, Nothing, Options
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels.gaussian import median_gamma, rbf
from ...ops.solvers.linalg import top_eigh

CARD = {
    "class": "TKL",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Long, Wang, Sun & Yu. Domain Invariant Transfer Kernel Learning. IEEE TKDE 27(6), 2015.",
    "url": "https://doi.org/10.1109/TKDE.2014.2373376",
}

__all__ = ["TKL"]

_BLOCK = 4_000_000  # kernel values of the source held at a time


class TKL(FeatureTransfer):
    """Extend the target kernel's eigenfunctions to the source, and weigh them anew so that the source's kernel results.

    Parameters
    ----------
    damping : float in [1, inf), default=1.1
        Each weight is at least this many times the next one (zeta of the paper): more lets fewer eigenfunctions count.
    n_components : int in [1, inf), default=200
        Most eigenfunctions of the target's kernel.
    kernel : {"rbf", "linear"}, default="rbf"
        The kernel.
    gamma : float in (0, inf), default=None
        Width of the rbf kernel ``exp(-gamma ||x - y||^2)``. None is half the inverse median squared distance.
    estimator : estimator, default=None
        Fitted on the mapped source. None is logistic regression for classes and ridge regression for numbers; the paper
        takes a support vector machine, which is ``SVC(kernel="linear")`` here.

    Attributes
    ----------
    components_ : array of shape (n_target, n_components_)
        What kernel values with ``X_fit_`` are multiplied with.
    spectrum_ : array of shape (n_components_,)
        The new weights of the eigenfunctions, falling and above 0.
    target_spectrum_ : array of shape (n_components_,)
        Their eigenvalues in the target's kernel.
    n_components_ : int
        Eigenfunctions with a weight above 0.
    X_fit_ : array of shape (n_target, n_features)
        Target rows that kernels compare with.
    gamma_ : float or None
        Width used; None for the linear kernel.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    ``K_T = Phi_T Lambda_T Phi_T'`` is extended to all rows by Nystroem's formula, ``Phi = K_{., T} Phi_T Lambda_T^(-1)``, and
    the spectrum is the minimiser of ``||Phi_S diag(lambda) Phi_S' - K_S||_F^2`` over ``lambda_i >= zeta lambda_{i+1} >= 0``.
    The paper calls a quadratic solver; with ``lambda_i = zeta^(-i) sum_{j >= i} s_j`` only ``s >= 0`` is left of the
    constraints and it is a non-negative least squares problem. The new kernel is ``Phi diag(lambda) Phi'``. Rows are
    mapped to ``Phi diag(lambda)^(1/2)``, whose inner products it is: any estimator that is linear in them is one with the
    kernel, also for rows that were not in the fit. The cost is O(n_target^2 k + n_source^2 k), and O(n_target^2) memory.

    Where source and target have the same rows and ``damping=1``, the kernel stays what it was. The authors' code has the same
    programme, with at most 200 eigenfunctions too; its demonstration takes 1.1 for the damping with the rbf kernel, on images,
    and 2 with the linear one, on texts. It adds 1e-6 to the diagonal and has ``gamma=1`` on rows of length 1.

    References
    ----------
    Long, Wang, Sun & Yu. Domain Invariant Transfer Kernel Learning. IEEE TKDE 27(6), 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import TKL, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, 0] += 5 * y - 2.5
    >>> model = TKL().fit(X, y, target=Domain(X + [0, 1, 0, 0]))
    >>> model.score(X + [0, 1, 0, 0], y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "damping": Interval(float, 1),
        "n_components": Interval(int, 1),
        "kernel": Options("rbf", "linear"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        damping: float = 1.1,
        n_components: int = 200,
        kernel: str = "rbf",
        gamma: float | None = None,
        estimator: Any = None,
    ) -> None:
        self.damping = damping
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        Xs, Xt = (np.asarray(rows, dtype=np.float64) for rows in (data.Xs, data.Xt))
        self.gamma_ = (self.gamma or median_gamma(stack(Xs, Xt))) if self.kernel == "rbf" else None
        values, vectors = top_eigh(self._kernel(Xt, Xt), min(self.n_components, len(Xt)))
        keep = values > max(values[0], np.finfo(float).tiny) * len(Xt) * np.finfo(float).eps
        keep[0] = True
        values, vectors = np.maximum(values[keep], np.finfo(float).tiny), vectors[:, keep]
        extend = vectors / values if values[0] > np.finfo(float).tiny else 0 * vectors  # the kernel of rows of zeros
        Phi = self._kernel(Xs, Xt) @ extend
        spectrum = _fitted_spectrum(Phi, self._quadratic_forms(Xs, Phi), self.damping)
        used = spectrum > 0
        used[0] = True
        self.spectrum_, self.target_spectrum_ = spectrum[used], values[used]
        self.n_components_ = int(used.sum())
        self.X_fit_ = data.Xt
        # Not in single precision: small eigenvalues make large numbers that cancel.
        self.components_ = extend[:, used] * np.sqrt(self.spectrum_)
        return self._map(data.Xs, "source")

    def _kernel(self, X: Array, Y: Array) -> Array:
        return X.astype(np.float64) @ Y.T if self.gamma_ is None else rbf(X, Y, self.gamma_)

    def _quadratic_forms(self, X: Array, Phi: Array) -> Array:
        """``phi' K phi`` of each column of Phi for the kernel K of the rows, some rows at a time."""
        blocks = gen_batches(len(X), max(_BLOCK // len(X), 1))
        return np.sum([np.einsum("ij,ij->j", Phi[rows], self._kernel(X[rows], X) @ Phi) for rows in blocks], axis=0)

    def _map(self, X: Array, domain: str) -> Array:
        return (self._kernel(X, self.X_fit_) @ self.components_).astype(X.dtype, copy=False)


def _fitted_spectrum(Phi: Array, forms: Array, damping: float) -> Array:
    """argmin of ``||Phi diag(l) Phi' - K||_F`` over ``l_i >= damping l_{i+1} >= 0``, K known by ``phi' K phi``."""
    scale = np.linalg.norm(Phi, axis=0)
    scale[scale == 0] = 1.0
    Phi = Phi / scale
    Q = (Phi.T @ Phi) ** 2
    values, vectors = eigh(Q, check_finite=False)
    kept = values > values[-1] * len(Q) * np.finfo(float).eps
    root = np.sqrt(values[kept])
    # l = C s; each weight is damped against the one before, so powers of the damping fall and cannot overflow.
    chain = np.triu(np.ones_like(Q)) * (float(damping) ** -np.arange(len(Q)))[:, None]
    aim = vectors[:, kept].T @ (forms / scale**2) / root
    size = max(float(np.abs(aim).max(initial=0.0)), np.finfo(float).tiny)
    design = (root[:, None] * vectors[:, kept].T) @ (chain * scale[:, None] ** 2)
    s, _ = nnls(design, aim / size, maxiter=50 * len(Q))
    return size * (chain @ s)
