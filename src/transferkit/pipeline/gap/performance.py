"""With known target labels: how much of a source model's loss comes from the rows, and how much from the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ...core.protocols import Array
from ...core.validation import Task
from ...ops.evidence.performance_shift import split_loss
from ...ops.folds import deal_folds
from .limits import ENOUGH_EFFECTIVE, ENOUGH_LABELS

__all__ = ["performance_split"]

N_FOLDS = 5


def performance_split(
    Xs: Array,
    ys: Array,
    Xt: Array,
    yt: Array,
    pi: tuple[Array, Array],
    task: Task,
    rng: np.random.RandomState,
) -> dict[str, Any] | None:
    """Split the loss of a plain source model; None without a known target label.

    The loss is the share of wrong answers, or the squared error over the variance of the source's labels. The model is the
    better of a linear one and a forest in the source's cross-validation, and the models of the folds meet source rows they
    have not seen and every labelled target row, so that both domains are judged by the same models.

    Parameters
    ----------
    Xs, ys : arrays of shape (n_source, n_features), (n_source,)
        The source.
    Xt, yt : arrays of shape (n_labelled, n_features), (n_labelled,)
        The labelled target rows.
    pi : pair of arrays of shape (n_source,), (n_labelled,)
        Cross-fitted probability of the target for these rows.
    task : {"classification", "regression"}
    rng : RandomState
        Folds, forests and draws.
    """
    if not len(yt):
        return None
    facts: dict[str, Any] = {"labels": len(yt), "enough": False}
    if len(yt) < ENOUGH_LABELS or len(Xs) < ENOUGH_LABELS:
        return {**facts, "reason": f"{ENOUGH_LABELS} labelled target rows or more are needed to split the loss"}
    found = split_loss(*_losses(Xs, ys, Xt, yt, task, rng), *pi, random_state=rng)
    enough = min(found.effective_source, found.effective_target) >= ENOUGH_EFFECTIVE
    return facts | {
        "enough": enough,
        "reason": "" if enough else "the domains share too few rows to compare labels on",
        "loss": "share wrong" if task == "classification" else "squared error / variance of the source's labels",
        "source": found.source,
        "target": found.target,
        "harder": found.harder,
        "concept": found.concept,
        "unseen": found.unseen,
        "intervals": {name: list(ends) for name, ends in found.intervals.items()},
        "effective_rows": [found.effective_source, found.effective_target],
    }


def _losses(Xs: Array, ys: Array, Xt: Array, yt: Array, task: Task, rng: np.random.RandomState) -> tuple[Array, Array]:
    """Losses of the better plain model: on source rows out of fold, on target rows the mean of the folds' models."""
    linear: Any = LogisticRegression(max_iter=500, tol=1e-3) if task == "classification" else Ridge()
    forest: Any = (ExtraTreesClassifier if task == "classification" else ExtraTreesRegressor)(
        100, min_samples_leaf=2, random_state=rng
    )
    scale = float(np.var(ys)) or 1.0 if task == "regression" else 1.0
    codes = np.unique(ys, return_inverse=True)[1] if task == "classification" else None
    folds = deal_folds(codes, N_FOLDS, rng, n=len(ys))
    models = [make_pipeline(StandardScaler(), linear), forest]
    if codes is not None and np.bincount(codes).min() < 2:
        models = models[1:]  # a fold may be left with one class, which a linear model does not take
    best: tuple[Array, Array] | None = None
    for model in models:
        source, target = np.zeros(len(ys)), np.zeros(len(yt))
        for fold in range(N_FOLDS):
            rest = folds != fold
            model.fit(Xs[rest], ys[rest])
            source[~rest] = _loss(model.predict(Xs[~rest]), ys[~rest], task) / scale
            target += _loss(model.predict(Xt), yt, task) / scale / N_FOLDS
        if best is None or source.mean() < best[0].mean():
            best = source, target
    assert best is not None
    return best


def _loss(guess: Array, truth: Array, task: Task) -> Array:
    loss: Array = (guess != truth).astype(float) if task == "classification" else (guess - truth) ** 2
    return loss
