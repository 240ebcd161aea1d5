"""LogME: logarithm of maximum evidence of the target labels given a candidate's features."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from ...core.constraints import Interval, Options
from ...core.protocols import Array, Domain
from ...ops.evidence.transferability import features_of, known_rows, spectrum

CARD = {
    "class": "LogME",
    "protocol": "Selector",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "You, Liu, Wang & Long. LogME: Practical Assessment of Pre-trained Models for Transfer Learning. ICML 2021.",
    "url": "https://arxiv.org/abs/2102.11005",
}

__all__ = ["LogME"]

_NOISE = 1e-10  # least share of the labels' square that counts as noise, where rows outnumber features


class LogME(BaseEstimator):
    """Rate features by how probable the labels are under a Bayesian linear model on them, at its best prior and noise.

    Parameters
    ----------
    max_iter : int in [1, inf), default=100
        Most fixed-point steps for each class. A handful is the rule.
    tol : float in (0, inf), default=1e-6
        Stop where a step changes the evidence of a row by less.
    task : {"auto", "classification", "regression"}, default="auto"
        What the labels are. "auto" takes floats with a fractional part for numbers and everything else for classes.

    Notes
    -----
    Labels (one-hot, one column at a time; numbers as they are) follow ``y = F w + e`` with ``w ~ N(0, 1 / alpha)`` and
    ``e ~ N(0, 1 / beta)``. The score is ``max log p(y | F, alpha, beta) / n``, averaged over classes.

    We run the fixed point of the extended paper (JMLR 2022): with F = U diag(s) V' only the ratio ``t = alpha / beta``
    moves, in O(rank) a step. For a given t the best beta is known, so the evidence is reported at that beta; at the fixed
    point it is the same. Differences from the authors' code: steps start at the mean of s^2 instead of alpha = beta = 1, so
    the score does not depend on the scale of the features; no 1e-5 is added to denominators. Instead, where features fewer
    than rows fit the labels exactly and the evidence has no bound, a share of 1e-10 of the labels' square counts as noise.

    Features are not centred and there is no intercept, as in the paper. The source is not used.

    References
    ----------
    You, Liu, Wang & Long. LogME: Practical Assessment of Pre-trained Models for Transfer Learning. ICML 2021.
    You, Liu, Zhang, Wang, Jordan & Long. Ranking and Tuning Pre-trained Models: A New Paradigm for Exploiting Model Hubs.
    JMLR 23, 2022 (the fixed point in singular values).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from transferkit import Domain, LogME
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> target = Domain(rng.normal(size=(90, 6)) + 3 * np.eye(6)[y], y)
    >>> informative = FunctionTransformer().fit(target.X)
    >>> noise = FunctionTransformer(lambda X: X[:, 3:]).fit(target.X)
    >>> LogME().score(informative, None, target) > LogME().score(noise, None, target)
    True
    """

    _constraints: ClassVar = {
        "max_iter": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
        "task": Options("auto", "classification", "regression"),
    }

    def __init__(self, max_iter: int = 100, tol: float = 1e-6, task: str = "auto") -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.task = task

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Maximum log evidence a row of the known target labels.

        Parameters
        ----------
        candidate : fitted object with transform
            Gives the features.
        source : Domain or None
            Not used.
        target : Domain
            Only rows whose label is known are read.

        Returns
        -------
        float
            Higher is better; compare it on the same target only.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        known = known_rows(self, source, target, task=self.task)
        Z = features_of(self, candidate, known.X)
        Y = known.y[:, None] if known.classes is None else known.one_hot
        s, coordinates, rest = spectrum(Z, Y)
        if len(s) < len(Z):
            rest = np.maximum(rest, _NOISE * (Y**2).sum(axis=0))
        return float(np.mean([self._evidence(s**2, w, r, len(Z)) for w, r in zip(coordinates.T**2, rest)]))

    def _evidence(self, s2: Array, w2: Array, rest: float, n: int) -> float:
        """Of one column of labels with squared coordinates `w2` in the features' basis."""
        t = s2.mean() if len(s2) else np.inf
        best = _log_evidence(s2, w2, rest, n, t)
        for _ in range(self.max_iter):
            gamma = (s2 / (s2 + t)).sum()
            length2 = (s2 * w2 / (s2 + t) ** 2).sum()  # m'm
            if gamma == 0 or length2 == 0:
                break  # the features say nothing: alpha is infinite
            residual2 = (w2 / (1 + s2 / t) ** 2).sum() + rest  # |F m - y|^2
            t = gamma / length2 * residual2 / (n - gamma)
            last, best = best, _log_evidence(s2, w2, rest, n, t)
            if abs(best - last) < self.tol:
                break
        return best


def _log_evidence(s2: Array, w2: Array, rest: float, n: int, t: float) -> float:
    """log p(y | F, alpha = t beta, beta) / n at the best beta: y ~ N(0, (I + F F' / t) / beta)."""
    ratio = s2 / t
    inverse_beta = ((w2 / (1 + ratio)).sum() + rest) / n
    return float(-0.5 * (np.log(2 * np.pi * inverse_beta) + 1 + np.log1p(ratio).sum() / n))
