"""ARC-t: a similarity between rows of two spaces, learned so that rows of one class are similar and those of two are not."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize

from ...core.base import ESTIMATOR
from ...core.constraints import Either, Interval, Nothing, Options
from ...core.errors import ParamError, TransferWarning
from ...core.heterogeneous import HeterogeneousData, HeterogeneousTransfer
from ...core.protocols import Array
from ...ops.kernels.spaces import SpaceKernel

CARD = {
    "class": "ARCt",
    "protocol": "Transfer",
    "settings": ("few_label", "heterogeneous"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Kulis, Saenko & Darrell. What You Saw is Not What You Get: Domain Adaptation Using Asymmetric Kernel Transforms."
    " CVPR 2011.",
    "url": "https://doi.org/10.1109/CVPR.2011.5995702",
}

__all__ = ["ARCt"]


class ARCt(HeterogeneousTransfer):
    """Asymmetric regularised cross-domain transform: one linear map from the target's space, or its kernel's, to the source's.

    Parameters
    ----------
    weight : float in (0, inf), default=100.0
        Of the pairs of rows that are not as similar or as dissimilar as they should be, against the size of the map.
    lower : float, default=1.0
        Least similarity of rows of one class.
    upper : float, default=0.0
        Greatest similarity of rows of two classes; below `lower`. A source row's similarity to itself is 1 on average.
    kernel : {"linear", "rbf"}, default="linear"
        Of each domain, on rows that are centred and divided by the root of their mean squared length.
    gamma : float in (0, inf), default=None
        Width of the Gaussian kernels. None is half the inverse median squared distance of each domain.
    estimator : estimator, default=None
        Fitted in the source's space on the source and the mapped known rows of the target. None is logistic regression.

    Attributes
    ----------
    source_rows_, target_rows_ : arrays of shape (n_source, n_features_source) and (n_known, n_features)
        Rows that the kernels compare with.
    source_map_, target_map_ : arrays of shape (n_source, n_components) and (n_known, n_components)
        What kernel values are multiplied with: the inner product of what comes out is the similarity.
    source_mean_, target_mean_ : arrays of shape (n_features_source,) and (n_features,)
        Means of the rows.
    source_scale_, target_scale_ : float
        What centred rows are divided by.
    gammas_ : tuple of float or None
        Widths of the source's kernel and the target's.
    objective_ : float
        What was minimised, at the end.
    n_features_source_ : int
        Columns of the source.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Minimises ``|W|^2 / 2 + weight * (m_same + m_other) / 2`` over the map W, where with the similarity ``x'Wz`` of a source row
    x and a known target row z, ``m_same`` is the mean of ``max(0, lower - x'Wz)^2`` over pairs of one class and ``m_other`` that of
    ``max(0, x'Wz - upper)^2`` over pairs of two. The paper's theorem: the best W is a combination of ``x_i z_j'`` for rows of
    the fit, so that in place of rows any kernel of theirs will do, each domain's own. We write it in coordinates of the span of
    the source rows and of the known target rows in their kernel spaces, where ``|W|`` stays what it is; the problem there is
    strictly convex and smooth, and is solved by a quasi-Newton method, where the paper projects on one pair after the other.

    The paper sums over pairs; the two means keep the few pairs of one class from being outvoted. Of its regularisers we
    have the Frobenius norm. The log-determinant is one of symmetric positive definite matrices and has no meaning between
    spaces of different widths. The paper classifies by neighbours or by a support vector machine in the source's space: give it
    as `estimator`. Target rows without a label only count for means, scales and widths; `pairs` are not used.

    The authors' code has the same squared slacks and projects until none is off by more than 0.01. It is for domains of the same
    columns, with one kernel, and keeps W near the identity instead of 0; `lower` and `upper` are the 98th and 2nd percentile of
    the kernel's values between all rows; and it tries a list of weights. `lower`, `upper` and `weight` here are ours.

    References
    ----------
    Kulis, Saenko & Darrell. What You Saw is Not What You Get: Domain Adaptation Using Asymmetric Kernel Transforms. CVPR 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import ARCt, Domain
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(100) % 2
    >>> hidden = np.column_stack([6 * y + rng.normal(size=100), rng.normal(size=100)])
    >>> X, Xt = hidden @ rng.normal(size=(2, 5)), hidden @ rng.normal(size=(2, 3))
    >>> ARCt().fit(X, y, target=Domain(Xt, y, known=np.arange(100) < 6)).score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "weight": Interval(float, 0, closed="neither"),
        "lower": Interval(float),
        "upper": Interval(float),
        "kernel": Options("linear", "rbf"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "estimator": ESTIMATOR,
    }
    _ties: ClassVar = "labels"
    _task: ClassVar = "classification"

    def __init__(
        self,
        weight: float = 100.0,
        lower: float = 1.0,
        upper: float = 0.0,
        kernel: str = "linear",
        gamma: float | None = None,
        estimator: Any = None,
    ) -> None:
        self.weight = weight
        self.lower = lower
        self.upper = upper
        self.kernel = kernel
        self.gamma = gamma
        self.estimator = estimator

    def _fit_map(self, data: HeterogeneousData) -> Array:
        if self.upper >= self.lower:
            raise ParamError(f"ARCt.fit: upper must be below lower, which is {self.lower:g}. Got {self.upper:g}.")
        source, target = (SpaceKernel.of(X, self.kernel, self.gamma) for X in (data.Xs, data.Xt))
        self.source_mean_, self.source_scale_ = source.mean, source.scale
        self.target_mean_, self.target_scale_ = target.mean, target.scale
        self.gammas_ = (source.gamma, target.gamma)
        self.source_rows_, self.target_rows_ = data.Xs, data.Xt_known
        self.source_map_, A = _coordinates(source(data.Xs, data.Xs))
        to_coordinates, B = _coordinates(target(data.Xt_known, data.Xt_known))
        W, self.objective_ = self._transform(A, B, data.codes[:, None] == data.codes_t)
        self.target_map_ = to_coordinates @ W.T
        return A

    def _transform(self, A: Array, B: Array, same: Array) -> tuple[Array, float]:
        """The map of the known rows' coordinates B into those of the source's A, and the objective."""
        share = np.where(same, 1 / max(same.sum(), 1), 1 / max((~same).sum(), 1)) * self.weight / 2
        wanted, sign = np.where(same, self.lower, self.upper), np.where(same, 1.0, -1.0)

        def cost(flat: Array) -> tuple[float, Array]:
            W = flat.reshape(A.shape[1], B.shape[1])
            lacking = np.maximum(0, sign * (wanted - A @ W @ B.T))
            slope = W - 2 * A.T @ (share * sign * lacking) @ B
            return float(0.5 * (W**2).sum() + (share * lacking**2).sum()), slope.ravel()

        options = {"maxiter": _MOST_STEPS, "maxfun": 2 * _MOST_STEPS, "ftol": 1e-12, "gtol": 1e-7}
        found = minimize(cost, np.zeros(A.shape[1] * B.shape[1]), jac=True, method="L-BFGS-B", options=options)
        if found.nit >= _MOST_STEPS:
            warnings.warn(
                f"ARCt.fit: {_MOST_STEPS} steps were not enough for the map; a smaller weight needs fewer.",
                TransferWarning,
                stacklevel=4,
            )
        return found.x.reshape(A.shape[1], B.shape[1]), float(found.fun)

    def _map(self, X: Array, domain: str) -> Array:
        if domain == "source":
            kernel = SpaceKernel(self.source_mean_, self.source_scale_, self.gammas_[0])
            return np.asarray(kernel(X, self.source_rows_) @ self.source_map_)
        kernel = SpaceKernel(self.target_mean_, self.target_scale_, self.gammas_[1])
        return np.asarray(kernel(X, self.target_rows_) @ self.target_map_)


def _coordinates(K: Array) -> tuple[Array, Array]:
    """What takes kernel values to coordinates in an orthonormal basis of the rows' span, and the rows' own coordinates."""
    values, vectors = eigh(K, driver="evd")
    keep = values > values[-1] * len(K) * 1e-12
    keep[-1] = True
    roots = np.sqrt(np.maximum(values[keep], np.finfo(np.float64).tiny))
    return vectors[:, keep] / roots, vectors[:, keep] * roots


_MOST_STEPS = 2000
