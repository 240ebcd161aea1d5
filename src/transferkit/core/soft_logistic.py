"""Logistic regression on class probabilities instead of labels: scikit-learn's model, fitted without a copy a class."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from .errors import TransferWarning
from .protocols import Array

__all__ = ["fit_soft_logistic", "is_plain_logistic"]


def is_plain_logistic(model: Any) -> bool:
    """Whether a model is a logistic regression whose every setting but C, max_iter and tol is scikit-learn's default."""
    if type(model) is not LogisticRegression:
        return False
    asked = model.get_params()
    return asked == LogisticRegression(**{k: asked[k] for k in ("C", "max_iter", "tol")}).get_params()


def fit_soft_logistic(model: LogisticRegression, X: Any, P: Array, sample_weight: Array, classes: Array) -> Any:
    """Fit a plain logistic regression to the probabilities of the classes.

    It is what ``model.fit`` would find if every row were given once a class with weight ``sample_weight * P``, in as many
    times less memory and time as there are classes.

    Parameters
    ----------
    model : LogisticRegression
        Of which `is_plain_logistic` holds; gets the fitted attributes.
    X : array or CSR matrix of shape (n_samples, n_features)
        The rows.
    P : array of shape (n_samples, n_classes)
        Rows of sum 1.
    sample_weight : array of shape (n_samples,)
        Weights of the rows.
    classes : array of shape (n_classes,)
        Two or more, sorted.

    Returns
    -------
    model : LogisticRegression

    Warns
    -----
    TransferWarning
        If it did not converge in ``max_iter`` iterations.
    """
    n_classes, d = len(classes), X.shape[1]
    total = float(sample_weight.sum())
    k = 1 if n_classes == 2 else n_classes  # two classes have one logit, as in scikit-learn

    def cost(flat: Array) -> tuple[float, Array]:
        W, b = flat[: k * d].reshape(k, d), flat[k * d :]
        Z = X @ W.T + b
        if k == 1:
            # -log of the sigmoid, written so that it cannot overflow
            loss = P[:, 1] * np.logaddexp(0, -Z[:, 0]) + P[:, 0] * np.logaddexp(0, Z[:, 0])
            R = expit(Z) - P[:, 1:]
        else:
            loss = -(P * log_softmax(Z, axis=1)).sum(axis=1)
            R = softmax(Z, axis=1) - P
        R = R * (sample_weight / total)[:, None]
        value = sample_weight @ loss / total + (W**2).sum() / (2 * model.C * total)
        gradient = (X.T @ R).T + W / (model.C * total)
        return float(value), np.concatenate([np.ravel(gradient), R.sum(axis=0)])

    options = {"maxiter": model.max_iter, "gtol": model.tol, "ftol": 64 * np.finfo(np.float64).eps, "maxls": 50}
    found = minimize(cost, np.zeros(k * (d + 1)), jac=True, method="L-BFGS-B", options=options)
    if found.nit >= model.max_iter:
        warnings.warn(
            f"The logistic regression did not converge in max_iter={model.max_iter} iterations.",
            TransferWarning,
            stacklevel=2,
        )
    model.classes_ = np.asarray(classes)
    model.coef_, model.intercept_ = found.x[: k * d].reshape(k, d), found.x[k * d :]
    model.n_iter_ = np.array([found.nit], dtype=np.int32)
    model.n_features_in_ = d
    return model
