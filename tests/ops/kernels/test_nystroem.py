"""The Nyström form of the rbf kernel."""

import numpy as np
from numpy.testing import assert_allclose

from transferkit.ops.kernels.gaussian import rbf
from transferkit.ops.kernels.nystroem import nystroem


def approximation(X, gamma, n_landmarks):
    landmarks, root = nystroem(X, gamma, n_landmarks, 0)
    features = rbf(X, landmarks, gamma) @ root
    return features @ features.T


def test_all_rows_give_the_kernel_itself():
    X = np.random.default_rng(0).normal(size=(40, 5))
    assert_allclose(approximation(X, 0.3, 40), rbf(X, X, 0.3), atol=1e-9)
    assert_allclose(approximation(X, 0.3, 10**6), rbf(X, X, 0.3), atol=1e-9)


def test_the_error_is_positive_and_falls_with_landmarks():
    """K minus its approximation is positive semi-definite: a Schur complement; landmarks that are added take some of it."""
    X = np.random.default_rng(0).normal(size=(60, 3))
    K = rbf(X, X, 0.1)
    errors = []
    for m in (5, 15, 40):
        rest = K - approximation(X, 0.1, m)
        assert np.linalg.eigvalsh(rest)[0] > -1e-8
        errors.append(np.trace(rest))
    assert errors[0] > errors[1] > errors[2] >= -1e-8


def test_rows_that_repeat_do_no_harm():
    X = np.repeat(np.random.default_rng(0).normal(size=(4, 2)), 5, axis=0)
    assert_allclose(approximation(X, 1.0, 20), rbf(X, X, 1.0), atol=1e-9)
