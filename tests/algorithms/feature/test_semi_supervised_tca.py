"""SSTCA is the generalized eigenproblem of the paper, made with dense n x n matrices; TCA is its special case."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import eigh

from transferkit import TCA, Domain, SemiSupervisedTCA
from transferkit.ops.kernels.gaussian import rbf


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    centres = 2 * rng.normal(size=(3, 6))
    ys, yt = np.arange(40) % 3, np.arange(30) % 3
    return centres[ys] + rng.normal(size=(40, 6)), ys, centres[yt] + rng.normal(size=(30, 6)) + 3 * np.eye(6)[0], yt


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def papers_components(rows, ns, Y, k, mu, gamma, weight, n_neighbors, K):
    n = len(rows)
    e = np.r_[np.full(ns, 1 / ns), np.full(n - ns, -1 / (n - ns))]
    M, H = np.outer(e, e) / (e @ e), np.eye(n) - 1 / n
    d = np.linalg.norm(rows[:, None] - rows, axis=2)
    near = np.argsort(d, axis=1, kind="stable")[:, 1 : n_neighbors + 1]
    scale = np.mean([d[i, near[i]] for i in range(n)])
    W = np.zeros((n, n))
    for i in range(n):
        W[i, near[i]] = np.exp(-(d[i, near[i]] ** 2) / (2 * scale**2))
    W = np.maximum(W, W.T)
    L = np.diag(W.sum(axis=1)) - W
    L /= np.linalg.norm(L)
    Y = Y / np.linalg.norm(Y, 2)
    right = K @ H @ (gamma * Y @ Y.T + (1 - gamma) * np.eye(n)) @ H @ K
    left = K @ (M + weight * L) @ K + mu * np.eye(n)
    A = eigh(right, left)[1][:, ::-1][:, :k]
    return K @ (A / np.linalg.norm(A, axis=0))


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize(("gamma", "weight"), [(0.5, 1.0), (1.0, 0.0), (0.2, 20.0)])
def test_equals_the_papers_matrices(pair, kernel, gamma, weight):
    Xs, ys, Xt, yt = pair
    known = np.arange(30) < 6
    model = SemiSupervisedTCA(2, 0.5, gamma, weight, 4, kernel, 1.5 if kernel == "rbf" else None)
    model.fit(Xs, ys, target=Domain(Xt, yt, known))
    rows = unit(np.vstack([Xs, Xt]))
    Y = np.eye(3)[np.concatenate([ys, yt])] * np.concatenate([np.ones(40), known])[:, None]
    K = rows @ rows.T if kernel == "linear" else rbf(rows, rows, 1.5)
    Z = unit(papers_components(rows, 40, Y, 2, 0.5, gamma, weight, 4, K))
    ours = np.vstack([model.transform(Xs, "source"), model.transform(Xt)])
    assert_allclose(ours @ ours.T, Z @ Z.T, atol=1e-6)


@pytest.mark.parametrize("kernel", ["linear", "primal", "rbf"])
def test_without_labels_and_neighbours_it_is_tca(pair, kernel):
    Xs, ys, Xt, _ = pair
    ours = SemiSupervisedTCA(3, label_weight=0.0, manifold=0.0, kernel=kernel).fit(Xs, ys, target=Domain(Xt))
    tca = TCA(3, kernel=kernel).fit(Xs, ys, target=Domain(Xt))
    assert_allclose(ours.transform(Xt), tca.transform(Xt), atol=1e-6)


def test_labels_alone_span_as_many_directions_as_there_are_classes(pair):
    """Not one less: unlabelled rows belong to none, so that no class is implied by the others."""
    Xs, ys, Xt, _ = pair
    model = SemiSupervisedTCA(6, label_weight=1.0, normalize=False).fit(Xs, ys, target=Domain(Xt))
    assert model.n_components_ == 3
    assert SemiSupervisedTCA(6, label_weight=0.9, normalize=False).fit(Xs, ys, target=Domain(Xt)).n_components_ == 6


def test_numbers_of_any_unit(pair):
    Xs, _, Xt, _ = pair
    y = Xs @ np.arange(6.0)
    one, other = (SemiSupervisedTCA(2).fit(Xs, labels, target=Domain(Xt)) for labels in (y, 100 * y + 7))
    assert_allclose(one.components_, other.components_, atol=1e-8)


def test_repeated_rows_and_few_rows(pair):
    Xs, ys, Xt, _ = pair
    model = SemiSupervisedTCA(2, n_neighbors=50).fit(
        np.repeat(Xs[:3], 4, axis=0), np.repeat(ys[:3], 4), target=Domain(Xt[:1])
    )
    assert np.isfinite(model.transform(Xt)).all()


def test_features_of_huge_size(pair):
    Xs, ys, Xt, _ = pair
    size = 10.0 ** np.array([8, 0, -8, 4, 0, 0])
    for kernel in ("linear", "primal"):
        model = SemiSupervisedTCA(2, kernel=kernel, normalize=False).fit(Xs * size, ys, target=Domain(Xt * size))
        assert np.isfinite(model.transform(Xt * size)).all()
