"""Distances and kernels made some rows at a time are those of all rows at once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from transferkit.ops.kernels import gaussian
from transferkit.ops.kernels.gaussian import rbf, squared_distances


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_blocks_of_rows_make_the_whole(monkeypatch: pytest.MonkeyPatch, dtype: type) -> None:
    monkeypatch.setattr(gaussian, "_CELLS", 30)
    monkeypatch.setattr(gaussian, "_ROWS", 4)
    rng = np.random.default_rng(0)
    X, Y = ((5 * rng.normal(size=(n, 6))).astype(dtype) for n in (23, 9))
    expected = cdist(X, Y, "sqeuclidean")
    assert_allclose(squared_distances(X, Y), expected, rtol=1e-12)
    assert_allclose(rbf(X, Y, 0.01), np.exp(-0.01 * expected), rtol=1e-12)
    assert squared_distances(X, Y).dtype == np.float64


def test_no_rows_and_one_row() -> None:
    Y = np.arange(6.0).reshape(3, 2)
    assert squared_distances(Y[:0], Y).shape == (0, 3)
    assert_allclose(squared_distances(Y[:1], Y[:1]), 0, atol=0)


def test_a_kernel_that_is_narrower_than_any_number_has_empty_places_and_no_others() -> None:
    X = np.array([[0.0], [1e150]])
    with np.errstate(over="ignore"):
        assert_allclose(rbf(X, X, 1e10)[0, 1], 0, atol=0)
