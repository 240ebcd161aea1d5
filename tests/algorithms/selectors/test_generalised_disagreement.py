"""Generalised disagreement: the theorem on a calibrated ensemble, and the constant that fools it."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier

from transferkit import Domain, GeneralisedDisagreement, SourceOnly
from transferkit.core.errors import DomainError


class Draws(ClassifierMixin, BaseEstimator):
    """Each fit is another draw of labels from the posterior, which is the first column: a calibrated ensemble."""

    def __init__(self, sharpen=1.0, random_state=None):
        self.sharpen = sharpen
        self.random_state = random_state

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        p = X[:, 0] ** self.sharpen / (X[:, 0] ** self.sharpen + (1 - X[:, 0]) ** self.sharpen)
        return (np.random.RandomState(self.random_state).random_sample(len(X)) < p).astype(int)


def posteriors(n=20000):
    rng = np.random.default_rng(0)
    X = rng.uniform(0.01, 0.99, (n, 1))
    return Domain(X[:40], np.arange(40) % 2), Domain(X), (rng.random(n) < X[:, 0]).astype(int)


def test_theorem_4_2():
    """If the ensemble of fits is calibrated, disagreement equals error: here both are the mean of 2 p (1 - p), 1/3."""
    source, target, y = posteriors()
    model = Draws(random_state=5).fit(source.X, source.y)
    score = GeneralisedDisagreement(random_state=0).score(model, source, target)
    assert score == pytest.approx((model.predict(target.X) == y).mean(), abs=0.015)
    assert score == pytest.approx(2 / 3, abs=0.015)


def test_an_ensemble_that_is_too_sure_scores_too_high():
    source, target, y = posteriors()
    model = Draws(sharpen=4, random_state=5).fit(source.X, source.y)
    score = GeneralisedDisagreement(random_state=0).score(model, source, target)
    assert score > (model.predict(target.X) == y).mean() + 0.05


def test_a_constant_agrees_with_itself():
    rng = np.random.default_rng(0)
    source, target = Domain(rng.normal(size=(40, 2)), np.arange(40) % 2), Domain(rng.normal(size=(30, 2)))
    model = SourceOnly(DummyClassifier()).fit(source.X, source.y, target=target)
    assert GeneralisedDisagreement(random_state=0).score(model, source, target) == 1.0


def test_copies_see_disjoint_halves_of_every_class():
    """A tree that memorises shows which rows it saw: with pure noise two halves agree by chance only."""
    rng = np.random.default_rng(0)
    source, target = Domain(rng.normal(size=(400, 3)), np.arange(400) % 2), Domain(rng.normal(size=(400, 3)))
    model = SourceOnly(DecisionTreeClassifier(random_state=0)).fit(source.X, source.y, target=target)
    assert GeneralisedDisagreement(n_pairs=4, random_state=0).score(model, source, target) == pytest.approx(
        0.5, abs=0.06
    )


def test_a_class_of_one_row_cannot_be_halved():
    source, target = Domain(np.eye(3), np.array([0, 0, 1])), Domain(np.eye(3))
    model = SourceOnly().fit(source.X, source.y, target=target)
    with pytest.raises(DomainError, match="source must have two rows of every class"):
        GeneralisedDisagreement().score(model, source, target)
