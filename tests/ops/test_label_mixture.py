"""A machine over a mixture of labellings: its parts against independent solvers."""

import numpy as np
import pytest
from scipy.optimize import minimize

from transferkit.ops.label_mixture import LabelMixture, most_violating, on_the_simplex, symmetric_root
from transferkit.ops.solvers.share_program import minimise_on_simplices

RNG = np.random.default_rng(0)


def test_weights_of_rows_are_those_of_the_quadratic_programme():
    root = RNG.normal(size=(12, 12))
    Q = root @ root.T + np.diag(RNG.uniform(1, 50, 12))
    expected, _, _ = minimise_on_simplices(Q, np.zeros(12), np.zeros(12, int), np.ones(1), tol=1e-12)
    np.testing.assert_allclose(on_the_simplex(Q), expected, atol=1e-5)


@pytest.mark.parametrize("norm", [1.0, 1.5])
def test_mixture_and_machine_are_at_the_saddle_point(norm):
    """No other mixture of that norm has a lower greatest value."""
    root, labellings = RNG.normal(size=(8, 8)), np.sign(RNG.normal(size=(8, 3)))
    kernel, slack = root @ root.T, np.full(8, 0.5)
    machine = LabelMixture(kernel, labellings, slack, norm)

    def value(d):
        d = np.abs(d) / (np.abs(d) ** norm).sum() ** (1 / norm)
        mixed = kernel * ((labellings * d) @ labellings.T) + np.diag(slack)
        a = on_the_simplex(mixed)
        return -0.5 * a @ mixed @ a

    best = minimize(value, np.ones(3), method="Nelder-Mead").fun
    assert machine.objective == pytest.approx(best, rel=1e-2)
    assert (machine.mixture**norm).sum() == pytest.approx(1)
    assert machine.objective == pytest.approx(value(machine.mixture), rel=2e-3)


def test_labellings_keep_the_known_labels_and_the_shares():
    root, weights, y = RNG.normal(size=(10, 10)), RNG.uniform(size=10), np.array([1.0, -1.0, -1.0, 1.0])
    found = most_violating(root, weights, y, 2)
    np.testing.assert_array_equal(found[:4], y)
    assert (found[4:] > 0).sum() == 2
    along = np.abs(found @ (weights[:, None] * root)).max()
    others = [np.concatenate([y, u]) for u in RNG.permuted(np.tile([1.0, 1, -1, -1, -1, -1], (200, 1)), axis=1)]
    assert all(np.abs(o @ (weights[:, None] * root)).max() <= along + 1e-9 for o in others)


def test_the_root_is_symmetric_and_squares_to_the_kernel():
    kernel = np.cov(RNG.normal(size=(6, 4)))
    root = symmetric_root(kernel)
    np.testing.assert_allclose(root, root.T, atol=1e-12)
    np.testing.assert_allclose(root @ root, kernel, atol=1e-12)
