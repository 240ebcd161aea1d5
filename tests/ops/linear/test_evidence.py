import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from transferkit.ops.linear.evidence import (
    class_hessian,
    gaussian_evidence,
    gaussian_posterior,
    laplace_fit,
    sufficient_rows,
)


@pytest.mark.parametrize("n", [3, 12])
def test_the_evidence_is_a_normal_density_whichever_side_is_longer(n):
    rng = np.random.default_rng(0)
    A, r, C = rng.normal(size=(n, 5)), rng.normal(size=n), np.diag(np.arange(1.0, 6.0))
    R, q, n_rest, rest = sufficient_rows(A, r)
    found = gaussian_evidence(R @ C @ R.T, q, 0.3, n_rest, rest)
    np.testing.assert_allclose(found, multivariate_normal(np.zeros(n), A @ C @ A.T + 0.3 * np.eye(n)).logpdf(r))
    mean, covariance = gaussian_posterior(R, q, C, 0.3)
    precision = np.linalg.inv(C) + A.T @ A / 0.3
    np.testing.assert_allclose(covariance, np.linalg.inv(precision))
    np.testing.assert_allclose(mean, np.linalg.solve(precision, A.T @ r / 0.3))


@pytest.mark.parametrize("k", [1, 3])
def test_laplace_is_at_a_maximum_with_the_right_curvature(k):
    rng = np.random.default_rng(0)
    A, codes = rng.normal(size=(20, 2)), np.arange(20) % max(k, 2)
    mean, C = rng.normal(size=(k, 2)), 0.5 * np.eye(2 * k)
    w, precision, _ = laplace_fit(A, codes, mean, C)

    def cost(v):
        z = A @ v.reshape(k, 2).T
        z = np.column_stack([np.zeros(20), z]) if k == 1 else z
        fits = z[np.arange(20), codes] - np.log(np.exp(z).sum(axis=1))
        return ((v - mean.ravel()) ** 2).sum() - fits.sum()

    e = np.eye(2 * k) * 1e-4
    slope = [(cost(w.ravel() + d) - cost(w.ravel() - d)) / 2e-4 for d in e]
    curve = [[(cost(w.ravel() + a + b) + cost(w.ravel() - a - b) - cost(w.ravel() + a - b) - cost(w.ravel() - a + b))
              / 4e-8 for a in e] for b in e]  # fmt: skip
    np.testing.assert_allclose(slope, 0, atol=1e-5)
    np.testing.assert_allclose(precision, curve, atol=1e-4)
    np.testing.assert_allclose(class_hessian(A, A @ w.T) + 2 * np.eye(2 * k), precision)


def test_laplace_comes_near_the_integral():
    """One weight, one column: the evidence by quadrature."""
    A, codes = np.array([[0.5], [-1.0], [2.0], [0.3]]), np.array([1, 0, 1, 0])
    grid = np.linspace(-12, 12, 20001)
    fits = np.prod(1 / (1 + np.exp(-(2 * codes[:, None] - 1) * A * grid)), axis=0)
    exact = np.log(np.trapezoid(fits * norm.pdf(grid, 0, 1), grid))
    assert abs(laplace_fit(A, codes, np.zeros((1, 1)), np.eye(1))[2] - exact) < 0.05


def test_noise_that_is_lost_in_rounding():
    """Columns 1e9 times too large: the covariance of the labels is not positive definite any more by rounding alone."""
    rng = np.random.default_rng(0)
    R, q = 1e9 * (1 + 1e-3 * rng.normal(size=(6, 3))), rng.normal(size=6)
    assert np.isfinite(gaussian_evidence(R @ R.T, q, 1e-6))
    for part in gaussian_posterior(R, q, np.eye(3), 1e-6):
        assert np.isfinite(part).all()
