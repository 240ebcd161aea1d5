"""Bayesian prior transfer: the source's posterior, widened by what the evidence says, is the target's prior, or is left."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, cholesky
from scipy.optimize import minimize
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression
from sklearn.utils.validation import check_is_fitted

from ...core.base import ShallowTransfer
from ...core.constraints import Either, Interval, Options
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...core.validation import TransferData, check_rows, check_transfer
from ...ops.linear.evidence import gaussian_evidence, gaussian_posterior, laplace_fit, sufficient_rows

CARD = {
    "class": "BayesianPriorTransfer",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "MacKay. Bayesian Interpolation. Neural Computation 4, 1992.",
    "url": "https://doi.org/10.1162/neco.1992.4.3.415",
}

__all__ = ["BayesianPriorTransfer"]

_VARIANCES = 10.0 ** np.arange(-4, 4)
_BOUNDS = [(-18.0, 7.0)] * 2 + [(-16.0, 5.0)]  # logarithms of variances


class BayesianPriorTransfer(ShallowTransfer):
    """Linear model whose prior is the source's posterior plus a drift, against one that has never seen the source.

    Parameters
    ----------
    drift : float in [0, inf) or "evidence", default="evidence"
        Variance of what the weights move by from source to target. ``"evidence"`` takes the most probable one. A number is
        for columns of variance 1 in the source and, to regress, labels of variance 1; 0 pools both domains.
    keep : {"evidence", "always"}, default="evidence"
        ``"evidence"`` leaves the source's posterior where known target labels are more probable without it.
    max_weights : int in [1, inf), default=2000
        Most weights (features and intercept, times classes where there are more than two). Fits grow with their cube.

    Attributes
    ----------
    coef_, intercept_ : arrays of shape (n_outputs, n_features), (n_outputs,), or (n_features,) and float to regress
        Posterior mean (MAP, for classes) of the target's weights.
    evidence_, evidence_alone_ : float
        Log-probability of the known target labels with the source's posterior in the prior, and without.
    helps_ : bool
        Whether the first is larger.
    drift_ : float
        Variance of the drift that was used, in the units of ``drift``; that of the weights where the source was left.
    covariance_ : array
        Of the weights and intercepts in the units of ``drift``, output after output.
    mean_, scale_ : arrays of shape (n_features,)
        Of the source's columns.
    noise_ : float or None
        Standard deviation of the target's labels about the model, to regress.
    estimator_ : LinearRegression or LogisticRegression
        The target's model.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Columns are standardised by the source. On the source the weights w have the prior ``N(0, I / a)``, a by the evidence to
    regress and 1 for classes, and a posterior ``N(m, S)``: exact, or Laplace's approximation. On the target the prior is
    ``N(m, S + drift I)``, and the drift has the largest evidence ``p(y_T | drift)``: small where the rule is the same (the
    result is then that of both domains pooled), large where it moved. To regress, the intercept has a drift of its own and the
    target a noise of its own, all found by a quasi-Newton search; for classes the one drift is the best of 8 between 1e-4 and
    1e3. ``evidence_alone_`` is the evidence of the prior ``N(0, v I)`` with the best v (to regress, the intercept's apart).
    Both are maxima over as many numbers, so their difference is a log Bayes factor without a price on numbers.

    MacKay's evidence decides on a prior's width; that the prior is a source's posterior with a drift is ours. A class without
    a known label keeps the prior's word on it. With one known label there is little evidence: the drift stays near its least.

    References
    ----------
    MacKay. Bayesian Interpolation. Neural Computation 4, 1992. MacKay. The Evidence Framework Applied to Classification
    Networks. Neural Computation 4, 1992 (Laplace's approximation for classes).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import BayesianPriorTransfer, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, Xt, w = rng.normal(size=(100, 8)), rng.normal(size=(6, 8)), np.arange(8.0)
    >>> y = X @ w + 0.1 * rng.normal(size=100)
    >>> [bool(BayesianPriorTransfer().fit(X, y, target=Domain(Xt, Xt @ v)).helps_) for v in (w, -w)]
    [True, False]
    """

    _constraints: ClassVar = {
        "drift": Either(Interval(float, 0), Options("evidence")),
        "keep": Options("evidence", "always"),
        "max_weights": Interval(int, 1),
    }

    estimator: Any = None

    def __init__(self, drift: float | str = "evidence", keep: str = "evidence", max_weights: int = 2000) -> None:
        self.drift = drift
        self.keep = keep
        self.max_weights = max_weights

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups)
        if not len(data.yt):
            raise DomainError("BayesianPriorTransfer.fit: target must have known labels. Got 0 known labels.")
        n_outputs = 1 if data.classes is None or len(data.classes) == 2 else len(data.classes)
        n_weights = n_outputs * (data.Xs.shape[1] + 1)
        if n_weights > self.max_weights:
            raise DomainError(
                f"BayesianPriorTransfer.fit: X must have fewer columns, or max_weights be larger than {self.max_weights}."
                f" Got {n_weights} weights."
            )
        self.noise_: float | None = None
        self.mean_, scale = data.Xs.mean(axis=0, dtype=np.float64), data.Xs.std(axis=0, dtype=np.float64)
        self.scale_ = np.where(scale > 1e-12 * np.abs(self.mean_), scale, 1.0)
        try:
            (self._fit_numbers if data.classes is None else self._fit_classes)(data)
        except LinAlgError as err:
            raise DomainError(
                "BayesianPriorTransfer.fit: X and target.X must have columns of like size in both domains. Got rows of the"
                f" target up to {np.abs(self._columns(data.Xt_known)).max():.0e} standard deviations from the source's."
            ) from err
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _columns(self, X: Array) -> Array:
        return np.column_stack([(X - self.mean_) / self.scale_, np.ones(len(X))])

    def _fit_numbers(self, data: TransferData) -> None:
        level, unit = data.ys.mean(), (data.ys.std() if np.ptp(data.ys) else 1.0)
        A, At, p = self._columns(data.Xs), self._columns(data.Xt_known), data.Xs.shape[1] + 1
        source = BayesianRidge(fit_intercept=False).fit(A[:, :-1], (data.ys - level) / unit)
        noise = 1 / source.alpha_
        S = np.zeros((p, p))
        S[:-1, :-1], S[-1, -1] = source.sigma_, noise / len(A)
        prior = np.append(source.coef_, 0.0)
        r = (data.yt - level) / unit
        fixed = None if isinstance(self.drift, str) else (float(self.drift), float(self.drift), noise)
        found = {
            True: _most_probable(At, r - At @ prior, S, noise, fixed),
            False: _most_probable(At, r, np.zeros((p, p)), noise, None),
        }
        self.evidence_, self.evidence_alone_ = found[True][0], found[False][0]
        used = self._decide()
        _, (drift, shift, noise) = found[used]
        wide = (S if used else 0.0) + np.diag(np.append(np.full(p - 1, drift), shift))
        prior = prior if used else np.zeros(p)
        R, q, _, _ = sufficient_rows(At, r - At @ prior)
        more, self.covariance_ = gaussian_posterior(R, q, wide, noise)
        w = prior + more
        self.drift_, self.noise_ = float(drift), float(np.sqrt(noise) * unit)
        self._unit = float(unit)
        self.coef_ = w[:-1] / self.scale_ * unit
        self.intercept_ = float(w[-1] * unit + level - self.coef_ @ self.mean_)
        self.estimator_ = LinearRegression()
        self._set_estimator()

    def _fit_classes(self, data: TransferData) -> None:
        K = len(self.classes_)
        k = 1 if K == 2 else K
        At = self._columns(data.Xt_known)
        p, codes = At.shape[1], data.codes_t
        eye = np.eye(k * p)
        prior, precision, _ = laplace_fit(self._columns(data.Xs), data.codes, np.zeros((k, p)), eye)
        S = cho_solve((cholesky(precision, lower=True), True), eye)
        drifts = _VARIANCES if isinstance(self.drift, str) else [float(self.drift)]
        found = {
            True: max(((laplace_fit(At, codes, prior, S + v * eye), v) for v in drifts), key=lambda f: f[0][2]),
            False: max(((laplace_fit(At, codes, 0 * prior, v * eye), v) for v in _VARIANCES), key=lambda f: f[0][2]),
        }
        self.evidence_, self.evidence_alone_ = found[True][0][2], found[False][0][2]
        (w, precision, _), drift = found[self._decide()]
        self.covariance_ = cho_solve((cholesky(precision, lower=True), True), eye)
        self.drift_ = float(drift)
        self.coef_ = w[:, :-1] / self.scale_
        self.intercept_ = w[:, -1] - self.coef_ @ self.mean_
        self.estimator_ = LogisticRegression()
        self.estimator_.classes_ = self.classes_
        self._set_estimator()

    def _decide(self) -> bool:
        self.helps_ = bool(self.evidence_ > self.evidence_alone_)
        return self.helps_ or self.keep == "always"

    def _set_estimator(self) -> None:
        self.estimator_.coef_, self.estimator_.intercept_ = self.coef_, self.intercept_
        self.estimator_.n_features_in_ = len(self.scale_)

    def predict_std(self, X: Any) -> Array:
        """Standard deviation of a new value at rows of the target, noise included, of shape (n_samples,); to regress only."""
        check_is_fitted(self)
        if self.noise_ is None:
            raise ParamError("BayesianPriorTransfer.predict_std: the task must be a regression. Got classes.")
        A = self._columns(self._target_rows(X, "predict_std"))
        spread = np.maximum(((A @ self.covariance_) * A).sum(axis=1), 0)
        return np.sqrt(spread * self._unit**2 + self.noise_**2)

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method)


def _most_probable(
    A: Array, r: Array, S: Array, noise: float, fixed: tuple[float, float, float] | None
) -> tuple[float, tuple[float, float, float]]:
    """The largest evidence over the drift of weights, that of the intercept, and the noise; or that of fixed ones."""
    R, q, n_rest, rest = sufficient_rows(A, r)
    base, grams = R @ S @ R.T, (R[:, :-1] @ R[:, :-1].T, np.outer(R[:, -1], R[:, -1]))

    def cost(logs: Array) -> float:
        drift, shift, sigma = np.exp(logs)
        return -gaussian_evidence(base + drift * grams[0] + shift * grams[1], q, sigma, n_rest, rest)

    if fixed is not None:
        K = base + fixed[0] * grams[0] + fixed[1] * grams[1]
        return gaussian_evidence(K, q, fixed[2], n_rest, rest), fixed
    start = np.log(np.clip(noise, 1e-6, 1.0))
    tried = [
        minimize(cost, [first, first, start], method="L-BFGS-B", bounds=_BOUNDS) for first in np.log([1e-4, 1e-2, 1.0])
    ]
    best = min(tried, key=lambda f: f.fun)
    drift, shift, sigma = np.exp(best.x)
    return float(-best.fun), (float(drift), float(shift), float(sigma))
