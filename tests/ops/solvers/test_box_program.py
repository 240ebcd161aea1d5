"""The quadratic program with bounds; the grid against a generic solver is in the test of kernel mean matching."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from transferkit.ops.solvers.box_program import minimise_box_sum, relative_gap


def test_without_coupling_each_weight_is_clipped():
    kappa = np.array([-1.0, 0.3, 1.5, 7.0])
    assert_allclose(minimise_box_sum(np.eye(4), kappa, 2.0, 0.0, 8.0), [0, 0.3, 1.5, 2])


@pytest.mark.parametrize("total", [1.0, 3.0, 6.0])
def test_a_fixed_sum_is_a_projection(total):
    """With K = I and an equal lower and upper sum, all free weights are moved by one number."""
    kappa = np.array([-1.0, 0.3, 1.5, 7.0])
    b = minimise_box_sum(np.eye(4), kappa, 2.0, total, total)
    assert b.sum() == pytest.approx(total, rel=1e-6)
    free = (b > 0) & (b < 2)
    assert np.ptp((b - kappa)[free]) < 1e-6 if free.any() else True
    assert relative_gap(np.eye(4), kappa, b, 2.0, total, total) < 1e-5
