"""What several fitted classifiers say about the same unlabelled rows, in one order of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from ...core.errors import DomainError, ParamError
from ...core.protocols import Array
from .candidates import class_probabilities

__all__ = ["ballot", "common_classes", "labels_of", "majority"]


def labels_of(selector: Any, model: Any, X: Any, *, rows: str = "target.X") -> Array:
    """What a fitted model predicts for the rows, of shape (n,).

    Raises
    ------
    ParamError
        If it has no ``predict`` or is not fitted.
    DomainError
        If it refuses the rows, which `rows` names.
    """
    here = f"{type(selector).__name__}.score"
    if not callable(getattr(model, "predict", None)):
        raise ParamError(f"{here}: candidate must have predict. Got {type(model).__name__}, which has not.")
    try:
        return np.asarray(model.predict(X))
    except NotFittedError as err:
        raise ParamError(f"{here}: candidate must be fitted. Got {type(model).__name__}, which is not.") from err
    except ValueError as err:  # scikit-learn's and our own refusals of rows
        raise DomainError(f"{here}: {rows} must be rows that the candidate takes. Got: {err}") from err


def common_classes(models: Sequence[Any], labels: Sequence[Array]) -> Array:
    """All classes that the models know or predict, sorted."""
    known = [np.asarray(getattr(m, "classes_", own)) for m, own in zip(models, labels)]
    return np.unique(np.concatenate([*known, *labels]))


def ballot(selector: Any, model: Any, X: Any, classes: Array) -> Array:
    """Class probabilities with columns in the order of `classes`; a model without them is certain of what it predicts.

    Raises
    ------
    DomainError
        If the model refuses the rows.
    """
    try:
        return class_probabilities(model, X, classes)
    except ValueError as err:
        here = f"{type(selector).__name__}.score"
        raise DomainError(f"{here}: target.X must be rows that the candidate takes. Got: {err}") from err


def majority(codes: Array, n_classes: int, proba: Array | None = None) -> Array:
    """The class that most voters name for each row; of several, the one with the larger mean probability, then the first.

    Parameters
    ----------
    codes : int array of shape (n_voters, n)
        What each of them says.
    n_classes : int
        Columns of the count.
    proba : array of shape (n, n_classes), optional
        Their mean probabilities.
    """
    votes = (codes[:, :, None] == np.arange(n_classes)).sum(axis=0).astype(np.float64)
    # Probabilities are at most 1, so that half of one never outweighs a vote.
    return np.asarray((votes if proba is None else votes + proba / 2).argmax(axis=1))
