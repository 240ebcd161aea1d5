"""The vectors multiply to the matrices of TCA and JDA; the Gaussian kernel is scikit-learn's."""

import numpy as np
from numpy.testing import assert_allclose
from sklearn.metrics.pairwise import rbf_kernel

from transferkit.ops import mmd
from transferkit.ops.kernels import median_gamma, rbf
from transferkit.ops.mmd import ComponentProblem, mmd_vectors


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


def test_large_problems_are_solved_without_forming_the_scatter_matrix(monkeypatch):
    X = np.random.default_rng(0).normal(size=(450, 4))
    E = mmd_vectors(200, 250)
    formed = ComponentProblem(X, "rbf", 0.5).solve(E, 1.0, 5)
    monkeypatch.setattr(mmd, "_DENSE", 10)
    assert_allclose(ComponentProblem(X, "rbf", 0.5).solve(E, 1.0, 5), formed, atol=1e-8)


def test_gaussian_kernel_and_its_width():
    X = np.random.default_rng(0).normal(size=(30, 3))
    assert_allclose(rbf(X, X[:4], 0.7), rbf_kernel(X, X[:4], 0.7))
    distances = [((a - b) ** 2).sum() for i, a in enumerate(X) for b in X[:i]]
    assert_allclose(median_gamma(X), 0.5 / np.median(distances))
    assert median_gamma(np.ones((5, 2))) == 1
    assert median_gamma(X, max_rows=10) == median_gamma(X[::3])
