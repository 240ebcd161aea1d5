"""What `adapt` of a meta-learner returns: a predictor for one task."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, RegressorTags, Tags
from sklearn.utils.metaestimators import available_if
from torch import Tensor

from ...core.protocols import Array
from ..answers.labels import Labels
from ..inputs.rows import Rows, move

__all__ = ["AdaptedTask", "batch_of", "kept"]

_ROWS = 256  # queries at a time


def _has_proba(self: Any) -> bool:
    return self.labels.kind == "classification"


class AdaptedTask(BaseEstimator):
    """A meta-learner with what it has learned of one task. It is fitted, and made by ``adapt`` only.

    Parameters
    ----------
    learner : MetaEstimator
        The fitted meta-learner; shared, not changed.
    labels : Labels
        Classes of the support, or the scale of its numbers.
    state : dict
        What was learned from the support.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Sorted classes; not there for a regression.
    """

    def __init__(self, learner: Any, labels: Labels, state: dict[str, Any]) -> None:
        self.learner = learner
        self.labels = labels
        self.state = state
        if labels.classes is not None:
            self.classes_ = labels.classes

    def _outputs(self, X: Any, method: str) -> Array:
        learner, where = self.learner, f"{type(self.learner).__name__}.adapt.{method}"
        objective, place = learner.task_learner()
        rows = learner.query_rows(where, X)
        step = len(rows) if objective.whole else _ROWS
        state, found = moved(self.state, place.device), []
        with torch.no_grad(), place.autocast():
            for k in range(0, len(rows), step):
                x = batch_of(rows, range(k, min(k + step, len(rows))), place)
                found.append(objective.answer(state, x)[:, : self.labels.n_outputs].float().cpu())
        return torch.cat(found).numpy()

    def predict(self, X: Any) -> Array:
        """Classes of the support, or numbers, for rows of this task, of shape (n_samples,)."""
        return self.labels.predict(self._outputs(X, "predict"))

    @available_if(_has_proba)
    def predict_proba(self, X: Any) -> Array:
        """Probabilities of shape (n_samples, n_classes), in the order of ``classes_``."""
        return self.labels.proba(self._outputs(X, "predict_proba"))

    @available_if(_has_proba)
    def decision_function(self, X: Any) -> Array:
        """Logits of shape (n_samples, n_classes)."""
        return self._outputs(X, "decision_function").astype(np.float64)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy (classes) or R^2 (numbers)."""
        return self.labels.score(y, self.predict(X), sample_weight)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if self.labels.kind == "regression":
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        else:
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        return tags


def batch_of(rows: Rows, numbers: Any, place: Any) -> Any:
    """Some rows as the network takes them, on the device."""
    x = rows.preprocess.collate([rows[k] for k in numbers])
    return rows.preprocess.finish(move(x, place.device), training=False)


def moved(state: Any, device: torch.device) -> Any:
    """All tensors of a state on a device."""
    if isinstance(state, dict):
        return {k: moved(v, device) for k, v in state.items()}
    return state.to(device) if isinstance(state, Tensor) else state


def kept(state: Any) -> Any:
    """A state to keep: its tensors detached, on the CPU, with memory of their own."""
    if isinstance(state, dict):
        return {k: kept(v) for k, v in state.items()}
    return state.detach().to("cpu", copy=True) if isinstance(state, Tensor) else state
