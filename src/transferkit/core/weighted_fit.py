"""Weights of rows for any estimator: also for the last step of a pipeline, and whether or not metadata is routed."""

from __future__ import annotations

from typing import Any

from sklearn import config_context
from sklearn.utils.validation import has_fit_parameter

from .protocols import Array

__all__ = ["fit_weighted", "takes_weights"]


def takes_weights(estimator: Any) -> bool:
    """Whether the estimator, or the last step of a pipeline, takes ``sample_weight`` in fit."""
    return bool(has_fit_parameter(_last(estimator), "sample_weight"))


def fit_weighted(estimator: Any, X: Any, y: Any, weight: Array) -> Any:
    """Fit an estimator for which `takes_weights` is true."""
    own = has_fit_parameter(estimator, "sample_weight")
    name = "sample_weight" if own else f"{estimator.steps[-1][0]}__sample_weight"
    # Under scikit-learn's metadata routing, which other libraries switch on for everybody, whatever has a model inside would
    # refuse the weights unless each part had asked for them; here it is known who gets them.
    with config_context(enable_metadata_routing=False):
        return estimator.fit(X, y, **{name: weight})


def _last(estimator: Any) -> Any:
    steps = getattr(estimator, "steps", None)
    return steps[-1][1] if steps else estimator
