"""DRCA: directions in which both domains vary much and their means differ little, as sensors drift."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.linalg import qr

from ...core.base import ESTIMATOR, FeatureTransfer, stack
from ...core.constraints import Interval
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.solvers.linalg import top_eigh

CARD = {
    "class": "DRCA",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": (
        "Zhang, Liu, He, Liu & Deng. Anti-drift in E-nose: A Subspace Projection Approach with Drift Reduction."
        " Sensors and Actuators B 253, 2017."
    ),
    "url": "https://doi.org/10.1016/j.snb.2017.06.156",
}

__all__ = ["DRCA"]


class DRCA(FeatureTransfer):
    """Project both domains onto directions of large variance that are blind to the difference of their means.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Directions to keep; fewer where the rank of the rows is lower.
    target_weight : float in [0, inf), default=1.0
        Weight of the target's variance against the source's, the paper's lambda.
    reg : float in (0, inf), default=0.01
        How much of a direction's length counts beside the difference of the means: relative to the mean variance of a
        direction, among those that the rows span where there are fewer rows than features. Near 0 the difference is taken
        out wholly; a large value gives PCA of both domains.
    estimator : estimator, default=None
        Fitted on the projected source. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    components_ : array of shape (n_features, n_components_)
        What features are multiplied with; columns of unit length.
    n_components_ : int
        Directions kept.
    drift_ : array of shape (n_features,)
        Mean of the target minus mean of the source.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Maximises ``tr(P' (S_s + lambda S_t) P) / tr(P' m m' P)``, S_s and S_t the scatters of the domains and m the difference
    of their means, by generalized eigenvectors. The matrix m m' has rank 1 and the quotient therefore no largest value: we
    add `reg` times the identity to it, scaled by the mean of the numerator's diagonal, which leaves the answer as it is when
    all features change their unit. For reg -> 0 the directions are the principal ones in the complement of m; for m = 0 they
    are those of PCA. Scatters are divided by their number of rows, so that lambda = 1 weighs the domains alike whatever
    their sizes. The cost is O(n d^2 + d^3), or O(n^2 d + n^3) where there are fewer rows than features.

    References
    ----------
    Zhang, Liu, He, Liu & Deng. Anti-drift in E-nose: A Subspace Projection Approach with Drift Reduction. Sensors and
    Actuators B 253, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DRCA, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, 0] += 5 * y - 2.5
    >>> model = DRCA(n_components=2).fit(X, y, target=Domain(X + [2, 9, 0, 0]))
    >>> model.score(X + [2, 9, 0, 0], y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "target_weight": Interval(float, 0),
        "reg": Interval(float, 0, closed="neither"),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self, n_components: int = 30, target_weight: float = 1.0, reg: float = 0.01, estimator: Any = None
    ) -> None:
        self.n_components = n_components
        self.target_weight = target_weight
        self.reg = reg
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        X, n = np.asarray(stack(data.Xs, data.Xt), dtype=np.float64), len(data.ys)
        back = None
        if X.shape[1] > len(X):
            # Outside of the space that the rows span nothing varies, and nothing drifts.
            back, lower = qr(X.T, mode="economic")
            X = lower.T
        drift = X[n:].mean(axis=0) - X[:n].mean(axis=0)
        S = _scatter(X[:n]) + self.target_weight * _scatter(X[n:])
        length = np.linalg.norm(drift)
        direction = drift / (length or 1.0)
        penalty = self.reg * float(S.trace()) / len(S)
        # (m m' + penalty I)^(-1/2) is, up to a factor, I minus a part of the projection onto m.
        shrink = 1 - np.sqrt(penalty / (penalty + length**2)) if penalty > 0 else 1.0

        def whiten(V: Array) -> Array:
            return V - np.outer(shrink * direction, direction @ V)

        values, vectors = top_eigh(whiten(whiten(S).T), min(self.n_components, len(S)))
        rank = max(int((values > values[0] * max(X.shape) * np.finfo(np.float64).eps).sum()), 1)
        P = whiten(vectors[:, :rank])
        size = np.linalg.norm(P, axis=0)
        P = P / np.where(size > 0, size, 1)
        dtype = data.Xs.dtype
        self.components_ = (P if back is None else back @ P).astype(dtype)
        self.n_components_ = rank
        self.drift_ = (drift if back is None else back @ drift).astype(dtype)
        return self._map(data.Xs, "source")

    def _map(self, X: Array, domain: str) -> Array:
        return X @ self.components_


def _scatter(X: Array) -> Array:
    centred = X - X.mean(axis=0)
    scatter: Array = centred.T @ centred / len(X)
    return scatter
