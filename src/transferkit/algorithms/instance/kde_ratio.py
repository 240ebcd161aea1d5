"""Kernel density ratio: weigh source rows by the ratio of two kernel density estimates."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import logsumexp

from ...core.base import ESTIMATOR, InstanceTransfer
from ...core.constraints import Boolean, Either, Interval, Nothing, Options
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.components import subsample
from ...ops.density_ratio import bounded_weights, within_spread
from ...ops.kernels.gaussian import squared_distances

CARD = {
    "class": "KDERatio",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "portfolio": (),
    "paper": "Sugiyama & Müller. Input-dependent estimation of generalization error under covariate shift. Statistics & "
    "Decisions 23, 2005.",
    "url": "https://doi.org/10.1524/stnd.2005.23.4.249",
}

__all__ = ["KDERatio"]

_FACTORS = 2.0 ** np.arange(-2, 2.5, 0.5)  # times Scott's bandwidth: what cross-validation tries
_MAX_ROWS = 1000  # rows of a domain that the factor is chosen with
_BLOCK = 4_000_000  # kernel values held at a time


class KDERatio(InstanceTransfer):
    """Estimate both domains' densities with Gaussian kernels, and weigh source rows by their ratio.

    Parameters
    ----------
    bandwidth : {"scott", "cv"} or float in (0, inf), default="scott"
        Standard deviation of the kernels, after `standardize`. ``"scott"`` is ``n^(-1 / (d + 4))`` for each domain's n rows
        and d columns; ``"cv"`` takes 1/4 to 4 times that, for each domain, by the leave-one-out likelihood of at most
        1000 of its rows. A number is used for both.
    standardize : bool, default=True
        Divide each column by its standard deviation within the domains first.
    clip : float in [1, inf) or None, default=10.0
        Largest weight, the mean being 1: larger ratios are lowered to a common value. None does not clip, and may leave
        all the weight on one row in many dimensions.
    estimator : estimator, default=None
        Fitted on the weighted source; must take ``sample_weight``. None is logistic regression for classes and ridge
        regression for numbers.

    Attributes
    ----------
    sample_weight_ : array of shape (n_source,)
        Weights of the source rows, with mean 1.
    log_ratio_ : array of shape (n_source,)
        Logarithm of the densities' ratio at each source row.
    bandwidths_ : tuple of two floats
        What was used for the source and for the target.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    ``p(x) = mean_i N(x; x_i, h^2 I)`` for each domain, and the weight ``p_t(x) / p_s(x)``. Sums are made of logarithms, so
    that rows which no kernel reaches in floating point still have a ratio. A source row's own kernel stays in the source's
    density, which is so never 0. The cost is O(n (n + m) d) time; kernels are made in blocks.

    A ratio of two density estimates needs many rows even in a few dimensions: the direct estimates (KLIEP, uLSIF, KMM)
    exist for that reason. ``bandwidth=1.0, standardize=False, clip=None`` is what skada's ``DensityReweight`` does.

    References
    ----------
    Sugiyama & Müller. Input-dependent estimation of generalization error under covariate shift. Statistics & Decisions
    23, 2005. Scott. Multivariate Density Estimation. Wiley, 1992 (the bandwidth).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, KDERatio
    >>> X = np.linspace(-2, 2, 41)[:, None]
    >>> model = KDERatio().fit(X, (X[:, 0] > 0).astype(int), target=Domain(X[25:35]))
    >>> bool(model.sample_weight_[25:35].mean() > 2)
    True
    """

    _constraints: ClassVar = {
        "bandwidth": Either(Options("scott", "cv"), Interval(float, 0, closed="neither")),
        "standardize": Boolean(),
        "clip": Either(Nothing(), Interval(float, 1)),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        bandwidth: str | float = "scott",
        standardize: bool = True,
        clip: float | None = 10.0,
        estimator: Any = None,
    ) -> None:
        self.bandwidth = bandwidth
        self.standardize = standardize
        self.clip = clip
        self.estimator = estimator

    def _weights(self, data: TransferData) -> Array:
        Xs, Xt = (np.asarray(X, dtype=np.float64) for X in (data.Xs, data.Xt))
        if self.standardize:
            spread = within_spread(Xs, Xt)
            # A column that is constant in both domains adds the same to every row's logarithm.
            Xs, Xt = (X[:, spread > 0] / spread[spread > 0] for X in (Xs, Xt))
        if not Xs.shape[1]:
            self.log_ratio_, self.bandwidths_ = np.zeros(len(Xs)), (1.0, 1.0)
            return np.ones(len(Xs))
        self.bandwidths_ = self._bandwidth(Xs), self._bandwidth(Xt)
        log_s, log_t = (_log_density(Xs, X, h) for X, h in zip((Xs, Xt), self.bandwidths_))
        self.log_ratio_ = log_t - log_s
        return bounded_weights(self.log_ratio_, self.clip)

    def _bandwidth(self, X: Array) -> float:
        n, d = X.shape
        if not isinstance(self.bandwidth, str):
            return float(self.bandwidth)
        scott = float(n ** (-1 / (d + 4)))
        return scott if self.bandwidth == "scott" else scott * self._factor(X)

    def _factor(self, X: Array) -> float:
        """The multiple of Scott's bandwidth for as many rows, of which there are `_MAX_ROWS` at most, that fits them best."""
        n, d = X.shape
        if n < 2:
            raise DomainError(
                f"KDERatio.fit: target.X must have at least 2 rows, or set bandwidth='scott'. Got {n} row to choose with."
            )
        rows = X[subsample(n, _MAX_ROWS, 0)]
        D = squared_distances(rows, rows)
        np.fill_diagonal(D, np.inf)
        # The likelihood of repeated rows grows without end as the width falls: the grid's end is where it stops.
        widths = len(rows) ** (-1 / (d + 4)) * _FACTORS
        likelihood = [logsumexp(-D / (2 * h * h), axis=1).mean() - d * np.log(h) for h in widths]
        return float(_FACTORS[int(np.argmax(likelihood))])


def _log_density(X: Array, centres: Array, bandwidth: float) -> Array:
    """Logarithm of the kernel density estimate, up to a constant that every density has."""
    blocks = np.array_split(X, max(len(X) * len(centres) // _BLOCK, 1))
    sums = [
        logsumexp(squared_distances(block, centres) / (-2 * bandwidth**2), axis=1) for block in blocks if len(block)
    ]
    return np.concatenate(sums) - np.log(len(centres)) - X.shape[1] * np.log(bandwidth)
