import numpy as np
from scipy.optimize import check_grad
from scipy.stats import multivariate_normal

from transferkit.ops.kernels.gaussian import squared_distances
from transferkit.ops.two_domain_gp import log_likelihood, two_domain_kernel


def test_value_and_gradient():
    rng = np.random.default_rng(0)
    X, y, is_target = rng.normal(size=(12, 2)), rng.normal(size=12), np.arange(12) > 7
    D, theta = squared_distances(X, X), np.array([0.2, -0.1, 0.6, -1.0, -2.0])
    same = is_target[:, None] == is_target
    K = two_domain_kernel(D, same, 0.2, -0.1, np.tanh(0.6)) + np.diag(np.exp(np.where(is_target, -2.0, -1.0)))
    value, _ = log_likelihood(theta, D, is_target, y)
    np.testing.assert_allclose(value, multivariate_normal(np.zeros(12), K).logpdf(y))
    error = check_grad(
        lambda t: log_likelihood(t, D, is_target, y)[0], lambda t: log_likelihood(t, D, is_target, y)[1], theta
    )
    assert error < 1e-5


def test_positive_semidefinite_at_the_ends():
    X = np.repeat(np.random.default_rng(0).normal(size=(6, 2)), 2, axis=0)
    is_target = np.arange(12) % 2 == 1
    for relation in (-1.0, 0.3, 1.0):
        K = two_domain_kernel(squared_distances(X, X), is_target[:, None] == is_target, 0.0, 0.0, relation)
        assert np.linalg.eigvalsh(K).min() > -1e-10
