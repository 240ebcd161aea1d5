"""The plain models inside the methods, and which of them does best in the source's cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, LeaveOneGroupOut, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from ..core.errors import DomainError, TrainingError, TransferWarning
from ..core.protocols import Array
from ..core.scaling import NormScaler
from .attempts import alone
from .prepare import Prepared

__all__ = ["N_FOLDS", "cv_rows", "cv_scores", "cv_splits", "plain_model", "select_estimator"]

N_FOLDS = 3
MOST_CV_ROWS = 5_000  # enough to tell the plain models apart


def select_estimator(prepared: Prepared, seed: int, jobs: int = 1) -> tuple[Any, float]:
    """The plain model with the best cross-validated score on the source; the simpler one where it is close.

    Several sources are left out in turn, so that the model is judged on a domain it has not seen. A forest has to beat
    the best linear model by a standard error of its folds. All take sample weights, so that every method can use them.
    More than 5000 source rows are sampled. A model whose fit ends its process, alone in one, too, is left out with a warning.

    Raises
    ------
    TrainingError
        If all of them do.
    """
    rows = cv_rows(prepared, seed)
    X, y = prepared.source.X[rows], np.asarray(prepared.source.y)[rows]
    # The rows have mean squared norm 1 inside, so one grid of C fits raw tables and unit-norm subspaces alike.
    if prepared.kind == "classification":
        linear = [
            make_pipeline(NormScaler(), LogisticRegression(C=c, max_iter=300, tol=1e-3))
            for c in (1.0, 10.0, 100.0, 1000.0)
        ]
        forest: Any = ExtraTreesClassifier(200, min_samples_leaf=2, random_state=seed)
        scoring = "accuracy"
    else:
        linear = [make_pipeline(NormScaler(), Ridge(alpha=a)) for a in (1e-6, 1e-4, 1e-2, 1.0)]
        forest = ExtraTreesRegressor(200, min_samples_leaf=2, random_state=seed)
        scoring = "r2"
    splits = list(cv_splits(prepared.source.name, prepared.kind, X, y, prepared.groups[rows], seed))
    scores = _scores([*linear, forest], X, y, splits, scoring, jobs)
    best = int(np.argmax([s.mean() for s in scores[:-1]]))
    several = len(splits) > 1 and np.isfinite(scores[-1]).all()
    spread = scores[-1].std(ddof=1) / np.sqrt(len(splits)) if several else 0.0
    if scores[-1].mean() > scores[best].mean() + spread:
        return forest, float(scores[-1].mean())
    return linear[best], float(scores[best].mean())


def _scores(models: Sequence[Any], X: Array, y: Array, splits: Any, scoring: str, jobs: int) -> list[Array]:
    """Side by side; what a process that was ended took with it is judged again, one by one in processes of their own."""
    calls = (delayed(cv_scores)(m, X, y, splits, scoring) for m in models)
    found: list[Array] = []
    try:
        for scores in Parallel(n_jobs=jobs, return_as="generator")(calls):
            found.append(scores)
    except BrokenExecutor:
        found += [_scores_alone(m, X, y, splits, scoring) for m in models[len(found) :]]
    if not np.isfinite(found).any():
        raise TrainingError(
            "run: every process that judges a plain model on the source is ended, most likely for want of memory. Give it fewer"
            " rows or columns."
        )
    return found


def _scores_alone(model: Any, X: Array, y: Array, splits: Any, scoring: str) -> Array:
    try:
        found: Array = alone(cv_scores, model, X, y, splits, scoring)
    except BrokenExecutor:
        name = type(model.steps[-1][1] if hasattr(model, "steps") else model).__name__
        message = f"{name} ended the process that judged it, most likely for want of memory, and is left out."
        warnings.warn(message, TransferWarning, stacklevel=4)
        return np.full(len(splits), -np.inf)
    return found


def plain_model(name: str, kind: str, seed: int = 0) -> Any:
    """An inner estimator by the name that a card's portfolio gives it: ``"linear"``, ``"nearest"`` or ``"forest"``."""
    if kind == "classification":
        models: dict[str, Any] = {
            "linear": make_pipeline(NormScaler(), LogisticRegression(C=10.0, max_iter=300, tol=1e-3)),
            "nearest": KNeighborsClassifier(n_neighbors=1),
            "forest": ExtraTreesClassifier(200, min_samples_leaf=2, random_state=seed),
        }
    else:
        models = {
            "linear": make_pipeline(NormScaler(), Ridge(alpha=1e-2)),
            "nearest": KNeighborsRegressor(n_neighbors=5),
            "forest": ExtraTreesRegressor(200, min_samples_leaf=2, random_state=seed),
        }
    return models[name]


def cv_rows(prepared: Prepared, seed: int) -> Array:
    """Source rows that plain models are compared on; all where a class is too rare to be sampled."""
    rows = np.sort(np.random.default_rng(seed).permutation(prepared.source.n_samples)[:MOST_CV_ROWS])
    y = np.asarray(prepared.source.y)
    if prepared.kind == "classification" and np.unique(y[rows], return_counts=True)[1].min() < N_FOLDS:
        return np.arange(len(y))
    return rows


def cv_scores(model: Any, X: Array, y: Array, splits: Any, scoring: str) -> Array:
    """On one thread of the linear algebra library, so that the scores do not depend on how many run beside."""
    with threadpool_limits(limits=1):
        return np.asarray(cross_val_score(model, X, y, cv=splits, scoring=scoring, error_score="raise"))


def cv_splits(name: str, kind: str, X: Array, y: Array, groups: Array, seed: int) -> Any:
    """Sources left out in turn where there are several, else folds of the one."""
    if len(np.unique(groups)) > 1:
        splits = list(LeaveOneGroupOut().split(X, y, groups))
        enough = (len(rest) > 1 if kind == "regression" else len(np.unique(y[train])) > 1 for train, rest in splits)
        if all(enough):
            return splits
    if kind == "regression":
        if len(y) < 2 * N_FOLDS:
            raise DomainError(f"{name}: a source must have at least {2 * N_FOLDS} rows. Got {len(y)}.")
        return KFold(N_FOLDS, shuffle=True, random_state=seed).split(X)
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < 2:
        raise DomainError(
            f"{name}: every class must have at least 2 source rows. Class {classes[counts.argmin()].item()!r} has 1."
        )
    return StratifiedKFold(min(N_FOLDS, int(counts.min())), shuffle=True, random_state=seed).split(X, y)
