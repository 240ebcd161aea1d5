"""TCA solves the paper's eigenproblem, written out with its dense matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import eigh
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier

from transferkit import TCA, Domain, ParamError
from transferkit.ops.solvers.linalg import principal_axes

GAMMA, REG = 0.3, 0.7


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(30, 6)), rng.normal(size=(24, 6)) * 1.5 + 0.8
    return Xs, np.arange(30) % 3, Xt


def dense(X, n_source, kernel, k):
    """Unit-length solutions of (K M K + reg I) a = phi K H K a with the k smallest phi, and the matrices."""
    n = len(X)
    K = {"linear": X @ X.T, "rbf": rbf_kernel(X, gamma=GAMMA), "primal": X.T}[kernel]
    e = np.r_[np.full(n_source, 1 / n_source), np.full(n - n_source, -1 / (n - n_source))]
    M = np.outer(e, e) / np.linalg.norm(np.outer(e, e))
    H = np.eye(n) - 1 / n
    B, C = K @ H @ K.T, K @ M @ K.T + REG * np.eye(len(K))
    A = eigh(B, C)[1][:, ::-1][:, :k]
    return A / np.linalg.norm(A, axis=0), K, B, C


def same_up_to_sign(A, B):
    assert_allclose(A * np.sign((A * B).sum(axis=0)), B, atol=1e-8)


@pytest.mark.parametrize("kernel", ["linear", "primal", "rbf"])
@pytest.mark.parametrize("n_features", [6, 90])
def test_the_mapped_rows_are_those_of_the_dense_problem(pair, kernel, n_features):
    """Also with more features than rows, where the reduced problem is another one."""
    Xs, y, Xt = pair
    lift = np.random.default_rng(1).normal(size=(6, n_features)) / n_features if n_features > 6 else np.eye(6)
    Xs, Xt = Xs @ lift, Xt @ lift
    model = TCA(4, REG, kernel, GAMMA, normalize=False).fit(Xs, y, target=Domain(Xt))
    A, K, _, _ = dense(np.vstack([Xs, Xt]), len(Xs), kernel, 4)
    Z = np.vstack([model.transform(Xs, "source"), model.transform(Xt)])
    same_up_to_sign(Z, K.T @ A)


@pytest.mark.parametrize("kernel", ["primal", "rbf"])
def test_components_fulfil_the_generalized_eigen_equation(pair, kernel):
    Xs, y, Xt = pair
    model = TCA(3, REG, kernel, GAMMA, normalize=False).fit(Xs, y, target=Domain(Xt))
    _, _, B, C = dense(np.vstack([Xs, Xt]), len(Xs), kernel, 3)
    A = model.components_
    phi = np.einsum("ij,ij->j", A, C @ A) / np.einsum("ij,ij->j", A, B @ A)
    assert_allclose(C @ A, B @ A * phi, atol=1e-8)
    assert_allclose(np.linalg.norm(A, axis=0), 1)


def test_linear_and_primal_agree_where_all_singular_values_are_equal(pair):
    """Then the two penalties are the same up to the square of that value, and so are predictions."""
    Xs, y, Xt = pair
    scale = 3.0
    X = scale * np.linalg.qr(np.vstack([Xs, Xt]))[0]
    linear, primal = (
        TCA(6, reg, kernel, normalize=False, estimator=KNeighborsClassifier(1)).fit(X[:30], y, target=Domain(X[30:]))
        for reg, kernel in ((REG * scale**2, "linear"), (REG, "primal"))
    )
    Z, W = linear.transform(X[30:]), primal.transform(X[30:])
    assert_allclose(Z @ Z.T / scale**2, W @ W.T, atol=1e-8)
    assert_array_equal(linear.predict(X[30:]), primal.predict(X[30:]))


def test_little_penalty_closes_the_gap_of_the_means_and_much_leaves_principal_components(pair):
    Xs, y, Xt = pair
    close = TCA(3, 1e-8, "primal", normalize=False).fit(Xs, y, target=Domain(Xt))
    gap = close.transform(Xs, "source").mean(axis=0) - close.transform(Xt).mean(axis=0)
    assert_allclose(gap, 0, atol=1e-6)
    heavy = TCA(3, 1e8, "primal", normalize=False).fit(Xs, y, target=Domain(Xt))
    axes = principal_axes(np.vstack([Xs, Xt]), 3)[1]
    assert_allclose(np.abs(heavy.components_.T @ axes), np.eye(3), atol=1e-5)


def test_normalised_rows_have_length_one_and_scale_does_not_matter(pair):
    Xs, y, Xt = pair
    target = Domain(Xt)
    model = TCA(3).fit(Xs, y, target=target)
    assert_allclose(np.linalg.norm(model.transform(Xt), axis=1), 1)
    assert_allclose(model.transform(7 * Xt), model.transform(Xt))


def test_the_rank_limits_the_components(pair):
    Xs, y, Xt = pair
    Xs, Xt = Xs[:, [0, 0, 1]], Xt[:, [0, 0, 1]]
    model = TCA(30, normalize=False).fit(Xs, y, target=Domain(Xt))
    assert model.n_components_ == 2
    assert model.transform(Xt).shape == (24, 2)
    assert TCA(30).fit(np.ones((10, 1)), np.arange(10) % 2, target=Domain(np.ones((5, 1)))).n_components_ == 1


def test_a_refit_with_another_kernel_starts_fresh(pair):
    Xs, y, Xt = pair
    model = TCA(3, kernel="rbf").fit(Xs, y, target=Domain(Xt))
    assert model.gamma_ > 0
    model.set_params(kernel="linear").fit(Xs, y, target=Domain(Xt))
    assert model.X_fit_ is None
    assert model.gamma_ is None
    assert_allclose(model.transform(Xt), TCA(3).fit(Xs, y, target=Domain(Xt)).transform(Xt))


def test_with_all_rows_as_landmarks_the_approximation_is_exact(pair):
    Xs, y, Xt = pair
    few = {"approx": "nystroem", "random_state": 0, "normalize": False}
    exact = TCA(4, REG, "rbf", GAMMA, normalize=False).fit(Xs, y, target=Domain(Xt))
    model = TCA(4, REG, "rbf", GAMMA, n_landmarks=54, **few).fit(Xs, y, target=Domain(Xt))
    same_up_to_sign(model.transform(Xt), exact.transform(Xt))
    model = TCA(4, REG, "rbf", GAMMA, n_landmarks=7, **few).fit(Xs, y, target=Domain(Xt))
    assert model.X_fit_.shape == (7, 6)
    assert model.components_.shape == (7, 4)
    with pytest.raises(ParamError, match="unless kernel='rbf'"):
        TCA(4, **few).fit(Xs, y, target=Domain(Xt))
