"""Neighbours: exact for small sets, nearly all of them by cells."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from transferkit.ops.neighbours import nearest


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(8, 40))
    return rng.normal(size=(4000, 8)) @ basis, rng.normal(size=(300, 8)) @ basis


def test_exact_is_all_pairs(rows):
    X, Q = rows
    X, Q = X[:500], Q[:50]
    squared, index = nearest(X, Q, 7)
    gaps = ((Q[:, None] - X[None]) ** 2).sum(2)
    assert_array_equal(index, gaps.argsort(1)[:, :7])
    assert_allclose(squared, np.sort(gaps, axis=1)[:, :7], atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_cells_find_nearly_all(rows, dtype):
    X, Q = (A.astype(dtype) for A in rows)
    squared, index = nearest(X, Q, 10, exact_pairs=0)
    exact = nearest(X, Q, 10)[1]
    assert np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(index, exact)]) > 0.95
    assert (np.diff(squared, axis=1) >= 0).all()
    assert_allclose(squared, ((Q[:, None] - X[index]) ** 2).sum(2), rtol=1e-3, atol=1e-2)
    assert_array_equal(nearest(X, Q, 10, exact_pairs=0)[1], index, err_msg="the same every time")


def test_too_few_found_says_so():
    X = np.repeat(np.arange(4.0), 25)[:, None] * 100  # four places, a cell each
    squared, index = nearest(X, X[:1], 30, exact_pairs=0)
    found = np.isfinite(squared[0])
    assert found[:25].all()
    assert_array_equal(squared[0, :25], 0)
    assert len(np.unique(index[0, found])) == found.sum()
    far = nearest(np.repeat([[0.0], [1.0]], 200, axis=0), np.zeros((1, 1)), 250, exact_pairs=0)[0][0]
    assert_array_equal(far[:200], 0)
    assert_array_equal(far[200:], 1)


@pytest.mark.parametrize("exact_pairs", [10**8, 0])
def test_rows_in_one_place_have_no_distance(exact_pairs):
    """What the product of matrices leaves of their distance is rounding, the more the further they are from the origin."""
    rng = np.random.default_rng(0)
    places = rng.normal(size=(20, 33)) + 1e3
    X = np.repeat(places, 10, axis=0)
    squared, index = nearest(X, places, 10, exact_pairs=exact_pairs)
    assert_array_equal(squared, 0)
    assert_array_equal(index // 10, np.repeat(np.arange(20)[:, None], 10, axis=1))
    near = nearest(np.vstack([X, places[:1] + 1e-4]), places[:1], 11, exact_pairs=10**8)[0][0, -1]
    assert_allclose(near, 33e-8, rtol=1e-3)
