"""The vectors multiply to the matrices of TCA and JDA; the Gaussian kernel is scikit-learn's."""

import numpy as np
from numpy.testing import assert_allclose
from scipy.linalg import eigh
from sklearn.metrics.pairwise import rbf_kernel

from transferkit.ops.kernels import mmd
from transferkit.ops.kernels.gaussian import median_gamma, rbf
from transferkit.ops.kernels.mmd import ComponentProblem, leading_ratio, mmd_vectors


def test_the_quadratic_form_is_the_distance_of_the_means():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)) + 1
    X, E = np.vstack([Xs, Xt]), mmd_vectors(7, 5)
    assert_allclose(np.linalg.norm(E @ E.T), 1)
    scale = np.sqrt(1 / 7 + 1 / 5)
    gap = Xs.mean(axis=0) - Xt.mean(axis=0)
    assert_allclose(np.trace(X.T @ E @ E.T @ X), gap @ gap / scale**2)


def test_classes_on_one_side_only_are_left_out():
    codes_s, codes_t = np.array([0, 0, 1, 2]), np.array([1, -1, 1])
    E = mmd_vectors(4, 3, codes_s, codes_t)
    assert E.shape == (7, 2)
    assert_allclose(E[:, 1] / E[2, 1], [0, 0, 1, 0, -0.5, 0, -0.5])
    assert_allclose(E[:, 0] / E[2, 1], np.sqrt(3) * np.array([1, 1, 1, 1, -4 / 3, -4 / 3, -4 / 3]) / 4)


def test_share_of_the_classes_and_their_weights():
    """The matrices of BDA and W-BDA, entry by entry."""
    codes_s, codes_t = np.array([0, 0, 0, 1]), np.array([1, 1, 0])
    whole = np.array([1 / 4] * 4 + [-1 / 3] * 3)
    first, second = np.array([1 / 3, 1 / 3, 1 / 3, 0, 0, 0, -1]), np.array([0, 0, 0, 1, -1 / 2, -1 / 2, 0])
    M = 0.7 * 2 * np.outer(whole, whole) + 0.3 * (np.outer(first, first) + np.outer(second, second))
    E = mmd_vectors(4, 3, codes_s, codes_t, mu=0.3)
    assert_allclose(E @ E.T, M / np.linalg.norm(M), atol=1e-12)
    first *= np.sqrt([3 / 4] * 4 + [1 / 3] * 3)
    second *= np.sqrt([1 / 4] * 4 + [2 / 3] * 3)
    M = np.outer(first, first) + np.outer(second, second)
    E = mmd_vectors(4, 3, codes_s, codes_t, mu=1.0, weighted=True)
    assert_allclose(E @ E.T, M / np.linalg.norm(M), atol=1e-12)
    nobody = mmd_vectors(4, 3, codes_s, np.full(3, -1), mu=1.0)
    assert_allclose(nobody @ nobody.T, np.outer(whole, whole) / (whole @ whole))


def test_leading_ratio_is_the_generalized_eigenproblem():
    rng = np.random.default_rng(0)
    F, U = rng.normal(size=(9, 6)), rng.normal(size=(6, 2))
    S, P = F.T @ F, U @ U.T + 0.3 * np.eye(6)
    expected = eigh(S, P, eigvals_only=True)[::-1][:4]
    for scatter in (S, lambda V: S @ V):
        values, A = leading_ratio(scatter, U, 0.3, 4)
        assert_allclose(values, expected)
        assert_allclose(S @ A, P @ A * values, atol=1e-9)
        assert_allclose(A.T @ P @ A, np.eye(4), atol=1e-9)


def test_few_components_come_from_products_and_are_those_of_the_formed_matrices(monkeypatch):
    X = np.random.default_rng(0).normal(size=(450, 4))
    E = mmd_vectors(200, 250)
    K, H = rbf_kernel(X, gamma=0.5), np.eye(450) - 1 / 450
    A = eigh(K @ H @ K, K @ E @ E.T @ K + np.eye(450))[1][:, :-6:-1]
    A /= np.linalg.norm(A, axis=0)
    problem = ComponentProblem(X, "rbf", 0.5)
    found = problem.solve(E, 1.0, 5)
    assert "_scatter" not in vars(problem)  # K H K was not formed
    assert_allclose(np.abs(np.sum(found * A, axis=0)), 1, atol=1e-9)
    many = problem.solve(E, 1.0, 60)
    assert "_scatter" in vars(problem)
    assert_allclose(many[:, :5], found, atol=1e-8)
    primal = ComponentProblem(X, "primal", None).solve(E, 1.0, 2)
    monkeypatch.setattr(mmd, "_DENSE", 3)
    assert_allclose(ComponentProblem(X, "primal", None).solve(E, 1.0, 2), primal, atol=1e-8)


def test_components_of_a_wide_kernel_keep_their_digits():
    """Nearly all entries of K are one number, which K H K does not see and products with K alone would drown in."""
    X, E = np.random.default_rng(0).normal(size=(450, 5)), mmd_vectors(225, 225)
    wide = ComponentProblem(X, "rbf", 1e-9)
    found = wide.solve(E, 1e-12, 3)
    assert "_scatter" not in vars(wide)
    _, formed = leading_ratio(wide._scatter, wide.features.T @ E, 1e-12, 3)
    formed /= np.linalg.norm(formed, axis=0)
    assert_allclose(np.abs(np.sum(found * formed, axis=0)), 1, atol=1e-6)


def test_gaussian_kernel_and_its_width():
    X = np.random.default_rng(0).normal(size=(30, 3))
    assert_allclose(rbf(X, X[:4], 0.7), rbf_kernel(X, X[:4], 0.7))
    distances = [((a - b) ** 2).sum() for i, a in enumerate(X) for b in X[:i]]
    assert_allclose(median_gamma(X), 0.5 / np.median(distances))
    assert median_gamma(np.ones((5, 2))) == 1
    two_points = np.r_[-1 + 1e-9 * X, 1 - 1e-9 * X]
    assert_allclose(median_gamma(two_points), 0.5 / 12, rtol=1e-6)
    assert median_gamma(X, max_rows=10) == median_gamma(X[::3])
