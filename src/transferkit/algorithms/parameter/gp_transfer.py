"""GP transfer: one Gaussian process over both domains, with a correlation between them that the data decide on."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from sklearn.utils import RegressorTags, Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ...core.base import ShallowTransfer, stack
from ...core.constraints import Either, Interval, Nothing, Options
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...core.validation import check_rows, check_transfer
from ...ops.kernels.gaussian import squared_distances
from ...ops.two_domain_gp import log_likelihood, two_domain_kernel

CARD = {
    "class": "GPTransfer",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("regression",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "paper": "Cao, Pan, Zhang, Yeung & Yang. Adaptive Transfer Learning. AAAI 2010.",
    "url": "https://doi.org/10.1609/aaai.v24i1.7682",
}

__all__ = ["GPTransfer"]


class GPTransfer(ShallowTransfer):
    """Values of source and target are correlated by the nearness of their rows times a number that is learned.

    Parameters
    ----------
    relation : float in [-1, 1] or None, default=None
        Correlation of the two domains' functions. None finds the most probable one. 0 is a Gaussian process of the target's
        labels alone, 1 one of both domains pooled, below 0 the source is taken upside down.
    likelihood : {"joint", "target"}, default="joint"
        What is made most probable: all labels, or the target's given the source's, as in the paper. The latter leaves
        length and height to the few target labels too.
    length : float in (0, inf) or None, default=None
        Of the kernel, for columns of variance 1. None finds the most probable one, as for the three that follow.
    height : float in (0, inf) or None, default=None
        Variance of the function, for labels of variance 1.
    noise_source : float in (0, inf) or None, default=None
        Variance of the noise of the source's labels, for labels of variance 1.
    noise_target : float in (0, inf) or None, default=None
        The same of the target's.
    max_rows : int in [1, inf), default=2000
        Most source rows and known target rows together; more are refused. Time grows with their cube, memory with their
        square.
    max_iter : int in [1, inf), default=100
        Most iterations of the search, from each of two starts.

    Attributes
    ----------
    relation_, length_, height_, noise_source_, noise_target_ : float
        What was used.
    log_likelihood_ : float
        Of all labels, standardised, with these.
    rows_ : array of shape (n_source + n_known, n_features)
        Rows of both domains, standardised, the source's first.
    dual_coef_ : array of shape (n_source + n_known,)
        Weights of the kernel functions at them.
    n_source_ : int
        How many are the source's.
    root_ : array of shape (n_source + n_known, n_source + n_known)
        Lower Cholesky factor of their covariance with noise.
    mean_, scale_ : arrays of shape (n_features,)
        Of both domains' rows together.
    level_, unit_ : float
        Mean and deviation of all known labels.
    n_iter_ : int
        Iterations made in the better search; 1 where nothing was searched for.

    Notes
    -----
    The covariance of two rows is ``k(x, x')`` in one domain and ``lambda k(x, x')`` between the two, k being Gaussian, and each
    domain has a noise of its own. For any lambda in [-1, 1] it is positive semidefinite: the product of k and the matrix
    ``[[1, lambda], [lambda, 1]]``. Cao et al. draw the dissimilarity of the domains from a Gamma distribution and use what it
    comes to, ``lambda = 2 (1 / (1 + mu))^b - 1``; lambda itself is searched for here, which is the same set of models with one
    number less. Their target likelihood is that of ``p(y_T | y_S)``. The search (L-BFGS with the exact gradient) starts from
    related and from unrelated domains and keeps the better.

    The source's rows are part of the model, so it cannot be given as one. Written from the published description; the
    authors' code was not compared.

    References
    ----------
    Cao, Pan, Zhang, Yeung & Yang. Adaptive Transfer Learning. AAAI 2010. Bonilla, Chai & Williams. Multi-Task Gaussian
    Process Prediction. NIPS 2007 (a correlation of tasks times a kernel).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, GPTransfer
    >>> X, Xt = np.linspace(0, 6, 30)[:, None], np.array([[0.5], [2.0], [3.5], [5.0]])
    >>> model = GPTransfer().fit(X, np.sin(X[:, 0]), target=Domain(Xt, np.sin(Xt[:, 0])))
    >>> bool(model.relation_ > 0.9), bool(abs(model.predict([[4.0]])[0] - np.sin(4)) < 0.05)
    (True, True)
    """

    estimator: Any = None
    _constraints: ClassVar = {
        "relation": Either(Nothing(), Interval(float, -1, 1)),
        "likelihood": Options("joint", "target"),
        "length": Either(Nothing(), Interval(float, 0, closed="neither")),
        "height": Either(Nothing(), Interval(float, 0, closed="neither")),
        "noise_source": Either(Nothing(), Interval(float, 0, closed="neither")),
        "noise_target": Either(Nothing(), Interval(float, 0, closed="neither")),
        "max_rows": Interval(int, 1),
        "max_iter": Interval(int, 1),
    }
    _test_params: ClassVar = {"max_iter": 10}

    def __init__(
        self,
        relation: float | None = None,
        likelihood: str = "joint",
        length: float | None = None,
        height: float | None = None,
        noise_source: float | None = None,
        noise_target: float | None = None,
        max_rows: int = 2000,
        max_iter: int = 100,
    ) -> None:
        self.relation = relation
        self.likelihood = likelihood
        self.length = length
        self.height = height
        self.noise_source = noise_source
        self.noise_target = noise_target
        self.max_rows = max_rows
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups, task="regression")
        if not len(data.yt):
            raise DomainError("GPTransfer.fit: target must have known labels. Got 0 known labels.")
        self.n_source_, n = len(data.ys), len(data.ys) + len(data.yt)
        if n > self.max_rows:
            raise DomainError(
                f"GPTransfer.fit: X and the known rows of target must be at most max_rows={self.max_rows}. Got {n}."
            )
        rows, values = stack(data.Xs, data.Xt_known).astype(np.float64), np.concatenate([data.ys, data.yt])
        both = stack(data.Xs, data.Xt).astype(np.float64)
        self.mean_, scale = both.mean(axis=0), both.std(axis=0)
        self.scale_ = np.where(scale > 1e-12 * np.abs(self.mean_), scale, 1.0)
        self.level_, self.unit_ = float(values.mean()), float(values.std()) if np.ptp(values) else 1.0
        self.rows_, r = (rows - self.mean_) / self.scale_, (values - self.level_) / self.unit_
        is_target, D = np.arange(n) >= self.n_source_, squared_distances(self.rows_, self.rows_)
        np.fill_diagonal(D, 0)
        try:
            self._learn(D, is_target, r)
        except LinAlgError as err:
            raise ParamError(
                "GPTransfer.fit: noise_source and noise_target must be large enough for the covariance to be inverted."
                f" Got {self.noise_source} and {self.noise_target}."
            ) from err
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _learn(self, D: Array, is_target: Array, r: Array) -> None:
        theta, self.n_iter_ = self._search(D, is_target, r)
        self.height_, self.length_ = float(np.exp(theta[0])), float(np.exp(theta[1]))
        self.relation_ = float(np.tanh(theta[2])) if self.relation is None else float(self.relation)
        self.noise_source_, self.noise_target_ = float(np.exp(theta[3])), float(np.exp(theta[4]))
        same = is_target[:, None] == is_target
        K = two_domain_kernel(D, same, theta[0], theta[1], self.relation_)
        self.root_ = cholesky(K + np.diag(np.where(is_target, self.noise_target_, self.noise_source_)), lower=True)
        self.dual_coef_ = cho_solve((self.root_, True), r)
        bare = -0.5 * r @ self.dual_coef_ - np.log(np.diag(self.root_)).sum()
        self.log_likelihood_ = float(bare - 0.5 * len(r) * np.log(2 * np.pi))

    def _search(self, D: Array, is_target: Array, r: Array) -> tuple[Array, int]:
        """The five numbers of `log_likelihood`, those that were given held."""
        given = [self.height, self.length, self.relation, self.noise_source, self.noise_target]
        free = np.array([g is None for g in given])
        middle = 0.5 * np.log(np.median(D[D > 0])) if (D > 0).any() else 0.0
        held = np.array([0.0, middle, 0.0, np.log(0.1), np.log(0.1)])
        for k, number in enumerate(given):
            if number is not None:
                held[k] = np.arctanh(np.clip(number, -_ONE, _ONE)) if k == 2 else np.log(number)
        if not free.any():
            return held, 1
        source = ~is_target

        def cost(part: Array) -> tuple[float, Array]:
            theta = held.copy()
            theta[free] = part
            value, gradient = log_likelihood(theta, D, is_target, r)
            if self.likelihood == "target":
                less, slope = log_likelihood(theta, D[np.ix_(source, source)], is_target[source], r[source])
                value, gradient = value - less, gradient - slope
            return -value / len(r), -gradient[free] / len(r)

        bounds, options = [b for b, f in zip(_BOUNDS, free) if f], {"maxiter": self.max_iter}
        starts = [np.where(np.arange(5) == 2, at, held)[free] for at in ((1.0, 0.0) if free[2] else (0.0,))]
        tried = [minimize(cost, s, jac=True, method="L-BFGS-B", bounds=bounds, options=options) for s in starts]
        best = min(tried, key=lambda found: found.fun)
        theta = held.copy()
        theta[free] = best.x
        return theta, max(int(best.nit), 1)

    def _cross(self, X: Any, method: str) -> Array:
        check_is_fitted(self)
        Z = (check_rows(self, X, method=method) - self.mean_) / self.scale_
        same = np.broadcast_to(np.arange(len(self.rows_)) >= self.n_source_, (len(Z), len(self.rows_)))
        D = squared_distances(Z, self.rows_)
        return two_domain_kernel(D, same, np.log(self.height_), np.log(self.length_), self.relation_)

    def predict(self, X: Any) -> Array:
        """Posterior means for rows of the target, of shape (n_samples,)."""
        return self._cross(X, "predict") @ self.dual_coef_ * self.unit_ + self.level_

    def predict_std(self, X: Any) -> Array:
        """Standard deviations of new values at rows of the target, noise included, of shape (n_samples,)."""
        half = solve_triangular(self.root_, self._cross(X, "predict_std").T, lower=True)
        return self.unit_ * np.sqrt(np.maximum(self.height_ - (half**2).sum(axis=0), 0) + self.noise_target_)

    @available_if(lambda self: False)
    def predict_proba(self, X: Any) -> Array:
        """Not there: numbers are predicted."""
        raise NotImplementedError

    @available_if(lambda self: False)
    def decision_function(self, X: Any) -> Array:
        """Not there: numbers are predicted."""
        raise NotImplementedError

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.regressor_tags, tags.classifier_tags = "regressor", RegressorTags(), None
        return tags


_ONE = np.tanh(9.0)
_BOUNDS = [(-8.0, 8.0), (-6.0, 8.0), (-9.0, 9.0), (-16.0, 4.0), (-16.0, 4.0)]
