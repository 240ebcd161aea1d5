"""ARTL's coefficients are the minimiser of its objective, and the linear kernel's weights are those of the kernel form."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.kernel_ridge import KernelRidge
from sklearn.neighbors import KNeighborsClassifier

from transferkit import ARTL, Domain
from transferkit.ops.kernels.laplacian import cosine_graph, normalised_laplacian
from transferkit.ops.kernels.mmd import mmd_vectors


@pytest.fixture
def pair():
    rng = np.random.default_rng(1)
    ys, yt = np.arange(40) % 2, np.arange(30) % 2
    Xs, Xt = rng.normal(size=(40, 5)), rng.normal(size=(30, 5)) + 0.3
    Xs[:, 0] += 3 * ys
    Xt[:, 0] += 3 * yt
    return Xs, ys, Xt, yt


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_stationary(pair, kernel):
    """The gradient of the objective, with the first pseudo-labels, is zero after one round."""
    Xs, ys, Xt, _ = pair
    nearest = KNeighborsClassifier(1)
    model = ARTL(0.3, 5.0, 0.7, 4, kernel, n_iter=1, estimator=nearest).fit(Xs, ys, target=Domain(Xt))
    X = unit(np.vstack([Xs, Xt]))
    K = X @ X.T if kernel == "linear" else np.exp(-0.5 * ((X[:, None] - X) ** 2).sum(axis=2))
    codes = nearest.fit(X[:40], ys).predict(X[40:])
    E = mmd_vectors(40, 30, ys, codes)
    L = normalised_laplacian(cosine_graph(X, 4)).toarray()
    Y = np.vstack([np.eye(2)[ys], np.zeros((30, 2))])
    J = np.diag(np.r_[np.ones(40), np.zeros(30)])
    V = J + 5.0 * E @ E.T + 0.7 * L
    if kernel == "rbf":
        assert_allclose(K @ (V @ K @ model.coef_ + 0.3 * model.coef_ - J @ Y), 0, atol=1e-8)
    else:
        assert_allclose(X.T @ V @ X @ model.coef_ + 0.3 * model.coef_ - X.T @ J @ Y, 0, atol=1e-8)


def test_without_transfer_it_is_kernel_ridge(pair):
    Xs, ys, Xt, _ = pair
    model = ARTL(0.5, 0.0, 0.0, gamma=0.8).fit(Xs, ys, target=Domain(Xt))
    plain = KernelRidge(alpha=0.5, kernel="rbf", gamma=0.8).fit(unit(Xs), np.eye(2)[ys])
    assert_allclose(model.coef_[:40], plain.dual_coef_, atol=1e-10)
    assert_allclose(model.coef_[40:], 0, atol=1e-12)


def test_known_labels_join(pair):
    Xs, ys, Xt, yt = pair
    swapped = ARTL().fit(Xs, ys, target=Domain(Xt, 1 - yt))
    assert swapped.n_iter_ == 1
    assert swapped.score(Xt, yt) < ARTL().fit(Xs, ys, target=Domain(Xt, yt)).score(Xt, yt)


def test_probabilities_follow_the_outputs(pair):
    Xs, ys, Xt, _ = pair
    model = ARTL(estimator=KNeighborsClassifier(1), kernel="linear").fit(Xs, ys, target=Domain(Xt))
    proba = model.predict_proba(Xt)
    assert_allclose(proba.sum(axis=1), 1)
    assert (proba >= 0).all()
    assert (proba.argmax(axis=1) == (unit(Xt) @ model.coef_).argmax(axis=1)).all()
