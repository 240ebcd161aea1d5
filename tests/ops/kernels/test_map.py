"""Inner products of the components are the centred kernel, also for new rows."""

import numpy as np
from numpy.testing import assert_allclose
from sklearn.metrics.pairwise import rbf_kernel

from transferkit.ops.kernels.map import fit_kernel_map, kernel_components


def test_components_multiply_to_the_centred_kernel():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))
    found = fit_kernel_map(X, 0.4)
    Z = kernel_components(found, X)
    H = np.eye(20) - 1 / 20
    assert_allclose(Z @ Z.T, H @ rbf_kernel(X, gamma=0.4) @ H, atol=1e-9)
    few = kernel_components(fit_kernel_map(X, 0.4, most=5), X)
    assert_allclose(np.abs(few), np.abs(Z[:, :5]), atol=1e-8)


def test_equal_rows_have_one_empty_component():
    X = np.ones((6, 2))
    assert_allclose(kernel_components(fit_kernel_map(X, None), X), np.zeros((6, 1)))
