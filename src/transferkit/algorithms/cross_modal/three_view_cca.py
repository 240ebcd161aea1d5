"""Three-view CCA: directions in which two modalities and the classes, as a third view, agree."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from ...core.base import ESTIMATOR
from ...core.constraints import Either, Interval, Nothing, Options, RandomState
from ...core.heterogeneous import HeterogeneousData, HeterogeneousTransfer
from ...core.protocols import Array
from ...ops.canonical import Whitening, ties_of, whiten
from ...ops.kernels.gaussian import median_gamma
from ...ops.semantic_space import labelled_target
from ...ops.solvers.linalg import top_eigh

CARD = {
    "class": "ThreeViewCCA",
    "protocol": "Transfer",
    "settings": ("few_label", "heterogeneous"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Gong, Ke, Isard & Lazebnik. A Multi-View Embedding Space for Modeling Internet Images, Tags, and Their"
    " Semantics. IJCV 2014.",
    "url": "https://doi.org/10.1007/s11263-013-0658-4",
}

__all__ = ["ThreeViewCCA"]


class ThreeViewCCA(HeterogeneousTransfer):
    """Embed both modalities and the classes in one space in which the three lie near each other.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Directions to keep; fewer where not as many tie the views.
    reg : float in [0, inf), default=1.0
        Added to the variance of each direction of a modality, in units of their mean.
    power : float in [0, inf), default=4.0
        Each direction counts as much as this power of its eigenvalue: the better the views agree, the more. 0 is all alike.
    kernel : {"linear", "rbf"}, default="linear"
        "rbf" maps the rows of both modalities first to random Fourier features of a Gaussian kernel.
    gamma : float in (0, inf), default=None
        Width of both kernels ``exp(-gamma ||x - y||^2)``. None is half the inverse median squared distance of each domain.
    n_random : int in [1, inf), default=1000
        Random Fourier features of each modality.
    estimator : estimator, default=None
        Fitted in the common space. None is logistic regression.
    random_state : int, RandomState or None, default=0
        Draws the random features.

    Attributes
    ----------
    source_map_, target_map_ : arrays of shape (n_features_source or n_random, n_components_) and the same of the target
        What centred rows (their random features) are multiplied with; without the weights.
    source_mean_, target_mean_ : arrays
        Means of the rows (their random features).
    source_random_, target_random_ : tuples of two arrays, or None
        Frequencies of shape (n_features, n_random) and phases of the random features; None with the linear kernel.
    class_map_ : array of shape (n_classes, n_components_)
        Where the classes lie, as rows, without the weights.
    eigenvalues_ : array of shape (n_components_,)
        Falling; between 1, no agreement, and 3, where all three views are the same.
    n_components_ : int
        Directions kept.
    n_features_source_ : int
        Columns of the source.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Minimises ``sum_(i<j) ||X_i W_i - X_j W_j||^2`` over three views (the classes' view are their indicators) with
    ``W_i^T S_ii W_i = I`` over all views together: the leading eigenvectors of ``S w = lambda diag(S_11, S_22, S_33) w``.
    ``transform`` gives ``x W_i D`` with D the eigenvalues to the power 4, divided by the largest; its cosine is the paper's
    similarity. For large data the paper puts explicit feature maps in the place of kernels, as ``kernel="rbf"`` does.

    In the paper the three views are of the same items. Here the covariance of a modality is of all its rows, that of both
    modalities of the pairs (without any, of all rows of one class, as in cluster CCA), and that with the classes of the rows
    of each that have a label, known or by their pair; where everything is paired, that is the same. Directions with an
    eigenvalue of 1 or less tie nothing and are left out.

    References
    ----------
    Gong, Ke, Isard & Lazebnik. A Multi-View Embedding Space for Modeling Internet Images, Tags, and Their Semantics.
    International Journal of Computer Vision 106(2), 2014.
    Rahimi & Recht. Random Features for Large-Scale Kernel Machines. NeurIPS 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, ThreeViewCCA
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 3
    >>> X, Xt = (np.eye(3)[y] @ rng.normal(size=(3, d)) + 0.1 * rng.normal(size=(60, d)) for d in (5, 8))
    >>> model = ThreeViewCCA().fit(X, y, target=Domain(Xt), pairs=[[i, i] for i in range(30)])
    >>> model.score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "reg": Interval(float, 0),
        "power": Interval(float, 0),
        "kernel": Options("linear", "rbf"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "n_random": Interval(int, 1),
        "estimator": ESTIMATOR,
        "random_state": RandomState(),
    }
    _task: ClassVar = "classification"

    def __init__(
        self,
        n_components: int = 30,
        reg: float = 1.0,
        power: float = 4.0,
        kernel: str = "linear",
        gamma: float | None = None,
        n_random: int = 1000,
        estimator: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.n_components = n_components
        self.reg = reg
        self.power = power
        self.kernel = kernel
        self.gamma = gamma
        self.n_random = n_random
        self.estimator = estimator
        self.random_state = random_state

    def _fit_map(self, data: HeterogeneousData) -> Array:
        rng = check_random_state(self.random_state)
        self.source_random_, self.target_random_ = (
            None if self.kernel == "linear" else self._draw(X, rng) for X in (data.Xs, data.Xt)
        )
        Fs, Ft = _features(data.Xs, self.source_random_), _features(data.Xt, self.target_random_)
        rows, codes = labelled_target(data)
        indicators, of_target = (np.eye(len(self.classes_))[c] for c in (data.codes, codes))
        source, target, classes = whiten(Fs, self.reg), whiten(Ft, self.reg), whiten(indicators, 0.0)
        Zs, Zt = source(Fs), target(Ft)
        # The whitened views have unit covariance, and S w = lambda diag(S_ii) w becomes an ordinary eigenproblem.
        st = ties_of("ThreeViewCCA.fit", data, Zs, Zt)
        sc = Zs.T @ classes(indicators) / len(Zs)
        tc = Zt[rows].T @ classes(of_target) / len(rows)
        a, b, c = st.shape[0], st.shape[1], sc.shape[1]
        blocks = np.block([[np.eye(a), st, sc], [st.T, np.eye(b), tc], [sc.T, tc.T, np.eye(c)]])
        values, vectors = top_eigh(blocks, min(self.n_components, a + b + c))
        kept = values > 1 + len(blocks) * np.finfo(np.float64).eps
        kept[0] = True
        self.eigenvalues_, vectors = values[kept], vectors[:, kept]
        self.n_components_ = len(self.eigenvalues_)
        self.source_mean_, self.target_mean_ = source.mean, target.mean
        self.source_map_, self.target_map_ = source.map @ vectors[:a], target.map @ vectors[a : a + b]
        self.class_map_ = classes(np.eye(len(self.classes_))) @ vectors[a + b :]
        return self._map(data.Xs, "source")

    def _draw(self, X: Array, rng: Any) -> tuple[Array, Array]:
        """Frequencies and phases of random Fourier features."""
        gamma = self.gamma or median_gamma(np.asarray(X, dtype=np.float64))
        frequencies = np.sqrt(2 * gamma) * rng.normal(size=(X.shape[1], self.n_random))
        return frequencies, rng.uniform(0, 2 * np.pi, self.n_random)

    def _map(self, X: Array, domain: str) -> Array:
        weight = (self.eigenvalues_ / self.eigenvalues_[0]) ** self.power
        if domain == "source":
            Z = Whitening(self.source_mean_, self.source_map_)(_features(X, self.source_random_))
        else:
            Z = Whitening(self.target_mean_, self.target_map_)(_features(X, self.target_random_))
        return np.asarray(Z * weight)


def _features(X: Array, random: tuple[Array, Array] | None) -> Array:
    """Rows, or their random Fourier features, whose inner products are near the kernel's values."""
    X = np.asarray(X, dtype=np.float64)
    if random is None:
        return X
    frequencies, phases = random
    return np.asarray(np.sqrt(2 / len(phases)) * np.cos(X @ frequencies + phases))
