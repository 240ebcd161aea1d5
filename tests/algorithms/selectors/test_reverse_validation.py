"""Reverse validation: the way there and back by hand, what it detects, and the swap that it cannot see."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from transferkit import CORAL, Domain, ReverseValidation, SourceOnly, TrAdaBoost
from transferkit.core.errors import DomainError


def blobs(shift=(0.0, 0.0, 0.0), n=90):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    X, Xt = (rng.normal(size=(n, 3)) + 5 * np.eye(3)[y] for _ in range(2))
    return Domain(X, y), Domain(Xt + np.array(shift), y, np.zeros(n, dtype=bool))


def fitted(method, source, target):
    return method.fit(source.X, source.y, target=target)


def test_circular_validation_by_hand():
    source, target = blobs((2.0, 0.0, 0.0))
    there = fitted(CORAL(), source, target)
    back = CORAL().fit(target.X, there.predict(target.X), target=Domain(source.X))
    expected = -(back.predict(source.X) != source.y).mean()
    assert ReverseValidation(cv=None).score(there, source, target) == expected


def test_a_mean_goes_there_and_back():
    """Folds of one row each: both ways are the mean of the others, so the loss is that of the left-out mean."""
    y = np.array([0.5, 1.5, 4.0, 6.0])
    source, target = Domain(np.arange(4.0)[:, None], y), Domain(np.arange(3.0)[:, None])
    model = fitted(SourceOnly(DummyRegressor()), source, target)
    left_out = (y.sum() - y) / 3
    assert ReverseValidation(cv=4, random_state=0).score(model, source, target) == pytest.approx(
        -((y - left_out) ** 2).mean()
    )


def test_a_linear_rule_comes_back():
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + 1
    source, target = Domain(X, X @ [1.0, -2.0]), Domain(Xt)
    model = fitted(SourceOnly(Ridge(1e-6)), source, target)
    assert -1e-6 < ReverseValidation(random_state=0).score(model, source, target) <= 0


def test_a_method_that_loses_a_class_does_not_come_back():
    source, target = blobs((9.0, 0.0, 0.0))
    plain, moved = fitted(SourceOnly(), source, target), fitted(CORAL(centre=True), source, target)
    reverse = ReverseValidation(random_state=0)
    assert reverse.score(plain, source, target) == pytest.approx(-2 / 3)  # it named one class only
    assert reverse.score(moved, source, target) > -0.1


class Swaps(ClassifierMixin, BaseEstimator):
    """Learns two classes and names the other one."""

    def fit(self, X, y):
        self.inner_ = LogisticRegression().fit(X, y)
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, X):
        return self.classes_[1 - self.inner_.predict_proba(X).argmax(axis=1)]


def test_swapping_twice_is_not_seen():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    source, target = (Domain(rng.normal(size=(80, 2)) + 8 * y[:, None], y) for _ in range(2))
    model = fitted(SourceOnly(Swaps()), source, target.hide())
    assert (model.predict(target.X) == y).mean() == 0.0
    assert ReverseValidation(random_state=0).score(model, source, target) == 0.0


def test_known_target_labels_are_not_read():
    source, target = blobs((2.0, 0.0, 0.0))
    model = fitted(CORAL(), source, target)
    known = Domain(target.X, target.y)
    assert ReverseValidation(random_state=0).score(model, source, known) == ReverseValidation(random_state=0).score(
        model, source, target.hide()
    )


def test_what_needs_labels_cannot_be_judged():
    source, target = blobs()
    model = TrAdaBoost().fit(source.X, source.y, target=Domain(target.X, target.y))
    with pytest.raises(DomainError, match=r"^ReverseValidation\.score: candidate must fit again.*known labels"):
        ReverseValidation(random_state=0).score(model, source, target)
