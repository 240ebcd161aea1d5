"""KMM: kernel mean matching, weights that move the source's mean in a kernel space onto the target's."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from ...core.base import ESTIMATOR, InstanceTransfer
from ...core.constraints import Either, Interval, Nothing, Options, RandomState
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels.gaussian import median_gamma, rbf
from ...ops.solvers.box_program import minimise_box_sum, relative_gap

CARD = {
    "class": "KMM",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": ({}, {"max_weight": 10.0}),
    "paper": "Huang, Smola, Gretton, Borgwardt & Schölkopf. Correcting Sample Selection Bias by Unlabeled Data. NIPS 2006.",
    "url": "https://papers.nips.cc/paper/3075-correcting-sample-selection-bias-by-unlabeled-data",
}

__all__ = ["KMM"]

_RIDGE = 1e-7  # added to the kernel's unit diagonal: one solution even where rows repeat; moves the objective by < 1e-7


class KMM(InstanceTransfer):
    """Weigh the source so that its mean in a Gaussian kernel space is the target's.

    Parameters
    ----------
    gamma : float in (0, inf) or None, default=None
        Kernel parameter of ``k(x, z) = exp(-gamma ||x - z||^2)``. None is ``1 / (2 s^2)`` with s the median distance of
        the pooled rows. A larger gamma matches finer detail with fewer rows. Features are taken as they are, never scaled.
    max_weight : float in [1, inf), default=1000.0
        B of the paper, the largest weight; smaller keeps more source rows in use.
    eps : float in [0, inf) or None, default=None
        The mean weight lies in ``[1 - eps, 1 + eps]``. None is ``(sqrt(n) - 1) / sqrt(n)`` for n source rows.
    approx : {None, "minibatch"}, default=None
        ``"minibatch"`` deals the source rows into batches and solves the program of each by itself, against as many target
        rows drawn for it: time then grows with the number of rows, not with its cube. None is exact.
    batch_size : int in [2, inf), default=1000
        Most source rows, and target rows, of a batch. A single batch, where both domains are no larger, is exact.
    random_state : int, RandomState or None, default=None
        Deals the batches.
    estimator : estimator, default=None
        Fitted on the weighted source; must take ``sample_weight``. None is logistic regression for classes and ridge
        regression for numbers.

    Attributes
    ----------
    sample_weight_ : array of shape (n_source,)
        Weights of the source rows, scaled to mean 1.
    beta_ : array of shape (n_source,)
        The solution of the quadratic program, before that scaling.
    gamma_ : float
        The kernel parameter that was used.
    gap_ : float
        Duality gap of ``beta_`` relative to the objective: how far from the optimum it is at most; of batches the largest.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``1/2 b'Kb - kappa'b`` subject to ``0 <= b_i <= B`` and ``|sum b - n| <= n eps`` (eq. 12), where
    ``kappa_i = (n / m) sum_j k(x_i, z_j)`` over the m target rows.

    The program is solved to optimality, not to a step limit. Accelerated projected gradient steps guess which weights are
    at a bound; block principal pivoting (Júdice & Pires 1994) corrects the guess until the optimality conditions hold.
    Should it cycle, which an ill-conditioned K allows, proximal point steps (the same on ``K + delta I``) lead to the same
    optimum. Where the bounds on the mean weight are violated, their multiplier is found by a safeguarded Newton iteration
    on the sum of the weights, which is monotone in it; they then hold to five digits. The cost is O(n (n + m) d) for the
    kernels and O(f^3) a pivot for f weights off their bounds; one kernel matrix is held in memory.

    Batches of the source are samples of it like the whole, so that their weights tend to the same ratio. Single weights
    differ from the exact ones, which vary much themselves; the discrepancy that is left and the likeness to the true ratio
    are measured in benchmarks/large_rows.py.

    We add 1e-7 to the diagonal of K, which singles out one solution where rows repeat. The default of `eps` is that of
    Gretton et al. 2009.

    References
    ----------
    Huang et al. Correcting Sample Selection Bias by Unlabeled Data. NIPS 2006, section 4. Gretton et al. Covariate Shift
    by Kernel Mean Matching, 2009. Júdice & Pires. A Block Principal Pivoting Algorithm for Large-Scale Strictly Monotone
    Linear Complementarity Problems. Computers & Operations Research 21, 1994.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import KMM, Domain
    >>> X = np.linspace(-2, 2, 41)[:, None]
    >>> model = KMM().fit(X, (X[:, 0] > 0).astype(int), target=Domain(X[25:35]))
    >>> bool(model.sample_weight_[25:35].mean() > 2)
    True
    """

    _constraints: ClassVar = {
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "max_weight": Interval(float, 1),
        "eps": Either(Nothing(), Interval(float, 0)),
        "approx": Either(Nothing(), Options("minibatch")),
        "batch_size": Interval(int, 2),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        gamma: float | None = None,
        max_weight: float = 1000.0,
        eps: float | None = None,
        approx: str | None = None,
        batch_size: int = 1000,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.gamma = gamma
        self.max_weight = max_weight
        self.eps = eps
        self.approx = approx
        self.batch_size = batch_size
        self.random_state = random_state
        self.estimator = estimator

    def _weights(self, data: TransferData) -> Array:
        self.gamma_ = median_gamma(np.vstack([data.Xs, data.Xt])) if self.gamma is None else float(self.gamma)
        n, m = len(data.Xs), len(data.Xt)
        if self.approx is None or max(n, m) <= self.batch_size:
            self.beta_, self.gap_ = self._match(data.Xs, data.Xt)
            return self.beta_
        rng = check_random_state(self.random_state)
        self.beta_, self.gap_ = np.empty(n), 0.0
        for batch in np.array_split(rng.permutation(n), -(-n // self.batch_size)):
            drawn = rng.choice(m, min(m, self.batch_size), replace=False)
            self.beta_[batch], gap = self._match(data.Xs[batch], data.Xt[drawn])
            self.gap_ = max(self.gap_, gap)
        return self.beta_

    def _match(self, Xs: Array, Xt: Array) -> tuple[Array, float]:
        """The weights of source rows that solve the program, and their duality gap."""
        n, m = len(Xs), len(Xt)
        kappa = rbf(Xs, Xt, self.gamma_).sum(axis=1) * (n / m)
        K = rbf(Xs, Xs, self.gamma_)
        K.flat[:: n + 1] = 1.0 + _RIDGE
        eps = (np.sqrt(n) - 1) / np.sqrt(n) if self.eps is None else float(self.eps)
        low, high = n * (1 - eps), n * (1 + eps)
        upper = float(self.max_weight)
        beta = minimise_box_sum(K, kappa, upper, low, high)
        return beta, relative_gap(K, kappa, beta, upper, low, high)
