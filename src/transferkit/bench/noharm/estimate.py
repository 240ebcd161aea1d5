"""The expected accuracy: fitted on all groups of data but one, judged on that one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ...core.protocols import Array

__all__ = ["expectations"]

ALPHA = 10.0
COVERAGE = 0.9


def expectations(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For source-only (``anchor``) and the ``vote``: the regression on all tasks, and how it does on groups left out."""
    names = list(rows[0]["features"])
    X = np.array([[r["features"][n] for n in names] for r in rows])
    groups = np.array([r["group"] for r in rows])
    found = {}
    for model in ("anchor", "vote"):
        y = np.array([r[model] for r in rows])
        error = np.abs(_left_out(X, y, groups) - y)
        covered = np.zeros(len(y), dtype=bool)
        for group in np.unique(groups):
            own = groups == group
            covered[own] = error[own] <= np.quantile(error[~own], COVERAGE)
        whole = _fitted(X, y)
        scale, ridge = whole[0].scale_, whole[1]
        weights = ridge.coef_ / scale
        found[model] = {
            "intercept": round(float(ridge.intercept_ - weights @ whole[0].mean_), 4),
            "weights": {n: round(float(w), 4) for n, w in zip(names, weights)},
            "half_width": round(float(np.quantile(error, COVERAGE)), 3),
            "mean_error": round(100 * float(error.mean()), 2),
            "coverage": round(100 * float(covered.mean()), 1),
        }
    return found


def _fitted(X: Array, y: Array) -> Any:
    return make_pipeline(StandardScaler(), Ridge(ALPHA)).fit(X, y)


def _left_out(X: Array, y: Array, groups: Array) -> Array:
    said = np.zeros(len(y))
    for group in np.unique(groups):
        own = groups == group
        said[own] = np.clip(_fitted(X[~own], y[~own]).predict(X[own]), 0, 1)
    return said
