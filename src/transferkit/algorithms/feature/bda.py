"""BDA: JDA with a balance between the domains' means and the classes' means, given or estimated."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, FeatureTransfer, fit_inner, stack
from ...core.constraints import Boolean, Either, Interval, Nothing, Options, RandomState
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.balance import conditional_share
from ...ops.kernels.gaussian import median_gamma, rbf
from ...ops.kernels.mmd import mmd_vectors
from ...ops.kernels.nystroem import kernel_problem
from ...ops.solvers.linalg import unit_rows

CARD = {
    "class": "BDA",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "scaling": "domain",
    "grows": {"reg": 2000},
    "paper": "Wang, Chen, Hao, Feng & Shen. Balanced Distribution Adaptation for Transfer Learning. ICDM 2017.",
    "url": "https://arxiv.org/abs/1807.00516",
}

__all__ = ["BDA"]


class BDA(FeatureTransfer):
    """Find components that bring the domains' means and the classes' means together, each with its share; relabel; repeat.

    Parameters
    ----------
    mu : float in [0, 1] or None, default=0.5
        Share of the classes' discrepancies against that of the whole domains: 0 is TCA, 1/2 is JDA's weighting, 1 leaves
        the domains' means aside. None estimates it in each round from A-distances.
    weighted : bool, default=False
        W-BDA: weigh each class with its share of its domain, so that classes that grew rare in the target count less.
    n_components : int in [1, inf), default=30
        Components to keep; fewer where the rank of the kernel is lower.
    reg : float in (0, inf), default=1.0
        Weight of the components' squared length against the discrepancies.
    kernel : {"linear", "primal", "rbf"}, default="linear"
        ``"linear"`` and ``"rbf"`` weigh the components in the space of the rows; ``"primal"`` puts the features in the
        place of the kernel, so that the components themselves are penalised.
    gamma : float in (0, inf), default=None
        Width of the rbf kernel ``exp(-gamma ||x - y||^2)``. None is half the inverse median squared distance.
    normalize : bool, default=True
        Scale rows to length 1 before the kernel and again in the space of the components.
    n_iter : int in [1, inf), default=10
        Rounds of components and pseudo-labels.
    approx : {None, "nystroem"}, default=None
        ``"nystroem"`` takes the rbf kernel of all rows from that with `n_landmarks` of them: time and memory then grow with
        the number of rows, not with its square. None is exact, and linear in the rows for the other two kernels.
    n_landmarks : int in [1, inf), default=500
        Rows that the approximation compares with, drawn from both domains; with as many as there are rows it is exact.
    random_state : int, RandomState or None, default=None
        Draws them.
    estimator : estimator, default=None
        Gives the pseudo-labels and the prediction. None is logistic regression; the paper takes the nearest neighbour.

    Attributes
    ----------
    components_ : array of shape (n_features, n_components_), or (n_fit_rows, n_components_) for the rbf kernel
        What features, or kernel values with ``X_fit_``, are multiplied with.
    n_components_ : int
        Number of components kept.
    mu_ : float
        The share used in the last round.
    n_iter_ : int
        Rounds made; fewer than ``n_iter`` where the pseudo-labels no longer changed, which the rest would not change.
    X_fit_ : array of shape (n_fit_rows, n_features) or None
        Rows that the rbf kernel compares with, all of both domains or the landmarks; None for the other kernels.
    gamma_ : float or None
        Width used; None for the other kernels.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Minimises ``tr(A' K ((1 - mu) M_0 + mu sum_c M_c) K A) + reg ||A||^2`` over ``A' K H K A = I``; with ``weighted=True``
    the class matrices are those of W-BDA, whose entries are weighed with the classes' shares ``P(y_s)`` and ``P(y_t)``.
    The first pseudo-labels come from the inner estimator fitted on the source rows as they are. The cost of a round is
    O(n d^2 + d^3), and for the rbf kernel O(n^2) memory and O(n^2 n_components) time or more; with
    ``approx="nystroem"`` and m landmarks O(n m^2 + m^3).

    As in JDA, M_0 is weighed with the number of classes, the sum is divided by its Frobenius norm, eigenvectors have unit
    length, and rows are normalised (unless ``normalize=False``). A class that no target row has is left out. The authors'
    program differs from the paper in four ways that are not followed here: W-BDA weighs only the target's side, with
    ``P(y_t) / P(y_s)``, its ``mu`` is left at 1, each round's matrix is added to that of the round before, and without
    weights the first round has no pseudo-labels. The paper tries values of mu; for None the A-distances are those of a
    ridge classifier's leave-one-out error on the (normalised) rows, ``mu = d_c / (d_c + d_m)``. Target labels that are
    known take the place of pseudo-labels.

    The weight of ``reg`` against the discrepancies falls with the square of the number of rows: A has a row for each of them. What
    1 does at 2,000 rows takes ``reg=(n / 2000)**2`` at n; with 1 at 100,000 rows the pseudo-labels of made-up classes went wrong
    (50 % right, against 95 %). `transferkit run` takes that from 2,000 rows a domain on.

    References
    ----------
    Wang, Chen, Hao, Feng & Shen. Balanced Distribution Adaptation for Transfer Learning. ICDM 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import BDA, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, 0] += 5 * y - 2.5
    >>> model = BDA(n_components=2, normalize=False).fit(X, y, target=Domain(X + [0, 4, 0, 0]))
    >>> model.score(X + [0, 4, 0, 0], y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "mu": Either(Nothing(), Interval(float, 0, 1)),
        "weighted": Boolean(),
        "n_components": Interval(int, 1),
        "reg": Interval(float, 0, closed="neither"),
        "kernel": Options("linear", "primal", "rbf"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "normalize": Boolean(),
        "n_iter": Interval(int, 1),
        "approx": Either(Nothing(), Options("nystroem")),
        "n_landmarks": Interval(int, 1),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        mu: float | None = 0.5,
        weighted: bool = False,
        n_components: int = 30,
        reg: float = 1.0,
        kernel: str = "linear",
        gamma: float | None = None,
        normalize: bool = True,
        n_iter: int = 10,
        approx: str | None = None,
        n_landmarks: int = 500,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.mu = mu
        self.weighted = weighted
        self.n_components = n_components
        self.reg = reg
        self.kernel = kernel
        self.gamma = gamma
        self.normalize = normalize
        self.n_iter = n_iter
        self.approx = approx
        self.n_landmarks = n_landmarks
        self.random_state = random_state
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        if data.task != "classification":
            raise DomainError(
                "BDA.fit: y must hold classes for the target's pseudo-labels. Unknown label type: continuous."
            )
        X = np.asarray(stack(data.Xs, data.Xt), dtype=np.float64)
        if self.normalize:
            X = unit_rows(X)
        self.gamma_ = (self.gamma or median_gamma(X)) if self.kernel == "rbf" else None
        problem, rows = kernel_problem(
            "BDA.fit", X, self.kernel, self.gamma_, self.approx, self.n_landmarks, self.random_state
        )
        self.X_fit_ = None if rows is None else rows.astype(data.Xs.dtype)
        Zs, Zt = np.split(X, [len(data.Xs)])
        rows_s, rows_t = Zs, Zt
        codes = np.full(len(Zt), -1)
        for n_done in range(1, self.n_iter + 1):
            relabelled = self._labelled(data, Zs, Zt)
            if (relabelled == codes).all():
                break
            codes, self.n_iter_ = relabelled, n_done
            self.mu_ = self.mu if self.mu is not None else conditional_share(rows_s, data.codes, rows_t, codes)
            E = mmd_vectors(len(Zs), len(Zt), data.codes, codes, mu=self.mu_, weighted=self.weighted)
            A = problem.solve(E, self.reg, self.n_components)
            self.components_, self.n_components_ = A.astype(data.Xs.dtype), A.shape[1]
            Zs, Zt = self._map(data.Xs, "source"), self._map(data.Xt, "target")
        return self._map(data.Xs, "source")

    def _labelled(self, data: TransferData, Zs: Array, Zt: Array) -> Array:
        """Classes of the target rows: the known ones, and the inner estimator's of the others."""
        codes = np.empty(len(Zt), dtype=np.intp)
        codes[data.known] = data.codes_t
        if not data.known.all():
            inner = fit_inner(self, data.task, stack(Zs, Zt[data.known]), np.concatenate([data.ys, data.yt]))
            codes[~data.known] = np.searchsorted(data.classes, inner.predict(Zt[~data.known]))
        return codes

    def _map(self, X: Array, domain: str) -> Array:
        if self.normalize:
            X = unit_rows(X)
        if self.X_fit_ is not None:
            X = rbf(X, self.X_fit_, self.gamma_)
        Z = X @ self.components_
        return unit_rows(Z) if self.normalize else Z
