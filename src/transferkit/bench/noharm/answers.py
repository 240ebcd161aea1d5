"""A candidate by what it said: all that a selector may ask for once the fitted model is gone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.errors import DomainError
from ...core.protocols import Array

__all__ = ["Answers"]


class Answers:
    """Class probabilities of the target's rows and, where they were kept, of source rows held out.

    It has no ``fit``, so a selector that would hold source rows out itself takes the answers as they are.

    Parameters
    ----------
    target : array of shape (n_target, n_features)
        The target's rows: the very object that is asked about.
    proba : array of shape (n_target, n_classes)
        What the candidate says of them; classes are codes.
    source, held : arrays, optional
        The same of the source, each row by a refit that has not seen it.
    features : tuple of two arrays, optional
        Source and target rows in the space in which the candidate works; None is the rows themselves.
    """

    def __init__(
        self,
        target: Array,
        proba: Array,
        source: Array | None = None,
        held: Array | None = None,
        features: tuple[Array, Array] | None = None,
    ) -> None:
        self.target, self.source = target, source
        self.proba, self.held = proba, held
        self.features = features
        self.classes_ = np.arange(proba.shape[1])

    def predict_proba(self, X: Any) -> Array:
        """What was said of the rows, which must be those of the task."""
        if X is self.target:
            return self.proba
        if X is self.source and self.held is not None:
            return self.held
        raise DomainError(f"Answers.predict_proba: X must be rows of the task. Got others, of shape {np.shape(X)}.")

    def predict(self, X: Any) -> Array:
        """The most probable class."""
        labels: Array = self.predict_proba(X).argmax(axis=1)
        return labels

    def transform(self, X: Any, domain: str = "target") -> Any:
        """Rows of one domain where the candidate works."""
        return X if self.features is None else self.features[domain == "target"]
