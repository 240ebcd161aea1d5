"""The fast routes give what the slow ones give."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse.linalg import aslinearoperator

from transferkit.ops.solvers.linalg import principal_axes, symmetric_product, top_eigh, unit_rows


@pytest.mark.parametrize(("n", "k"), [(5, 5), (60, 3), (600, 4)])
@pytest.mark.parametrize("wrap", [np.asarray, aslinearoperator])
def test_top_eigh_equals_the_full_decomposition(n, k, wrap):
    F = np.random.default_rng(0).normal(size=(n, n))
    A = F @ F.T
    values, vectors = top_eigh(wrap(A), k)
    assert_allclose(values, np.linalg.eigvalsh(A)[::-1][:k], rtol=1e-10)
    assert_allclose(A @ vectors, vectors * values, atol=1e-8 * values[0])
    assert (vectors.max(axis=0) == np.abs(vectors).max(axis=0)).all()


def test_the_product_with_a_symmetric_matrix_reads_half_of_it():
    F = np.random.default_rng(0).normal(size=(7, 7))
    A = F + F.T
    for order in "CF":
        product = symmetric_product(np.array(A, order=order))
        assert_allclose(product(F[0]), A @ F[0])
        assert_allclose(product(F[:, :3]), A @ F[:, :3])


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_top_eigh_takes_matrices_of_low_rank(rank):
    """Lanczos iterations break down on some of them."""
    F = np.random.default_rng(0).normal(size=(500, rank))
    values, vectors = top_eigh(F @ F.T, 10)
    assert_allclose(values[rank:], 0, atol=1e-8)
    assert_allclose(vectors.T @ vectors, np.eye(10), atol=1e-8)


@pytest.mark.parametrize("scale", [1e-60, 1e-24, 1e24])
def test_digits_do_not_depend_on_the_unit(scale):
    F = np.random.default_rng(0).normal(size=(500, 20))
    A = F @ F.T * scale
    values, vectors = top_eigh(A, 5)
    assert_allclose(values, np.linalg.eigvalsh(A)[::-1][:5], rtol=1e-10)
    assert_allclose(A @ vectors, vectors * values, atol=1e-9 * values[0])


@pytest.mark.parametrize("shape", [(40, 5), (5, 40), (7, 7)])
def test_principal_axes_are_those_of_the_singular_value_decomposition(shape):
    X = np.random.default_rng(0).normal(size=shape) + 3
    mean, axes = principal_axes(X, 3)
    expected = np.linalg.svd(X - X.mean(axis=0))[2][:3].T
    assert_allclose(np.abs(axes.T @ expected), np.eye(3), atol=1e-8)
    assert_allclose(mean, X.mean(axis=0))


def test_principal_axes_have_no_more_than_the_rank_and_at_least_one():
    assert principal_axes(np.random.default_rng(0).normal(size=(4, 9)), 9)[1].shape == (9, 3)
    assert principal_axes(np.ones((4, 9)), 9)[1].shape == (9, 1)


def test_unit_rows_leaves_zeros():
    assert_allclose(unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])
