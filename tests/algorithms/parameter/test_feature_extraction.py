"""Feature extraction: the exact heads equal scikit-learn's, and the source model is passed through once."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from torch import nn

from transferkit import FeatureExtraction
from transferkit.engine.training.settings import Training


class Counting(nn.Module):
    """Features, and how many rows have passed through any copy."""

    passed = 0

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(5, 12)

    def forward(self, x):
        Counting.passed += len(x)
        return torch.relu(self.layer(x))


def data(n=80, n_classes=3):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 5)).astype(np.float32)
    return X, (X @ rng.normal(size=(5, n_classes))).argmax(axis=1)


def features(X):
    with torch.no_grad():
        return Counting()(torch.as_tensor(X)).numpy().astype(np.float64)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_logistic_head_is_scikit_learns(n_classes):
    X, y = data(n_classes=n_classes)
    model = FeatureExtraction(Counting(), reg=0.5).fit(X, y)
    Z = StandardScaler().fit_transform(features(X))
    plain = LogisticRegression(C=2.0, max_iter=2000).fit(Z, y)
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(Z), atol=1e-4)


def test_ridge_head_is_scikit_learns():
    X, _ = data()
    y = X[:, 0] * 3 + 1.5
    model = FeatureExtraction(Counting(), head="ridge", reg=2.0).fit(X, y)
    Z = StandardScaler().fit_transform(features(X))
    np.testing.assert_allclose(model.predict(X), Ridge(alpha=2.0).fit(Z, y).predict(Z), atol=1e-3)


def test_cross_validation_takes_a_strength_that_is_there():
    X, y = data()
    assert FeatureExtraction(Counting(), reg="cv").fit(X, y).score(X, y) > 0.8
    assert FeatureExtraction(Counting(), head="ridge", reg="cv").fit(X, y).score(X, y) > 0.8


@pytest.mark.parametrize("head", ["linear", "mlp", "adapter", "cosine"])
def test_a_trained_head_passes_the_source_once(head):
    X, y = data(160)
    Counting.passed = 0
    model = FeatureExtraction(Counting(), head=head, training=Training(n_epochs=30, lr=0.02)).fit(X, y)
    assert Counting.passed <= 2 * len(X), "once, and a sample to see the shape"
    assert model.score(X, y) > 0.8
    assert len(model.history_) == 30


def test_the_frozen_features_stay():
    X, y = data()
    model = FeatureExtraction(Counting(), head="linear", training=Training(n_epochs=2)).fit(X, y)
    np.testing.assert_allclose(model.transform(X), features(X), atol=1e-6)


def test_several_labels():
    X, _ = data()
    Y = np.column_stack([X[:, 0] > 0, X[:, 1] > 0, np.ones(len(X))]).astype(int)
    model = FeatureExtraction(Counting()).fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert (model.predict(X)[:, 2] == 1).all()


def test_unit_features():
    X, y = data()
    model = FeatureExtraction(Counting(), l2=True).fit(X, y)
    np.testing.assert_allclose(np.linalg.norm(model.transform(X), axis=1), 1, atol=1e-5)
