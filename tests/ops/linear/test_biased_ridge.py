import numpy as np
import pytest

from transferkit.ops.linear.biased_ridge import PriorRows, about_mean, last_best, ridge_path


@pytest.mark.parametrize("shape", [(5, 20), (20, 4), (1, 3)])
@pytest.mark.parametrize("intercept", [True, False])
def test_moves_are_the_rows_in_their_coordinates(shape, intercept):
    rng = np.random.default_rng(0)
    X = rng.normal(size=shape) * [10.0**k for k in range(-2, shape[1] - 2)]
    rows = PriorRows.of(X, intercept)
    theta = rng.normal(size=(3, len(rows.S)))
    weights, at_zero = rows.moves(theta, 0.5)
    np.testing.assert_allclose(X @ weights.T + at_zero, rows.rows @ theta.T + 0.5, rtol=1e-6, atol=1e-6)


def test_constant_rows_move_the_intercept_alone():
    rows = PriorRows.of(np.full((4, 3), 7.0), True)
    theta, shift, errors = ridge_path(rows, np.ones(4), np.array([0.0, 1.0, np.inf]))
    weights, at_zero = rows.moves(theta, shift)
    np.testing.assert_allclose(weights, 0)
    np.testing.assert_allclose(at_zero, [1.0, 0.5, 0.0])
    np.testing.assert_allclose(errors, [0.0, (3 / 7 - 1) ** 2 * np.ones(1)[0], 1.0], atol=1e-12)


def test_a_row_that_is_always_fitted_has_no_error_to_go_by():
    rows = PriorRows.of(np.eye(3), True)
    errors = ridge_path(rows, np.arange(3.0), np.array([0.0, 1.0]))[2]
    assert errors[0] == np.inf
    assert np.isfinite(errors[1])


def test_equal_errors_go_to_the_last():
    assert last_best(np.array([2.0, 1.0, 1.0 + 1e-12, 3.0])) == 2
    assert last_best(np.array([np.inf, np.inf])) == 1


def test_rounding_is_no_spread():
    """The mean of three times 0.1 is not 0.1: what is left over, scaled to size 1, would take all the blame."""
    X = np.full((3, 2), 0.1)
    rows = PriorRows.of(X, True)
    weights, at_zero = rows.moves(ridge_path(rows, np.ones(3), np.array([1e-4]))[0])
    assert not weights.any()
    np.testing.assert_allclose(at_zero, 1 / (1 + 1e-4))
    A, mean = about_mean(np.column_stack([X, np.arange(3.0)]))
    np.testing.assert_array_equal(A[:, :2], 0)
    np.testing.assert_allclose(A[:, 2], [-1, 0, 1])
    np.testing.assert_allclose(mean, [0.1, 0.1, 1])
