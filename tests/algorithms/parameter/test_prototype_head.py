import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestCentroid
from torch import nn

from source_networks import mlp_source, rows
from transferkit import DomainError, PrototypeHead


def features(X):
    source = mlp_source()
    with torch.no_grad():
        return source.body(torch.as_tensor(X)).double().numpy()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_it_is_the_nearest_class_mean(metric):
    X, y = rows(60)
    new, _ = rows(200, seed=1)
    model = PrototypeHead(mlp_source(), metric=metric).fit(X, y)
    Z, Z_new = features(X), features(new)
    if metric == "cosine":
        Z = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    means = np.stack([Z[y == k].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(model.prototypes_, means, atol=1e-6)
    far = cdist(Z_new, means, "sqeuclidean" if metric == "euclidean" else "cosine")
    np.testing.assert_array_equal(model.predict(new), far.argmin(axis=1))
    logits, wanted = model.decision_function(new), -far if metric == "euclidean" else 10 * (1 - far)
    np.testing.assert_allclose(  # what all classes share does not count
        logits - logits.mean(axis=1, keepdims=True), wanted - wanted.mean(axis=1, keepdims=True), atol=1e-4
    )
    if metric == "euclidean":
        np.testing.assert_array_equal(model.predict(new), NearestCentroid().fit(Z, y).predict(Z_new))
        proba = np.exp(-far) / np.exp(-far).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(model.predict_proba(new), proba, atol=1e-5)


@pytest.mark.parametrize("shrinkage", [0.2, 1.0])
def test_mahalanobis_is_linear_discriminant_analysis(shrinkage):
    X, y = rows(60)
    new, _ = rows(100, seed=1)
    model = PrototypeHead(mlp_source(), metric="mahalanobis", shrinkage=shrinkage).fit(X, y)
    plain = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(features(X), y)
    np.testing.assert_allclose(model.predict_proba(new), plain.predict_proba(features(new)), atol=1e-4)
    ours, theirs = model.decision_function(new), plain.decision_function(features(new))
    np.testing.assert_allclose(
        ours - ours.mean(axis=1, keepdims=True), theirs - theirs.mean(axis=1, keepdims=True), rtol=1e-3, atol=1e-3
    )


def test_shrinkage_is_chosen_and_helps_where_rows_are_few():
    rng = np.random.default_rng(0)
    S = np.diag(np.geomspace(1, 20, 30))
    centres = rng.normal(size=(2, 30))

    def draw(n):
        y = np.arange(n) % 2
        return (centres[y] + rng.normal(size=(n, 30)) @ np.sqrt(S)).astype(np.float32), y

    (X, y), (new, y_new) = draw(36), draw(2000)
    scores = {
        s: PrototypeHead(nn.Identity(), metric="mahalanobis", shrinkage=s).fit(X, y).score(new, y_new)
        for s in ("ledoit_wolf", 0.0)
    }
    model = PrototypeHead(nn.Identity(), metric="mahalanobis").fit(X, y)
    assert 0 < model.shrinkage_ < 1
    assert scores["ledoit_wolf"] > scores[0.0]
    assert scores["ledoit_wolf"] > PrototypeHead(nn.Identity()).fit(X, y).score(new, y_new)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "mahalanobis"])
def test_one_row_a_class(metric):
    X, y = rows(3)
    model = PrototypeHead(mlp_source(), metric=metric).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), y)
    new, y_new = rows(90)
    assert model.score(new, y_new) > 0.9


def test_large_features_far_from_zero_lose_no_digits():
    X, y = rows(60)
    far = nn.Linear(6, 6)
    with torch.no_grad():
        far.weight.copy_(torch.eye(6))
        far.bias.fill_(100.0)
    near = PrototypeHead(nn.Identity()).fit(X, y)
    np.testing.assert_allclose(PrototypeHead(far).fit(X, y).predict_proba(X), near.predict_proba(X), atol=1e-2)


def test_l2_and_other_labels():
    X, y = rows(30)
    model = PrototypeHead(mlp_source(), l2=True).fit(X, y)
    np.testing.assert_allclose(np.linalg.norm(model.transform(X), axis=1), 1, atol=1e-5)
    with pytest.raises(DomainError, match="one class a row"):
        PrototypeHead(mlp_source()).fit(X, X[:, 0])
