"""Shares: projections and quadratic programs on simplices, against a generic solver."""

import numpy as np
import pytest
from scipy.optimize import minimize

from transferkit.ops.solvers.share_program import (
    _largest_eigenvalue,
    _project_each,
    _without_sums,
    minimise_on_simplices,
    project_on_simplex,
)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("capped", [False, True])
def test_projection_meets_the_optimality_conditions(seed, capped):
    rng = np.random.default_rng(seed)
    v, total = rng.normal(size=9) * 10 ** rng.uniform(-2, 2), rng.uniform(0.1, 3)
    upper = rng.uniform(0.4, 1, size=9) * total if capped else np.inf
    x = project_on_simplex(v, total, upper)
    assert x.sum() == pytest.approx(total)
    assert ((x >= 0) & (x <= upper)).all()
    inside = (x > 1e-12) & (x < upper - 1e-12)
    shift = (v - x)[inside]
    assert np.ptp(shift) < 1e-9 * (1 + np.abs(v).max()) if inside.any() else True
    if inside.any():  # what is at 0 wants to be lower, what is at its bound wants to be higher
        assert (v[x <= 1e-12] - shift[0] <= 1e-9).all()
        assert (v - upper - shift[0] >= -1e-9)[x >= upper - 1e-12].all()


def test_projection_of_what_is_feasible_or_one_number():
    np.testing.assert_allclose(project_on_simplex(np.array([0.2, 0.8])), [0.2, 0.8])
    np.testing.assert_allclose(project_on_simplex(np.array([-7.0])), [1.0])
    np.testing.assert_allclose(project_on_simplex(np.array([3.0, 0.0]), 1.0, np.array([0.5, 0.5])), [0.5, 0.5])


@pytest.mark.parametrize("seed", range(4))
def test_program_equals_a_generic_solver(seed):
    rng = np.random.default_rng(seed)
    F = rng.normal(size=(8, 6))
    A, b = F @ F.T, 3 * rng.normal(size=8)
    for groups, totals, upper in (
        (np.array([0, 1, 0, 2, 1, 0, 1, 2]), np.array([0.7, 0.2, 0.1]), None),
        (np.zeros(8, dtype=int), np.ones(1), np.full(8, 0.3)),
    ):
        x, gap, _ = minimise_on_simplices(A, b, groups, totals, upper=upper, tol=1e-10)
        assert gap < 1e-8
        found = minimize(
            lambda v: v @ A @ v / 2 - b @ v,
            np.full(8, 0.1),
            jac=lambda v: A @ v - b,
            bounds=[(0, None if upper is None else 0.3)] * 8,
            constraints=[
                {"type": "eq", "fun": lambda v, rows=groups == g, total=total: v[rows].sum() - total}
                for g, total in enumerate(totals)
            ],
            options={"ftol": 1e-14, "maxiter": 500},
        )
        assert x @ A @ x / 2 - b @ x <= found.fun + 1e-8
        np.testing.assert_allclose([x[groups == g].sum() for g in range(len(totals))], totals)
        assert x.min() >= 0


def test_groups_are_projected_each_by_itself():
    rng = np.random.default_rng(0)
    v, groups, totals = rng.normal(size=12), np.arange(12) % 3, np.array([0.5, 2.0, 0.0])
    found = _project_each(v, groups, np.array([0, 4, 8]), totals)
    for g in (0, 1):
        np.testing.assert_allclose(found[groups == g], project_on_simplex(v[groups == g], totals[g]))
    np.testing.assert_allclose(found[groups == 2], 0, atol=1e-15)


def test_what_the_sums_fix_is_taken_out_of_the_program():
    """The values of feasible points differ by the same constant; the direction that all of them share is gone."""
    rng = np.random.default_rng(0)
    X, groups, totals = rng.normal(size=(12, 2)), np.arange(12) % 3, np.array([0.5, 0.3, 0.2])
    A, b = np.exp(-0.001 * ((X[:, None] - X) ** 2).sum(axis=2)), rng.random(12)
    points = [_project_each(rng.random(12), groups, np.array([0, 4, 8]), totals) for _ in range(5)]
    centred, linear = _without_sums(A, b, groups, 3, points[0])
    before = np.array([x @ A @ x / 2 - b @ x for x in points])
    after = np.array([x @ centred @ x / 2 - linear @ x for x in points])
    np.testing.assert_allclose(np.ptp(before - after), 0, atol=1e-12)
    assert np.linalg.norm(centred, 2) < 0.01 * np.linalg.norm(A, 2)
    np.testing.assert_allclose(centred @ np.eye(3)[groups], 0, atol=1e-12)


def test_a_flat_objective_and_a_stop():
    x, gap, n_iter = minimise_on_simplices(np.zeros((3, 3)), np.zeros(3), np.array([0, 0, 1]), np.array([1.0, 0.0]))
    np.testing.assert_allclose(x, [0.5, 0.5, 0])
    assert (gap, n_iter) == (0, 0)
    A, b = np.diag([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 0.0])
    one, gap_one, n_one = minimise_on_simplices(A, b, np.zeros(3, dtype=int), np.ones(1), max_iter=1)
    many, gap_many, n_many = minimise_on_simplices(A, b, np.zeros(3, dtype=int), np.ones(1))
    assert n_one == 1 < n_many
    assert gap_many < gap_one
    assert (one @ A @ one - many @ A @ many) / 2 - b @ (one - many) <= gap_one


def test_where_nothing_is_known_it_stays_at_the_start():
    """Entries 0 and 1 look the same to the program, and a matrix of ones says nothing at all, up to rounding."""
    one = np.zeros(3, dtype=int)
    start = np.array([0.6, 0.3, 0.1])
    ones = np.full((3, 3), 0.1) + 1e-17 * np.random.default_rng(0).normal(size=(3, 3))
    x, _, n_iter = minimise_on_simplices((ones + ones.T) / 2, np.full(3, 0.1), one, np.ones(1), start=start)
    np.testing.assert_allclose(x, start)
    assert n_iter < 100
    twins = np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]])
    x, _, _ = minimise_on_simplices(twins, np.array([0.8, 0.8, 0.2]), one, np.ones(1), start=start)
    np.testing.assert_allclose(x, [0.55, 0.25, 0.2], atol=1e-6)


@pytest.mark.parametrize("width", [0.01, 1.0, 100.0])
def test_the_step_is_as_long_as_it_may_be(width):
    X = np.random.default_rng(0).normal(size=(300, 3))
    A = np.exp(-((X[:, None] - X) ** 2).sum(axis=2) / width)
    true = np.linalg.eigvalsh(A)[-1]
    assert true * (1 - 1e-9) <= _largest_eigenvalue(A) <= 1.11 * true
    assert _largest_eigenvalue(A[:50, :50]) == pytest.approx(np.linalg.eigvalsh(A[:50, :50])[-1])
