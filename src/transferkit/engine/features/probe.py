"""Probes: the best linear head on frozen features, by a convex solver instead of a training loop."""

from __future__ import annotations

from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from torch import nn

from ...core.protocols import Array
from ...ops.nn.heads import Head
from ..answers.labels import Labels

__all__ = ["PROBES", "fit_probe"]

PROBES = ("logistic", "ridge")
_GRID = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)


def fit_probe(
    Z: Array, y: Array, labels: Labels, kind: str = "logistic", reg: float | str = 1.0, seed: int = 0
) -> Head:
    """A linear head that standardises features with the training rows' mean and deviation.

    Parameters
    ----------
    Z : array of shape (n_samples, n_features)
        Features.
    y : array of shape (n_samples,) or (n_samples, n_outputs)
        Labels as given to the fit.
    labels : Labels
        Kind of task.
    kind : {"logistic", "ridge"}
        Logistic regression (one for each label where there are several), or ridge regression in closed form, on +1 and -1
        for classes. Numbers always take ridge regression.
    reg : float in (0, inf) or "cv"
        Strength of the L2 penalty on the weights, 1/C. "cv" chooses it by cross-validation within these rows.
    seed : int
        Deals the folds.

    Returns
    -------
    Head
        Its normalisation layer holds mean and deviation.
    """
    Z = Z.astype(np.float64)
    mean, scale = Z.mean(axis=0), Z.std(axis=0)
    scale = np.where(scale > 1e-12 * np.maximum(1.0, np.abs(mean)), scale, 1.0)
    S = (Z - mean) / scale
    if labels.kind == "regression":
        kind = "ridge"
    strength = _choose(S, y, labels, kind, seed) if reg == "cv" else float(reg)
    weight, bias = _solve(S, y, labels, kind, strength)
    head = Head(Z.shape[1], labels.n_outputs, "linear", batch_norm=True)
    assert isinstance(head.norm, nn.BatchNorm1d)
    assert isinstance(head.out, nn.Linear)
    with torch.no_grad():
        head.norm.running_mean.copy_(torch.as_tensor(mean))
        head.norm.running_var.copy_(torch.as_tensor(np.maximum(scale**2 - head.norm.eps, 0.0)))
        head.out.weight.copy_(torch.as_tensor(weight))
        head.out.bias.copy_(torch.as_tensor(bias))
    return head.eval()


def _solve(S: Array, y: Array, labels: Labels, kind: str, strength: float) -> tuple[Array, Array]:
    """Weights (n_outputs, n_features) and biases (n_outputs,)."""
    if kind == "ridge":
        if labels.kind == "classification":
            targets = 2.0 * np.eye(labels.n_outputs)[labels.encode(y).numpy()] - 1
        elif labels.kind == "multilabel":
            targets = 2.0 * np.asarray(y, dtype=np.float64) - 1
        else:
            targets = labels.encode(y).numpy().astype(np.float64)
        model = Ridge(alpha=strength).fit(S, targets)
        return np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    if labels.kind == "multilabel":
        columns = [_one_label(S, np.asarray(y)[:, k], strength) for k in range(labels.n_outputs)]
        return np.stack([w for w, _ in columns]), np.array([b for _, b in columns])
    model = _logistic(strength).fit(S, labels.encode(y).numpy())
    if labels.n_outputs == 2:  # one weight vector for two classes: half of it to either side
        return np.vstack([-model.coef_, model.coef_]) / 2, np.concatenate([-model.intercept_, model.intercept_]) / 2
    return model.coef_, model.intercept_


def _one_label(S: Array, y: Array, strength: float) -> tuple[Array, float]:
    if len(np.unique(y)) == 1:  # nothing to tell apart: the label's own value, surely
        return np.zeros(S.shape[1]), 10.0 if y[0] else -10.0
    model = _logistic(strength).fit(S, y)
    return model.coef_[0], float(model.intercept_[0])


def _logistic(strength: float) -> Any:
    return LogisticRegression(C=1 / strength, max_iter=2000)


def _choose(S: Array, y: Array, labels: Labels, kind: str, seed: int) -> float:
    """The strength with the best score over folds of these rows; 1 where a class is too rare to be split."""
    codes: Any = labels.encode(y).numpy()
    n_folds = 3
    if labels.kind == "classification":
        if np.bincount(codes).min() < n_folds:
            return 1.0
        splitter: Any = StratifiedKFold(n_folds, shuffle=True, random_state=seed % 2**32)
    elif len(S) < 2 * n_folds:
        return 1.0
    else:
        splitter = KFold(n_folds, shuffle=True, random_state=seed % 2**32)
    folds = list(splitter.split(S, codes))
    if kind == "logistic" and labels.kind == "classification":
        with catch_warnings():
            simplefilter(
                "ignore", ConvergenceWarning
            )  # far too weak a penalty may not converge; it then scores as it stands
            scores = [cross_val_score(_logistic(r), S, codes, cv=folds, scoring="neg_log_loss").mean() for r in _GRID]
    else:
        targets = np.eye(labels.n_outputs)[codes] if labels.kind == "classification" else codes
        scores = [
            cross_val_score(Ridge(alpha=r), S, targets, cv=folds, scoring="neg_mean_squared_error").mean()
            for r in _GRID
        ]
    return _GRID[int(np.argmax(scores))]
