"""Target shift by kernel means: class shares under which the source's classes add up to the target in a kernel space."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, InstanceTransfer
from ...core.constraints import Either, Interval, Nothing
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels.gaussian import median_gamma, rbf
from ...ops.solvers.share_program import minimise_on_simplices

CARD = {
    "class": "MMDTargetShift",
    "protocol": "Transfer",
    "settings": ("label_shift",),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "portfolio": (),
    "paper": "Zhang, Schölkopf, Muandet & Wang. Domain Adaptation under Target and Conditional Shift. ICML 2013.",
    "url": "https://proceedings.mlr.press/v28/zhang13d.html",
}

__all__ = ["MMDTargetShift"]

_BLOCK = 4_000_000  # kernel values held at a time


class MMDTargetShift(InstanceTransfer):
    """Weigh the source's classes so that the mean of all rows in a Gaussian kernel space is the target's, and fit anew.

    Parameters
    ----------
    gamma : float in (0, inf) or None, default=None
        Kernel parameter of ``k(x, z) = exp(-gamma ||x - z||^2)``. None is ``1 / (2 s^2)`` with s the median distance of
        the pooled rows. Features are taken as they are, never scaled.
    max_weight : float in [1, inf), default=10.0
        Largest weight of a class, the mean weight of a row being 1.
    estimator : classifier, default=None
        Fitted on the weighted source; must take ``sample_weight``. None is logistic regression.

    Attributes
    ----------
    class_weight_ : array of shape (n_classes,)
        Weight of each source class, target share over source share.
    target_prior_ : array of shape (n_classes,)
        Estimated class shares of the target.
    source_prior_ : array of shape (n_classes,)
        Class shares of the source.
    mmd_ : float
        Squared distance of the means that is left; large where more than the shares moved.
    gamma_ : float
        The kernel parameter that was used.
    gap_ : float
        How far the solution's `mmd_` is from the least one at most.
    sample_weight_ : array of shape (n_source,)
        Weights of the source rows, with mean 1.
    estimator_ : classifier
        The final classifier.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Target shift: ``p(x | y)`` is the same in both domains. With ``mu_c`` the mean of class c of the source and ``mu_t`` that
    of the target in the kernel space, minimises ``||sum_c q_c mu_c - mu_t||^2`` over shares q with ``q_c <= max_weight * p_c``,
    p being the source's shares. No classifier takes part, unlike in BBSE, RLLS and MLLS. Time is O(n (n + m) d) in blocks;
    the program itself has one variable a class.

    This is the paper's program for classes (section 3) in the shares: its weights ``beta(y)`` are ``q / p``, its conditional
    embedding operator with a kernel that tells classes apart, and a regulariser that goes to 0, is the means ``mu_c``. The
    paper lets the mean weight lie in an interval around 1; shares sum to 1. Its form for a continuous y is not here.

    References
    ----------
    Zhang, Schölkopf, Muandet & Wang. Domain Adaptation under Target and Conditional Shift. ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, MMDTargetShift
    >>> rng = np.random.default_rng(0)
    >>> y, yt = np.repeat([0, 1], [100, 100]), np.repeat([0, 1], [20, 180])
    >>> target = Domain(rng.normal(size=(200, 1)) + 2 * yt[:, None])
    >>> model = MMDTargetShift().fit(rng.normal(size=(200, 1)) + 2 * y[:, None], y, target=target)
    >>> bool(abs(model.target_prior_[1] - 0.9) < 0.06)
    True
    """

    _constraints: ClassVar = {
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "max_weight": Interval(float, 1),
        "estimator": ESTIMATOR,
    }

    def __init__(self, gamma: float | None = None, max_weight: float = 10.0, estimator: Any = None) -> None:
        self.gamma = gamma
        self.max_weight = max_weight
        self.estimator = estimator

    def _weights(self, data: TransferData) -> Array:
        if data.classes is None:
            raise DomainError("MMDTargetShift.fit: y must hold classes. Unknown label type: continuous.")
        codes, K = data.codes, len(data.classes)
        prior = np.bincount(codes, minlength=K) / len(codes)
        self.gamma_ = median_gamma(np.vstack([data.Xs, data.Xt])) if self.gamma is None else float(self.gamma)
        average = np.eye(K)[codes] / (prior * len(codes))  # rows to class means
        whole = np.full((len(data.Xt), 1), 1 / len(data.Xt))
        A = _mean_products(data.Xs, average, data.Xs, average, self.gamma_)
        b = _mean_products(data.Xs, average, data.Xt, whole, self.gamma_)[:, 0]
        shares, half_gap, _ = minimise_on_simplices(
            (A + A.T) / 2,
            b,
            np.zeros(K, dtype=int),
            np.ones(1),
            upper=self.max_weight * prior,
            start=prior,  # what rows that tell nothing leave
            tol=1e-8,
            max_iter=20_000,
        )
        self.gap_ = 2 * half_gap
        size = float(_mean_products(data.Xt, whole, data.Xt, whole, self.gamma_)[0, 0])
        self.mmd_ = float(max(shares @ A @ shares - 2 * b @ shares + size, 0.0))
        self.source_prior_, self.target_prior_ = prior, shares
        self.class_weight_ = shares / prior
        return self.class_weight_[codes]


def _mean_products(X: Array, average_x: Array, Z: Array, average_z: Array, gamma: float) -> Array:
    """``average_x' K average_z`` for the Gaussian kernel K between X and Z, in blocks of rows of X."""
    total = np.zeros((average_x.shape[1], average_z.shape[1]))
    for rows in np.array_split(np.arange(len(X)), max(len(X) * len(Z) // _BLOCK, 1)):
        if len(rows):
            total += average_x[rows].T @ (rbf(X[rows], Z, gamma) @ average_z)
    return total
