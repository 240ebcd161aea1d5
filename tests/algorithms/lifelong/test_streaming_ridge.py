"""Streaming ridge: the joint fit of scikit-learn to 1e-8 whatever the order and the pieces, for classes and numbers."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from transferkit import Domain, DomainError, StreamingRidge


def rows(seed=0, n=200):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)) + 50.0
    return X, X @ rng.normal(size=6) + rng.normal(size=n), rng.choice(["a", "b", "c"], size=n)


def learn(X, y, order, pieces, **params):
    model = StreamingRidge(**params)
    for k, part in enumerate(np.array_split(order, pieces)):
        model.partial_fit(Domain(X[part], y[part], name=f"task {k}"))
    return model


@pytest.mark.parametrize("pieces", [1, 6, 200])
def test_numbers(pieces):
    X, y, _ = rows()
    joint = Ridge(alpha=3.0).fit(X, y)
    for order in (np.argsort(y), np.random.default_rng(2).permutation(200)):
        model = learn(X, y, order, pieces, reg=3.0, task="regression")
        np.testing.assert_allclose(model.coef_[0], joint.coef_, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(model.predict(X), joint.predict(X), rtol=1e-8)
    assert not hasattr(model, "classes_")
    assert not hasattr(model, "decision_function")  # numbers have no scores of classes
    assert model.score(X, y) == pytest.approx(joint.score(X, y))


@pytest.mark.parametrize("pieces", [1, 6, 200])
def test_classes_that_come_one_after_the_other(pieces):
    X, _, y = rows()
    joint = Ridge(alpha=1.0).fit(X, (y[:, None] == ["a", "b", "c"]).astype(float))
    model = learn(X, y, np.argsort(y, kind="stable"), pieces)
    assert model.outputs_.classes == ["a", "b", "c"]
    np.testing.assert_allclose(model.decision_function(X), joint.predict(X), rtol=1e-8, atol=1e-9)


def test_the_first_task_says_whether_it_is_a_regression():
    X, y, names = rows()
    model = StreamingRidge().partial_fit(Domain(X, y, name="numbers"))
    model.partial_fit(Domain(X, np.round(y), name="whole numbers"))
    assert model.predict(X, task="whole numbers").dtype.kind == "f"
    for other, labels in ((model, names), (StreamingRidge().partial_fit(Domain(X, names)), y)):
        with pytest.raises(DomainError, match="of the kind that came first"):
            other.partial_fit(Domain(X, labels, name="more"))
    with pytest.raises(DomainError, match="task must be one that has come"):
        model.predict(X, task="other")


def test_a_regression_takes_no_text():
    X, _, names = rows(n=20)
    for labels in (names, np.where(X[:, 0] > 50, "1", "2")):
        model = StreamingRidge(task="regression")
        with pytest.raises(DomainError, match=r"y of task 'domain' must hold numbers\. Got text"):
            model.partial_fit(Domain(X, labels))
        assert not hasattr(model, "n_features_in_")
