"""MEDA's coefficients solve its linear system on the mapped rows; with mu = 1/2 they are ARTL's there."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from transferkit import ARTL, GFK, MEDA, Domain
from transferkit.ops.balance import conditional_share
from transferkit.ops.kernels.laplacian import cosine_graph, normalised_laplacian
from transferkit.ops.kernels.mmd import mmd_vectors


@pytest.fixture
def pair():
    rng = np.random.default_rng(1)
    ys, yt = np.arange(40) % 2, np.arange(30) % 2
    Xs, Xt = rng.normal(size=(40, 6)), rng.normal(size=(30, 6)) + 0.3
    Xs[:, 0] += 4 * ys
    Xt[:, 0] += 4 * yt
    return Xs, ys, Xt, yt


def test_stationary(pair):
    Xs, ys, Xt, _ = pair
    model = MEDA(2, reg=0.3, discrepancy=5.0, manifold=0.7, n_neighbors=4, n_iter=50).fit(Xs, ys, target=Domain(Xt))
    assert model.n_iter_ < 50
    mapped = np.vstack([Xs, Xt]) @ model.components_
    X = mapped / np.linalg.norm(mapped, axis=1, keepdims=True)
    assert_allclose(model.X_fit_, X)
    K = np.exp(-0.5 * ((X[:, None] - X) ** 2).sum(axis=2))
    codes = (K @ model.coef_)[40:].argmax(axis=1)
    assert model.mu_ == conditional_share(mapped[:40], ys, mapped[40:], codes)
    E = mmd_vectors(40, 30, ys, codes, mu=model.mu_)
    J = np.diag(np.r_[np.ones(40), np.zeros(30)])
    V = J + 5.0 * E @ E.T + 0.7 * normalised_laplacian(cosine_graph(X, 4)).toarray()
    Y = np.vstack([np.eye(2)[ys], np.zeros((30, 2))])
    assert_allclose(V @ K @ model.coef_ + 0.3 * model.coef_, Y, atol=1e-9)


def test_half_is_artl_on_the_manifold(pair):
    Xs, ys, Xt, _ = pair
    meda = MEDA(3, 0.5).fit(Xs, ys, target=Domain(Xt))
    gfk = GFK(3).fit(Xs, ys, target=Domain(Xt))
    assert_allclose(meda.components_ @ meda.components_.T, gfk.components_ @ gfk.components_.T, atol=1e-10)
    Zs, Zt = Xs @ meda.components_, Xt @ meda.components_
    artl = ARTL().fit(Zs, ys, target=Domain(Zt))
    assert_allclose(meda.predict_proba(Xt), artl.predict_proba(Zt), atol=1e-8)


def test_known_labels_stand(pair):
    Xs, ys, Xt, yt = pair
    model = MEDA(3).fit(Xs, ys, target=Domain(Xt, yt))
    assert model.n_iter_ == 1
    assert model.score(Xt, yt) > 0.9


def test_with_all_rows_as_landmarks_the_approximation_is_exact():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    Xs = rng.normal(size=(80, 6)) + 2 * y[:, None] * [1, 1, 0, 0, 0, 0]
    Xt = Xs + np.array([0, 1, 0, 0, 0, 0])
    exact = MEDA(n_components=3).fit(Xs, y, target=Domain(Xt))
    few = MEDA(n_components=3, approx="nystroem", n_landmarks=1000, random_state=0).fit(Xs, y, target=Domain(Xt))
    np.testing.assert_allclose(few.predict_proba(Xt), exact.predict_proba(Xt), atol=1e-6)
    less = MEDA(n_components=3, approx="nystroem", n_landmarks=40, random_state=0).fit(Xs, y, target=Domain(Xt))
    assert less.coef_.shape == (40, 2)
    assert less.score(Xt, y) > exact.score(Xt, y) - 0.05
