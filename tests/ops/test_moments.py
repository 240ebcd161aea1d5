"""Moments of parts are moments of the whole."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from transferkit.core.chunks import ArrayChunks
from transferkit.ops.covariance import covariance
from transferkit.ops.moments import chunk_moments, leading_axes, merge_moments, row_moments
from transferkit.ops.solvers.linalg import principal_axes


@pytest.mark.parametrize("size", [1, 7, 64, 100])
def test_chunks_give_the_covariance_of_the_whole(size):
    X = np.random.default_rng(0).normal(size=(100, 4)) * [1, 1e3, 1e-3, 0] + [0, 1e6, 5, 3]
    found = chunk_moments(ArrayChunks(X, size))
    assert found.n == 100
    assert_allclose(found.mean, X.mean(axis=0), rtol=1e-13)
    assert_allclose(found.covariance(0.5), covariance(X, 0.5), rtol=1e-10, atol=1e-10)
    assert_allclose(found.variance, X.var(axis=0), rtol=1e-10, atol=1e-18)


def test_a_large_mean_costs_no_digits():
    """Sums of raw squares would lose all of them: 1e9 squared has no digit left for a variance of 1."""
    X = np.arange(1000.0)[:, None] % 2 + 1e9
    assert_allclose(chunk_moments(ArrayChunks(X, 10)).variance, 0.25, rtol=1e-9)


def test_merging_does_not_care_for_order_or_grouping():
    X = np.random.default_rng(0).normal(size=(30, 3))
    a, b, c = (row_moments(X[rows]) for rows in (slice(0, 1), slice(1, 11), slice(11, 30)))
    left, right = merge_moments(merge_moments(a, b), c), merge_moments(merge_moments(c, a), b)
    assert_allclose(left.scatter, right.scatter, atol=1e-12)
    assert_allclose(left.mean, right.mean, atol=1e-14)


def test_axes_are_those_of_the_rows():
    X = np.random.default_rng(0).normal(size=(50, 6)) @ np.diag([5, 4, 3, 2, 1, 0])
    _, axes = principal_axes(X, 10)
    moments = chunk_moments(ArrayChunks(X, 8))
    found = leading_axes(moments, 10)
    assert found.shape == axes.shape == (6, 5)
    assert_allclose(found, axes, atol=1e-10)
    assert_allclose(leading_axes(row_moments(np.zeros((4, 3))), 2).shape, (3, 1))
