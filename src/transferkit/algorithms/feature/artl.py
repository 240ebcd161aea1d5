"""ARTL: a kernel classifier whose outputs agree in both domains, class by class, and along the graph of near rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, ProbabilityTransfer, fit_inner, stack
from ...core.constraints import Boolean, Either, Interval, Nothing, Options
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.adaptation_regularization import LinearRegularizedFit, RegularizedFit
from ...ops.kernels.gaussian import rbf
from ...ops.kernels.laplacian import cosine_graph, normalised_laplacian
from ...ops.kernels.mmd import mmd_vectors
from ...ops.solvers.linalg import unit_rows
from ...ops.solvers.nearest_probabilities import nearest_probabilities

CARD = {
    "class": "ARTL",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Long, Wang, Ding, Pan & Yu. Adaptation Regularization: A General Framework for Transfer Learning. IEEE TKDE 2014.",
    "url": "https://doi.org/10.1109/TKDE.2013.111",
}

__all__ = ["ARTL"]


class ARTL(ProbabilityTransfer):
    """Fit regularised least squares on the source while the outputs' means, by class too, are held equal in both domains.

    Parameters
    ----------
    reg : float in (0, inf), default=0.1
        Weight of the classifier's norm (sigma of the paper).
    discrepancy : float in [0, inf), default=10.0
        Weight of the discrepancies between the domains' and the classes' mean outputs (lambda).
    manifold : float in [0, inf), default=1.0
        Weight of the differences between the outputs of neighbouring rows (gamma); 0 builds no graph.
    n_neighbors : int in [1, inf), default=10
        Neighbours of a row in the graph (p).
    kernel : {"rbf", "linear"}, default="rbf"
        Kernel of the classifier.
    gamma : float in (0, inf), default=None
        Width of the rbf kernel ``exp(-gamma ||x - y||^2)``. None is ``1 / (2 m)`` with m the mean squared length of the
        rows: 1/2 for rows of length 1, as in the authors' code.
    normalize : bool, default=True
        Scale rows to length 1.
    n_iter : int in [1, inf), default=10
        Rounds of classifier and pseudo-labels at most.
    estimator : classifier, default=None
        Gives the first pseudo-labels. None is logistic regression.

    Attributes
    ----------
    coef_ : array of shape (n_source + n_target, n_classes), or (n_features, n_classes) for the linear kernel
        What kernel values with ``X_fit_``, or features, are multiplied with.
    X_fit_ : array of shape (n_source + n_target, n_features) or None
        Rows that the rbf kernel compares with; None for the linear kernel.
    gamma_ : float or None
        Width used; None for the linear kernel.
    n_iter_ : int
        Rounds made; fewer than ``n_iter`` where the pseudo-labels no longer changed.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    ARRLS, the squared-loss form: minimises ``|E (Y - F)|^2 + reg |f|_K^2 + tr(F' (discrepancy M + manifold L) F)`` over
    ``F = K B``, Y the classes' indicators, E the labelled rows, L the normalised Laplacian of the cosine graph, and M the
    matrix of JDA (domains and classes, divided by its Frobenius norm). ``B = ((E + discrepancy M + manifold L) K + reg
    I)^(-1) E Y``; pseudo-labels of the target are the largest outputs, and M follows them. The paper solves this anew in
    every round; we factorise what stays once, O(n^3), and take in M, whose rank is that of the classes, by Woodbury's
    formula in O(n^2). The linear kernel is solved for the features' weights in O(n d^2 + d^3).

    Known target labels join E. Probabilities are the nearest ones to the outputs: not negative and summing to 1.

    References
    ----------
    Long, Wang, Ding, Pan & Yu. Adaptation Regularization: A General Framework for Transfer Learning. IEEE TKDE 26(5), 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import ARTL, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, 0] += 6 * y - 3
    >>> model = ARTL().fit(X, y, target=Domain(X + [0, 1, 0, 0]))
    >>> model.score(X + [0, 1, 0, 0], y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "reg": Interval(float, 0, closed="neither"),
        "discrepancy": Interval(float, 0),
        "manifold": Interval(float, 0),
        "n_neighbors": Interval(int, 1),
        "kernel": Options("rbf", "linear"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "normalize": Boolean(),
        "n_iter": Interval(int, 1),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        reg: float = 0.1,
        discrepancy: float = 10.0,
        manifold: float = 1.0,
        n_neighbors: int = 10,
        kernel: str = "rbf",
        gamma: float | None = None,
        normalize: bool = True,
        n_iter: int = 10,
        estimator: Any = None,
    ) -> None:
        self.reg = reg
        self.discrepancy = discrepancy
        self.manifold = manifold
        self.n_neighbors = n_neighbors
        self.kernel = kernel
        self.gamma = gamma
        self.normalize = normalize
        self.n_iter = n_iter
        self.estimator = estimator

    def _fit(self, data: TransferData) -> None:
        X = np.asarray(stack(data.Xs, data.Xt), dtype=np.float64)
        if self.normalize:
            X = unit_rows(X)
        n_source = len(data.Xs)
        labelled = np.concatenate([np.ones(n_source, dtype=bool), data.known])
        L = normalised_laplacian(cosine_graph(X, self.n_neighbors)) if self.manifold > 0 else None
        is_rbf = self.kernel == "rbf"
        size = float(np.einsum("ij,ij->", X, X)) / len(X)
        self.gamma_ = (self.gamma or 0.5 / (size if size > 0 else 1.0)) if is_rbf else None
        self.X_fit_ = X.astype(data.Xs.dtype) if is_rbf else None
        inputs = rbf(X, X, self.gamma_) if is_rbf else X
        problem = (RegularizedFit if is_rbf else LinearRegularizedFit)(inputs, labelled, L, self.reg, self.manifold)
        codes = np.zeros(len(data.Xt), dtype=np.intp)
        codes[data.known] = data.codes_t
        if not data.known.all():
            first = fit_inner(self, data.task, X[labelled], np.concatenate([data.ys, data.yt]))
            codes[~data.known] = np.searchsorted(data.classes, first.predict(X[n_source:][~data.known]))
        Y = np.eye(len(self.classes_))[np.concatenate([data.codes, codes])]
        for n_done in range(1, self.n_iter + 1):
            self.n_iter_ = n_done
            E = mmd_vectors(n_source, len(data.Xt), data.codes, codes)
            coef = problem.solve(Y, E, self.discrepancy)
            relabelled = np.where(data.known, codes, (inputs[n_source:] @ coef).argmax(axis=1))
            if (relabelled == codes).all():
                break
            codes = relabelled
        self.coef_ = coef.astype(data.Xs.dtype)

    def _proba(self, X: Array) -> Array:
        if self.normalize:
            X = unit_rows(X)
        if self.X_fit_ is not None:
            X = rbf(X, self.X_fit_, self.gamma_)
        return nearest_probabilities(X @ self.coef_)
