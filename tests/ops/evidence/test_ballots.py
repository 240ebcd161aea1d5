"""Votes of several classifiers in one order of classes."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from transferkit.core.errors import DomainError, ParamError
from transferkit.ops.evidence.ballots import ballot, common_classes, labels_of, majority


class Selector:
    """Its name is in the messages."""


def test_majority_by_hand_and_its_ties():
    codes = np.array([[0, 1, 2], [0, 2, 1], [1, 1, 0]])
    assert majority(codes, 3).tolist() == [0, 1, 0]
    proba = np.array([[0.0, 1, 0], [0, 0.4, 0.6], [0.2, 0.3, 0.5]])
    # Two votes are not outweighed by a probability of 1; among one vote each, the most probable wins.
    assert majority(codes, 3, proba).tolist() == [0, 1, 2]


def test_classes_and_columns_are_aligned():
    X = np.array([[0.0], [1.0], [4.0], [5.0]])
    models = [LogisticRegression().fit(X, list("aabb")), LogisticRegression().fit(X, list("bbcc"))]
    labels = [labels_of(Selector(), m, X) for m in models]
    classes = common_classes(models, labels)
    assert classes.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(ballot(Selector(), models[1], X, classes)[:, 1:], models[1].predict_proba(X))
    assert (ballot(Selector(), models[1], X, classes)[:, 0] == 0).all()


def test_what_cannot_be_asked_is_named():
    X = np.zeros((3, 1))
    with pytest.raises(ParamError, match=r"^Selector\.score: candidate must have predict"):
        labels_of(Selector(), object(), X)
    with pytest.raises(ParamError, match=r"^Selector\.score: candidate must be fitted"):
        labels_of(Selector(), Ridge(), X)
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(DomainError, match=r"^Selector\.score: target\.X must be rows"):
        labels_of(Selector(), model, np.zeros((3, 2)))
