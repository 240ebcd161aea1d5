"""Importance weights of source rows from a domain classifier, and risks of the target that are estimated with them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from ...core.errors import DomainError, ParamError
from ...core.protocols import Array
from ..folds import deal_folds
from .held_out import HeldOut

__all__ = ["control_variate_risk", "held_out_losses", "importance_weights"]

_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)  # values of C; the one with the best held-out likelihood is taken


def importance_weights(
    Zs: Array, Zt: Array, *, estimator: Any = None, n_splits: int = 3, random_state: Any = None
) -> Array:
    """Density ratio ``p_target / p_source`` at each source row, by a domain classifier that has not seen the row.

    By Bayes' rule the ratio is ``P(target | z) / P(source | z) * n_source / n_target``.

    Parameters
    ----------
    Zs, Zt : arrays of shape (n_source, n_features), (n_target, n_features)
        Rows of both domains in one space.
    estimator : classifier with predict_proba, optional
        Tells the domains apart. None is logistic regression on standardised columns, with its C from 0.001, 0.01, 0.1
        and 1 by held-out likelihood: a classifier that overfits has weights near 0 and infinity.
    n_splits : int
        Folds, at most as many as a domain has rows.
    random_state : int, RandomState or None
        Deals the folds.

    Returns
    -------
    array of shape (n_source,)
        Not scaled; 1 on average where the ratio is right. Probabilities nearer to 1 than 1e-12 are set there.

    Raises
    ------
    DomainError
        If a domain has a single row.

    References
    ----------
    Bickel, Brückner & Scheffer. Discriminative Learning for Differing Training and Test Distributions. ICML 2007.
    You, Wang, Long & Jordan. Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation. ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.ops.evidence.importance import importance_weights
    >>> Z = np.linspace(-2, 2, 60)[:, None]
    >>> weights = importance_weights(Z, Z + 1, random_state=0)
    >>> bool(weights[-1] > 1 > weights[0])
    True
    """
    n, m = len(Zs), len(Zt)
    if min(n, m) < 2:
        raise DomainError(f"importance_weights: source and target must have two rows or more. Got {n} and {m}.")
    Z, domain = np.vstack([Zs, Zt]), np.repeat([0, 1], [n, m])
    folds = deal_folds(domain, min(n_splits, n, m), check_random_state(random_state))
    if estimator is None:
        models = [make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=300, tol=1e-3)) for c in _STRENGTHS]
    else:
        models = [estimator]
    probas = [_held_out(model, Z, domain, folds) for model in models]
    losses = [-np.log(np.where(domain == 1, p, 1 - p)).mean() for p in probas]
    proba = probas[int(np.argmin(losses))][:n]
    weights: Array = proba / (1 - proba) * (n / m)
    return weights


def _held_out(model: Any, Z: Array, domain: Array, folds: Array) -> Array:
    """Probability of the target for each row, by a model that was fitted without its fold."""
    proba = np.empty(len(Z))
    for fold in range(folds.max() + 1):
        rest = folds == fold
        proba[rest] = clone(model).fit(Z[~rest], domain[~rest]).predict_proba(Z[rest])[:, 1]
    return np.clip(proba, 1e-12, 1 - 1e-12)


def held_out_losses(selector: Any, held_out: HeldOut, loss: str) -> Array:
    """Loss of each source row: 0-1 (classes) or squared error (numbers) for ``"error"``, minus log-likelihood for ``"log"``.

    Raises
    ------
    ParamError
        If ``"log"`` is asked of what gives no probabilities.
    """
    if loss == "log":
        if held_out.proba is None or held_out.codes is None:
            here = f"{type(selector).__name__}.score"
            raise ParamError(f"{here}: loss must be 'error' for a candidate without predict_proba. Got 'log'.")
        true = held_out.proba[np.arange(len(held_out.codes)), held_out.codes]
        return np.asarray(-np.log(np.clip(true, 1e-12, None)))
    if held_out.classes is None:
        return np.asarray((held_out.y - held_out.predicted) ** 2, dtype=np.float64)
    return np.asarray(held_out.y != held_out.predicted, dtype=np.float64)


def control_variate_risk(weights: Array, losses: Array) -> float:
    """Weighted risk with the weights' known mean of 1 as control variate (You et al. 2019, algorithm 1).

    ``mean(w l) + eta (mean(w) - 1)`` with ``eta = -cov(w l, w) / var(w)``, the value at which the variance is least; 0
    where all weights are alike.
    """
    weighted = weights * losses
    spread = float(np.var(weights, ddof=1)) if len(weights) > 1 else 0.0
    eta = -float(np.cov(weighted, weights)[0, 1]) / spread if spread > 0 else 0.0
    return float(weighted.mean() + eta * (weights.mean() - 1))
