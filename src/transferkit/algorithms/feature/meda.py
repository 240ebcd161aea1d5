"""MEDA: the classifier of ARTL on the manifold of GFK, with the balance of domains and classes estimated."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, ProbabilityTransfer, fit_inner, stack
from ...core.constraints import Either, Interval, Nothing, Options, RandomState
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.adaptation_regularization import LinearRegularizedFit, RegularizedFit
from ...ops.balance import conditional_share
from ...ops.kernels.gaussian import rbf
from ...ops.kernels.geodesic_flow import flow_factor
from ...ops.kernels.laplacian import cosine_graph, normalised_laplacian
from ...ops.kernels.mmd import mmd_vectors
from ...ops.kernels.nystroem import nystroem
from ...ops.solvers.linalg import principal_axes, unit_rows
from ...ops.solvers.nearest_probabilities import nearest_probabilities

CARD = {
    "class": "MEDA",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": (
        "Wang, Feng, Chen, Yu, Huang & Yu. Visual Domain Adaptation with Manifold Embedded Distribution Alignment. ACM MM 2018."
    ),
    "url": "https://arxiv.org/abs/1807.07258",
}

__all__ = ["MEDA"]

_GAMMA = 0.5  # the authors' width, sqrt of the mean length of the rows: 1 for rows of length 1


class MEDA(ProbabilityTransfer):
    """Map rows by the geodesic flow between the domains' subspaces; there fit a classifier that both domains agree on.

    Parameters
    ----------
    n_components : int in [1, inf), default=20
        Dimension of each domain's subspace (d of the paper); less where the rank of a domain is lower.
    mu : float in [0, 1] or None, default=None
        Share of the classes' discrepancies against that of the whole domains. None estimates it in each round.
    reg : float in (0, inf), default=0.1
        Weight of the classifier's norm (eta).
    discrepancy : float in [0, inf), default=10.0
        Weight of the discrepancies (lambda).
    manifold : float in [0, inf), default=1.0
        Weight of the differences between the outputs of neighbouring rows (rho); 0 builds no graph.
    n_neighbors : int in [1, inf), default=10
        Neighbours of a row in the graph (p).
    n_iter : int in [1, inf), default=10
        Rounds of classifier and pseudo-labels at most.
    approx : {None, "nystroem"}, default=None
        ``"nystroem"`` takes the rbf kernel of all rows from that with `n_landmarks` of them: time and memory then grow with
        the number of rows, not with its square. None is exact, in O(n^3).
    n_landmarks : int in [1, inf), default=500
        Rows that the approximation compares with, drawn from both domains; with as many as there are rows it is exact.
    random_state : int, RandomState or None, default=None
        Draws them.
    estimator : classifier, default=None
        Gives the first pseudo-labels. None is logistic regression; the paper takes the nearest neighbour.

    Attributes
    ----------
    components_ : array of shape (n_features, n_columns)
        L with ``G = L L'``, G the geodesic flow kernel: rows are multiplied with it and scaled to length 1.
    coef_ : array of shape (n_fit_rows, n_classes)
        What kernel values with ``X_fit_`` are multiplied with.
    X_fit_ : array of shape (n_fit_rows, n_columns)
        The mapped rows of the fit, or the landmarks among them.
    mu_ : float
        The share used in the last round.
    n_iter_ : int
        Rounds made; fewer than ``n_iter`` where the pseudo-labels no longer changed.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Minimises ``|E (Y - F)|^2 + reg |f|_K^2 + discrepancy tr(F' M F) + manifold tr(F' L F)`` over ``F = K B`` with ``M = (1 -
    mu) M_0 + mu sum_c M_c`` divided by its Frobenius norm, K the Gaussian kernel ``exp(-|x - y|^2 / 2)`` of the mapped
    rows, L the normalised Laplacian of their cosine graph: ``B = ((E + discrepancy M + manifold L) K + reg I)^(-1) E Y``.
    What stays from round to round is factorised once, O(n^3); M is taken in by Woodbury's formula in O(n^2).
    With ``approx="nystroem"`` and m landmarks it is solved exactly for the approximate kernel, in O(n m^2 + m^3).

    ``mu = d_c / (d_m + d_c)`` from A-distances of the domains and, on average, of their classes. The paper sums the classes
    where the authors' code takes the mean, as we do; the code also compares every source class with the first target class,
    which is a slip, and uses a linear SVM's training error, which says 1/2 wherever rows can be separated: we take a ridge
    classifier's leave-one-out error. Known target labels join E. Probabilities are the nearest ones to the outputs.

    References
    ----------
    Wang, Feng, Chen, Yu, Huang & Yu. Visual Domain Adaptation with Manifold Embedded Distribution Alignment. ACM MM 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import MEDA, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, 0] += 6 * y - 3
    >>> model = MEDA(n_components=2).fit(X, y, target=Domain(X + [0, 1, 0, 0]))
    >>> model.score(X + [0, 1, 0, 0], y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "mu": Either(Nothing(), Interval(float, 0, 1)),
        "reg": Interval(float, 0, closed="neither"),
        "discrepancy": Interval(float, 0),
        "manifold": Interval(float, 0),
        "n_neighbors": Interval(int, 1),
        "n_iter": Interval(int, 1),
        "approx": Either(Nothing(), Options("nystroem")),
        "n_landmarks": Interval(int, 1),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        n_components: int = 20,
        mu: float | None = None,
        reg: float = 0.1,
        discrepancy: float = 10.0,
        manifold: float = 1.0,
        n_neighbors: int = 10,
        n_iter: int = 10,
        approx: str | None = None,
        n_landmarks: int = 500,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.n_components = n_components
        self.mu = mu
        self.reg = reg
        self.discrepancy = discrepancy
        self.manifold = manifold
        self.n_neighbors = n_neighbors
        self.n_iter = n_iter
        self.approx = approx
        self.n_landmarks = n_landmarks
        self.random_state = random_state
        self.estimator = estimator

    def _fit(self, data: TransferData) -> None:
        axes = [principal_axes(rows, self.n_components)[1] for rows in (data.Xs, data.Xt)]
        k = min(side.shape[1] for side in axes)
        factor, _ = flow_factor(axes[0][:, :k], axes[1][:, :k])
        self.components_ = factor.astype(data.Xs.dtype)
        mapped = np.asarray(stack(data.Xs, data.Xt), dtype=np.float64) @ factor
        X, n_source = unit_rows(mapped), len(data.Xs)
        labelled = np.concatenate([np.ones(n_source, dtype=bool), data.known])
        L = normalised_laplacian(cosine_graph(X, self.n_neighbors)) if self.manifold > 0 else None
        rows, root = (X, None) if self.approx is None else nystroem(X, _GAMMA, self.n_landmarks, self.random_state)
        K = rbf(X, rows, _GAMMA)  # or its columns of the landmarks, with the features that stand for the kernel
        if root is not None:
            K = K @ root
        solver = RegularizedFit if root is None else LinearRegularizedFit
        problem = solver(K, labelled, L, self.reg, self.manifold)
        codes = np.zeros(len(data.Xt), dtype=np.intp)
        codes[data.known] = data.codes_t
        if not data.known.all():
            first = fit_inner(self, data.task, X[labelled], np.concatenate([data.ys, data.yt]))
            codes[~data.known] = np.searchsorted(data.classes, first.predict(X[n_source:][~data.known]))
        Y = np.eye(len(self.classes_))[np.concatenate([data.codes, codes])]
        for n_done in range(1, self.n_iter + 1):
            self.n_iter_, self.mu_ = n_done, self.mu
            if self.mu is None:
                self.mu_ = conditional_share(mapped[:n_source], data.codes, mapped[n_source:], codes)
            E = mmd_vectors(n_source, len(data.Xt), data.codes, codes, mu=self.mu_)
            coef = problem.solve(Y, E, self.discrepancy)
            relabelled = np.where(data.known, codes, (K[n_source:] @ coef).argmax(axis=1))
            if (relabelled == codes).all():
                break
            codes = relabelled
        coef = coef if root is None else root @ coef
        self.coef_, self.X_fit_ = coef.astype(data.Xs.dtype), rows.astype(data.Xs.dtype)

    def _proba(self, X: Array) -> Array:
        return nearest_probabilities(rbf(unit_rows(X @ self.components_), self.X_fit_, _GAMMA) @ self.coef_)
