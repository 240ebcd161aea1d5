import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from transferkit import FMMD, Domain, SourceOnly
from transferkit.algorithms.feature.fmmd import _most_apart
from transferkit.ops.kernels.gaussian import rbf


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 5)), np.arange(100) % 2
    X[:, :2] += 3 * y[:, None]
    Xt, yt = rng.normal(size=(80, 5)), np.arange(80) % 2
    Xt[:, :2] += 3 * yt[:, None]
    return X, y, Xt + np.array([0, 5, 0, 2, 0]), yt


def test_linear_weights_are_the_squared_gaps_of_the_means(pair):
    X, y, Xt, _ = pair
    model = FMMD().fit(X, y, target=Domain(Xt))
    gap = (X.mean(axis=0) - Xt.mean(axis=0)) / np.vstack([X, Xt]).std(axis=0)
    assert_allclose(model.weights_, gap**2 / np.linalg.norm(gap**2))

    def less(w):  # the objective itself, by a general-purpose solver
        return -(w * gap**2).sum()

    ball = {"type": "ineq", "fun": lambda w: 1 - w @ w}
    best = minimize(less, np.full(5, 0.1), bounds=[(0, None)] * 5, constraints=[ball]).x
    assert_allclose(model.weights_, best, atol=1e-3)


def test_features_that_moved_are_left_out_and_the_target_is_told(pair):
    X, y, Xt, yt = pair
    for kernel in ("linear", "rbf"):
        model = FMMD(kernel, threshold=0.2).fit(X, y, target=Domain(Xt))
        assert model.support_.tolist() == [True, False, True, False, True]
        assert model.score(Xt, yt) > SourceOnly().fit(X, y, target=Domain(Xt)).score(Xt, yt) + 0.1
    assert_array_equal(FMMD(threshold=0.2).fit(X, y, target=Domain(Xt)).transform(Xt), Xt[:, [0, 2, 4]])


def test_the_rbf_kernel_sees_a_change_that_leaves_the_mean():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 3)), np.arange(120) % 2
    Xt = rng.normal(size=(120, 3)) * [1, 1, 6]
    assert FMMD("rbf").fit(X, y, target=Domain(Xt)).support_.tolist() == [True, True, False]


def test_rbf_weights_are_a_maximum():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(40, 3)), rng.normal(size=(30, 3)) + np.array([1.5, 0.5, 0])
    w, _ = _most_apart(Xs, Xt, 0.2, 500)
    X, e = np.vstack([Xs, Xt]), np.repeat([1 / 40, -1 / 30], [40, 30])

    def apart(v):
        rows = X * np.sqrt(v)
        return e @ rbf(rows, rows, 0.2 * np.sqrt(3)) @ e

    assert np.linalg.norm(w) <= 1 + 1e-12
    for _ in range(50):
        near = np.maximum(w + 0.02 * rng.normal(size=3), 0)
        assert apart(near / max(np.linalg.norm(near), 1)) <= apart(w) + 1e-7


def test_without_a_shift_all_features_stay(pair):
    X, y, _, _ = pair
    rng = np.random.default_rng(1)
    order = rng.permutation(100)
    model = FMMD().fit(X[order[:50]], y[order[:50]], target=Domain(X[order[50:]]))
    assert model.support_.all()
    assert not FMMD(level=1.0).fit(X[order[:50]], y[order[:50]], target=Domain(X[order[50:]])).support_.all()


def test_units_do_not_matter_and_one_feature_stays(pair):
    X, y, Xt, _ = pair
    size = np.array([1e-5, 1e5, 1, 10, 0.1])
    plain, scaled = (FMMD().fit(X * s, y, target=Domain(Xt * s)) for s in (np.ones(5), size))
    assert_allclose(scaled.weights_, plain.weights_, rtol=1e-8)
    assert FMMD(threshold=0.0).fit(X, y, target=Domain(Xt + 50)).support_.sum() == 1
    same = FMMD().fit(np.ones((10, 2)), np.arange(10) % 2, target=Domain(np.ones((5, 2))))
    assert same.support_.all()
