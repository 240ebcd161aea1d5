"""The steps that boosting across domains shares: relative errors, AdaBoost.R2, source rows made to weigh less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq

from ...core.boosting import mean_one
from ...core.protocols import Array

__all__ = ["LOSSES", "SMALLEST_ERROR", "adaboost_r2", "discount_source", "relative_errors"]

LOSSES = ("linear", "square", "exponential")
SMALLEST_ERROR = 1e-10  # stands in for an error of 0, whose vote would be infinite
_log_sum = np.logaddexp.reduce  # scipy's `logsumexp` takes as long as a small fit; that of no logarithm is -inf


def relative_errors(residuals: Array, loss: str) -> Array:
    """Errors in [0, 1]: absolute residuals over the largest one, as they are, squared, or ``1 - exp(-r)`` (Drucker 1997)."""
    size = np.abs(residuals)
    largest = size.max()
    if largest <= 0:
        return np.zeros(len(size))
    size = size / largest
    return size if loss == "linear" else size**2 if loss == "square" else 1 - np.exp(-size)


def adaboost_r2(
    fit: Callable[[Array], Any], rows: Any, y: Array, log_weights: Array, n: int, n_estimators: int, loss: str
) -> tuple[list[Any], Array]:
    """AdaBoost.R2 in which the first `n` rows, those of the source, keep their weights (AdaBoost.R2' of Pardoe & Stone).

    Parameters
    ----------
    fit : callable
        Takes weights of mean 1 of all rows, and gives a fitted model.
    rows, y : arrays
        Source rows first.
    log_weights : array of shape (n_rows,)
        Where it starts.
    n : int
        Source rows; 0 is plain AdaBoost.R2.
    n_estimators : int
        Most iterations; it stops before where an error reaches 1/2, and after an error of 0.
    loss : {"linear", "square", "exponential"}
        See `relative_errors`.

    Returns
    -------
    models : list
    votes : array of shape (len(models),)
        ``log(1 / beta)``; 1 where there is a single model whose error is 1/2 or more.
    """
    log_weights = np.array(log_weights)
    mass = _log_sum(log_weights[n:])
    models: list[Any] = []
    votes: list[float] = []
    for _ in range(n_estimators):
        weights = mean_one(log_weights)
        model = fit(weights)
        errors = relative_errors(model.predict(rows) - y, loss)
        error = weights @ errors / weights.sum()
        if error >= 0.5:
            if not models:
                models, votes = [model], [1.0]
            break
        vote = float(np.log(1 - error) - np.log(max(error, SMALLEST_ERROR)))
        models.append(model)
        votes.append(vote)
        if error <= SMALLEST_ERROR:
            break
        # beta^(1 - e); then the target's weights are scaled back to the mass they had.
        log_weights[n:] -= vote * (1 - errors[n:])
        log_weights[n:] += mass - _log_sum(log_weights[n:])
    return models, np.array(votes)


def discount_source(log_source: Array, errors: Array, log_mass: float) -> Array:
    """Weights times ``beta^error`` with the beta in [0, 1] at which they sum to a given mass.

    Parameters
    ----------
    log_source : array of shape (n,)
        Logarithms of weights; may be -inf.
    errors : array of shape (n,)
        In [0, 1].
    log_mass : float
        Logarithm of the mass; -inf is 0. Where the weights have less already, they stay.

    Returns
    -------
    array of shape (n,)
        Logarithms. Rows without error keep their weight: where they alone weigh more than the mass, beta is 0.
    """
    if log_mass >= _log_sum(log_source):
        return log_source
    without = np.where(errors > 0, -np.inf, log_source)
    if _log_sum(without) >= log_mass:
        return without

    def excess(s: float) -> float:
        return float(_log_sum(log_source - s * errors) - log_mass)

    high = 1.0
    while excess(high) > 0:
        high *= 2
    return log_source - brentq(excess, 0.0, high, xtol=1e-12, rtol=1e-14) * errors
