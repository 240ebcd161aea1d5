"""uLSIF: least-squares density ratio weights in closed form, with an analytic leave-one-out choice of width and penalty."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from ...core.base import ESTIMATOR, InstanceTransfer
from ...core.constraints import Either, Interval, Nothing, RandomState
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.density_ratio import draw_centres, gamma_grid, leave_one_out_scores
from ...ops.kernels.gaussian import median_gamma, squared_distances

CARD = {
    "class": "ULSIF",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": ({},),
    "paper": "Kanamori, Hido & Sugiyama. A Least-squares Approach to Direct Importance Estimation. JMLR 10, 2009.",
    "url": "https://jmlr.org/papers/v10/kanamori09a.html",
}

__all__ = ["ULSIF"]

_REGS = 10.0 ** np.arange(-3, 2)  # tried where reg is None


class ULSIF(InstanceTransfer):
    """Model the density ratio as a sum of Gaussians with the smallest squared error.

    Parameters
    ----------
    gamma : float in (0, inf) or None, default=None
        Kernel parameter of ``exp(-gamma ||x - c||^2)``. None is chosen by the leave-one-out score among widths of 1/4 to 4
        times the median distance. Features are taken as they are.
    reg : float in (0, inf) or None, default=None
        Ridge penalty lambda. None is chosen by the leave-one-out score among 0.001, 0.01, 0.1, 1 and 10.
    n_centres : int in [1, inf), default=100
        Gaussians; their centres c are target rows drawn at random. More follow finer detail and cost more.
    random_state : int, RandomState or None, default=None
        Draws the centres and pairs source with target rows for the leave-one-out score.
    estimator : estimator, default=None
        Fitted on the weighted source; must take ``sample_weight``. None is logistic regression for classes and ridge
        regression for numbers.

    Attributes
    ----------
    sample_weight_ : array of shape (n_source,)
        Weights of the source rows, scaled to mean 1.
    alpha_ : array of shape (n_centres,)
        Coefficients of the Gaussians, clipped at 0.
    centres_ : array of shape (n_centres, n_features)
        Their centres.
    gamma_, reg_ : float
        The kernel parameter and penalty that were used.
    gammas_ : array of shape (n_gammas,)
        Kernel parameters that were tried.
    regs_ : array of shape (n_regs,)
        Penalties that were tried.
    loo_scores_ : array of shape (n_gammas, n_regs)
        Their leave-one-out scores, lower is better; empty where both were given.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    With ``H = mean phi(x) phi(x)'`` over the source, ``h = mean phi(z)`` over the target and phi the Gaussians, minimises
    ``1/2 a'Ha - h'a + reg/2 a'a`` (eq. 16): ``a = (H + reg I)^(-1) h``, then negative entries are set to 0 (eq. 18).

    The leave-one-out score takes out one source and one target row together (section 4.3). By the
    Sherman-Morrison-Woodbury formula all solutions follow from ``(H + reg (n-1)/n I)^(-1)``, for which one
    eigendecomposition of H serves every penalty. The paper takes out the first min(n, m) rows of each domain; here they are
    paired at random.

    References
    ----------
    Kanamori, Hido & Sugiyama. A Least-squares Approach to Direct Importance Estimation. JMLR 10, 2009, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import ULSIF, Domain
    >>> X = np.linspace(-2, 2, 41)[:, None]
    >>> model = ULSIF(random_state=0).fit(X, (X[:, 0] > 0).astype(int), target=Domain(X[25:35]))
    >>> bool(model.sample_weight_[25:35].mean() > 2)
    True
    """

    _constraints: ClassVar = {
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "reg": Either(Nothing(), Interval(float, 0, closed="neither")),
        "n_centres": Interval(int, 1),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        gamma: float | None = None,
        reg: float | None = None,
        n_centres: int = 100,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.gamma = gamma
        self.reg = reg
        self.n_centres = n_centres
        self.random_state = random_state
        self.estimator = estimator

    def _weights(self, data: TransferData) -> Array:
        rng = check_random_state(self.random_state)
        self.centres_ = draw_centres(data.Xt, self.n_centres, rng)
        Ds, Dt = squared_distances(data.Xs, self.centres_), squared_distances(data.Xt, self.centres_)
        self.gammas_ = (
            gamma_grid(median_gamma(np.vstack([data.Xs, data.Xt]))) if self.gamma is None else np.array([self.gamma])
        )
        self.regs_ = _REGS.copy() if self.reg is None else np.array([self.reg])
        self.loo_scores_ = np.empty((0, 0))
        best = 0, 0
        if self.gamma is None or self.reg is None:
            n = min(len(Ds), len(Dt))
            if n < 2:
                raise DomainError(
                    f"ULSIF.fit: target.X must have at least 2 rows, or give gamma and reg. Got {n} row to choose with."
                )
            pairs = rng.permutation(len(Ds))[:n], rng.permutation(len(Dt))[:n]
            self.loo_scores_ = np.array(
                [leave_one_out_scores(np.exp(-g * Ds), np.exp(-g * Dt), self.regs_, *pairs) for g in self.gammas_]
            )
            best = np.unravel_index(self.loo_scores_.argmin(), self.loo_scores_.shape)
        self.gamma_, self.reg_ = float(self.gammas_[best[0]]), float(self.regs_[best[1]])
        source, target = np.exp(-self.gamma_ * Ds), np.exp(-self.gamma_ * Dt)
        H = source.T @ source / len(source)
        H.flat[:: len(H) + 1] += self.reg_
        self.alpha_ = np.maximum(np.linalg.solve(H, target.mean(axis=0)), 0.0)
        return source @ self.alpha_
