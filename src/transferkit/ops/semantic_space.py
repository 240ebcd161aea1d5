"""Classes across domains without a common column: a classifier for each, and what one domain's teacher says of the other's rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from ..core.constraints import Either, EstimatorLike, Nothing, Rule
from ..core.heterogeneous import HeterogeneousData
from ..core.protocols import Array

__all__ = ["CLASSIFIER", "fit_classifier", "fitted_teacher", "labelled_target", "lessons"]

CLASSIFIER: Rule = Either(Nothing(), EstimatorLike("fit", "predict_proba"))


def labelled_target(data: HeterogeneousData) -> tuple[Array, Array]:
    """Rows of the target that have a label, and that label as an index into the classes.

    A label is known, or it is that of a source row which the target's row is paired with. A row that is known keeps its own
    label alone; one in several pairs is there once for each.
    """
    known, pairs = np.flatnonzero(data.known), data.pairs
    carried = pairs[~data.known[pairs[:, 1]]]
    return np.concatenate([known, carried[:, 1]]), np.concatenate([data.codes_t, data.codes[carried[:, 0]]])


def fit_classifier(classifier: Any, X: Array, y: Array) -> Any:
    """A clone of a classifier fitted; None is logistic regression on standardised columns.

    Where there is one class only, which most classifiers refuse, it is what is always answered.
    """
    if len(np.unique(y)) == 1:
        return DummyClassifier().fit(X, y)
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return (plain if classifier is None else clone(classifier)).fit(X, y)


def fitted_teacher(teacher: Any, X: Array, y: Array) -> Any:
    """The teacher as it is where it is fitted already, else a clone of it fitted to the rows."""
    try:
        check_is_fitted(teacher)
    except NotFittedError:
        return clone(teacher).fit(X, y)
    return teacher


def lessons(data: HeterogeneousData, answers: Array) -> tuple[Array, Array]:
    """Rows of the target that a teacher of the source has an answer for, and these answers.

    Parameters
    ----------
    data : HeterogeneousData
    answers : array of shape (n_source, k)
        The teacher's answers to all rows of the source.

    Returns
    -------
    rows : int array of shape (n_lessons,)
        The target's side of each pair; without pairs the rows with a known label.
    answers : array of shape (n_lessons, k)
        The answer to the source's side; without pairs the mean answer to the source's rows of that class.
    """
    if len(data.pairs):
        return data.pairs[:, 1], answers[data.pairs[:, 0]]
    assert data.classes is not None
    means = np.stack([answers[data.codes == c].mean(axis=0) for c in range(len(data.classes))])
    return np.flatnonzero(data.known), means[data.codes_t]
