"""Kernels of one domain: scale of the rows, inner products, the median's width."""

import numpy as np
import pytest

from transferkit.ops.kernels.gaussian import median_gamma
from transferkit.ops.kernels.spaces import SpaceKernel, unit_rows

X = np.random.default_rng(0).normal(size=(12, 3)) * [1, 10, 100] + 5


def test_rows_have_length_one_on_average():
    mean, scale = unit_rows(X)
    Z = (X - mean) / scale
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
    assert (Z**2).sum(axis=1).mean() == pytest.approx(1)
    assert unit_rows(np.ones((3, 2)))[1] == 1.0


def test_values():
    mean, scale = unit_rows(X)
    Z = (X - mean) / scale
    linear, rbf = (SpaceKernel.of(X, kind, None) for kind in ("linear", "rbf"))
    assert linear.gamma is None
    assert rbf.gamma == pytest.approx(median_gamma(Z))
    assert SpaceKernel.of(X, "rbf", 3.0).gamma == 3.0
    np.testing.assert_allclose(linear(X[:2], X), Z[:2] @ Z.T, atol=1e-12)
    squared = ((Z[:2, None] - Z) ** 2).sum(axis=2)
    np.testing.assert_allclose(rbf(X[:2], X), np.exp(-rbf.gamma * squared), atol=1e-12)
