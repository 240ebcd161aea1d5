"""KLIEP: weights that bring the source closest to the target in the Kullback-Leibler sense."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from ...core.base import ESTIMATOR, InstanceTransfer
from ...core.constraints import Either, Interval, Nothing, RandomState
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.density_ratio import draw_centres, gamma_grid
from ...ops.folds import deal_folds
from ...ops.kernels.gaussian import median_gamma, squared_distances

CARD = {
    "class": "KLIEP",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": ({},),
    "paper": "Sugiyama et al. Direct Importance Estimation for Covariate Shift Adaptation. AISM 2008.",
    "url": "https://doi.org/10.1007/s10463-008-0197-x",
}

__all__ = ["KLIEP"]

_REACH = 1e-100  # a Gaussian whose mean over the source is below it has no source row near and is left out
_CV_ROWS = 5000  # of each domain at most, in the choice of gamma, which would else cost nearly all of the time
_TINY = 1e-300  # a ratio that underflows has a gradient that overflows


class KLIEP(InstanceTransfer):
    """Model the density ratio as a sum of Gaussians whose target likelihood is largest.

    Parameters
    ----------
    gamma : float in (0, inf) or None, default=None
        Kernel parameter of ``exp(-gamma ||x - c||^2)``. None is chosen by likelihood cross-validation among widths of 1/4
        to 4 times the median distance. Features are taken as they are.
    n_centres : int in [1, inf), default=100
        Gaussians; their centres c are target rows drawn at random. More follow finer detail and cost more.
    cv : int in [2, inf), default=5
        Folds of the target rows in the choice of gamma; not more than there are target rows.
    max_iter : int in [1, inf), default=500
        Most update steps a solution.
    tol : float in [0, inf), default=0.001
        A solution is accepted when its mean log ratio is proven to be that close to the largest one; ten times that while
        gamma is chosen.
    random_state : int, RandomState or None, default=None
        Draws the centres and the folds.
    estimator : estimator, default=None
        Fitted on the weighted source; must take ``sample_weight``. None is logistic regression for classes and ridge
        regression for numbers.

    Attributes
    ----------
    sample_weight_ : array of shape (n_source,)
        Weights of the source rows, with mean 1.
    alpha_ : array of shape (n_centres,)
        Coefficients of the Gaussians.
    centres_ : array of shape (n_centres, n_features)
        Their centres.
    gamma_ : float
        The kernel parameter that was used.
    gammas_, cv_scores_ : arrays of shape (n_gammas,)
        What was tried and its held-out log likelihood; empty where `gamma` was given.
    n_iter_ : int
        Steps that were taken.
    objective_ : array
        The mean log ratio of the target rows after each step; it never falls.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    The ratio is ``w(x) = sum_l alpha_l exp(-gamma ||x - c_l||^2)``. Maximises ``mean_j log w(z_j)`` over the target rows z
    subject to ``mean_i w(x_i) = 1`` and ``alpha >= 0`` (eq. 11). gamma maximises the same on held-out rows (figure 1b); of
    more than 5000 rows of a domain so many or fewer, thinned evenly, choose it.

    Figure 1a of the paper takes gradient steps and repairs the constraints one after the other, which need not raise the
    objective and stops short of the optimum. We solve the same problem with the update
    ``alpha_l <- alpha_l g_l / b_l``, g the gradient and b the mean of the Gaussians over the source: it keeps both constraints
    exactly, never lowers the objective (it is expectation maximisation for the shares ``alpha_l b_l``), and by concavity
    the optimum is at most ``max_l g_l / b_l - 1`` higher, which is what `tol` bounds.

    References
    ----------
    Sugiyama, Suzuki, Nakajima, Kashima, von Bünau & Kawanabe. Direct Importance Estimation for Covariate Shift Adaptation.
    Annals of the Institute of Statistical Mathematics 60, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import KLIEP, Domain
    >>> X = np.linspace(-2, 2, 41)[:, None]
    >>> model = KLIEP(random_state=0).fit(X, (X[:, 0] > 0).astype(int), target=Domain(X[25:35]))
    >>> bool(model.sample_weight_[25:35].mean() > 2)
    True
    """

    _constraints: ClassVar = {
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "n_centres": Interval(int, 1),
        "cv": Interval(int, 2),
        "max_iter": Interval(int, 1),
        "tol": Interval(float, 0),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        gamma: float | None = None,
        n_centres: int = 100,
        cv: int = 5,
        max_iter: int = 500,
        tol: float = 1e-3,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.gamma = gamma
        self.n_centres = n_centres
        self.cv = cv
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.estimator = estimator

    def _weights(self, data: TransferData) -> Array:
        rng = check_random_state(self.random_state)
        self.centres_ = draw_centres(data.Xt, self.n_centres, rng)
        Ds, Dt = squared_distances(data.Xs, self.centres_), squared_distances(data.Xt, self.centres_)
        self.gammas_, self.cv_scores_ = np.empty(0), np.empty(0)
        if self.gamma is not None:
            self.gamma_ = float(self.gamma)
        else:
            self.gammas_ = gamma_grid(median_gamma(np.vstack([data.Xs, data.Xt])))
            few_s, few_t = (D[:: -(-len(D) // _CV_ROWS)] for D in (Ds, Dt))
            self.cv_scores_ = self._cross_validate(few_s, few_t, rng)
            self.gamma_ = float(self.gammas_[self.cv_scores_.argmax()])
        source, target = np.exp(-self.gamma_ * Ds), np.exp(-self.gamma_ * Dt)
        self.alpha_, objective = _maximise(target, source.mean(axis=0), self.max_iter, self.tol)
        if not np.isfinite(objective[-1]):
            raise DomainError(
                "KLIEP.fit: target.X must overlap the source in the kernel's width. Got a target that no source row is"
                f" near to with gamma={self.gamma_:g}."
            )
        self.objective_ = np.asarray(objective)
        # The path holds the start too; an optimum that is met at once took its one look.
        self.n_iter_ = max(len(objective) - 1, 1)
        return source @ self.alpha_

    def _cross_validate(self, Ds: Array, Dt: Array, rng: np.random.RandomState) -> Array:
        """Held-out log likelihood of every gamma."""
        n = len(Dt)
        if n < 2:
            raise DomainError(
                f"KLIEP.fit: target.X must have at least 2 rows, or give gamma. Got {n} row to choose gamma with."
            )
        folds = deal_folds(None, min(self.cv, n), rng, n=n)
        scores = np.empty(len(self.gammas_))
        for k, gamma in enumerate(self.gammas_):
            b, A = np.exp(-gamma * Ds).mean(axis=0), np.exp(-gamma * Dt)
            total = 0.0
            for fold in range(folds.max() + 1):
                alpha, _ = _maximise(A[folds != fold], b, self.max_iter, 10 * self.tol)
                total += _log_sum(A[folds == fold] @ alpha)
            scores[k] = total / n
        return scores


def _log_sum(ratio: Array) -> float:
    """Sum of the logarithms; minus infinity where a ratio is 0."""
    return float(np.log(ratio).sum()) if (ratio > 0).all() else -np.inf


def _maximise(A: Array, b: Array, max_iter: int, tol: float) -> tuple[Array, list[float]]:
    """argmax mean(log(A alpha)) over alpha >= 0, b'alpha = 1, and the objective's path; [-inf] where it has no value."""
    n = len(A)
    near = b > _REACH
    b = np.where(near, b, 1.0)
    alpha = near / (b * max(near.sum(), 1))
    ratio = A @ alpha
    path = [_log_sum(ratio) / n]
    if not np.isfinite(path[0]):
        return alpha, path
    for _ in range(max_iter):
        gain = A.T @ (1 / np.maximum(ratio, _TINY)) / (n * b)
        if gain[near].max() - 1 <= tol:
            break
        alpha = alpha * gain
        ratio = A @ alpha
        path.append(_log_sum(ratio) / n)
    return alpha, path
