import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from transferkit import Domain, TargetOnly
from transferkit.core.errors import DomainError


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    return X, np.arange(60) % 3, rng.normal(size=(60, 3)) + np.eye(3)[np.arange(60) % 3]


def test_is_the_inner_estimator_on_the_known_target_rows(data):
    X, y, Xt = data
    known = np.arange(60) < 20
    model = TargetOnly().fit(X, y, target=Domain(Xt, y, known))
    plain = LogisticRegression(max_iter=1000).fit(Xt[known], y[known])
    np.testing.assert_array_equal(model.predict_proba(Xt), plain.predict_proba(Xt))


def test_a_class_without_a_label_keeps_its_column(data):
    X, y, Xt = data
    model = TargetOnly().fit(X, y, target=Domain(Xt, y, known=y != 1))
    plain = LogisticRegression(max_iter=1000).fit(Xt[y != 1], y[y != 1])
    assert model.classes_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(model.predict_proba(Xt)[:, [0, 2]], plain.predict_proba(Xt))
    assert (model.predict_proba(Xt)[:, 1] == 0).all()
    np.testing.assert_array_equal(model.classes_[model.decision_function(Xt).argmax(axis=1)], model.predict(Xt))


@pytest.mark.parametrize("known", [np.zeros(60, bool), np.arange(60) % 3 == 1], ids=["none", "one class"])
def test_too_few_labels_are_named(data, known):
    X, y, Xt = data
    with pytest.raises(DomainError, match=r"TargetOnly\.fit: target must have known labels of at least two classes"):
        TargetOnly().fit(X, y, target=Domain(Xt, y, known))


def test_regression_needs_two_labels(data):
    X, _, Xt = data
    y = X[:, 0] + 0.5
    with pytest.raises(DomainError, match=r"at least two known labels\. Got 1"):
        TargetOnly().fit(X, y, target=Domain(Xt, y, np.arange(60) == 5))
    assert TargetOnly().fit(X, y, target=Domain(Xt, y, np.arange(60) < 5)).predict(Xt).shape == (60,)
