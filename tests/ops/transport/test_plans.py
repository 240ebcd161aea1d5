"""Costs and plans against SciPy, POT and their own limits."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from transferkit.core.errors import ParamError, TransferWarning
from transferkit.ops.kernels.gaussian import squared_distances
from transferkit.ops.transport import plans
from transferkit.ops.transport.plans import barycentric, displace, exact_plan, plan_of, sinkhorn


def _cost(n: int, m: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    cost = squared_distances(rng.normal(size=(n, 4)), rng.normal(size=(m, 4)) * 1.5 + 1)
    return cost / np.median(cost)


def _marginal_error(plan: np.ndarray) -> float:
    n, m = plan.shape
    return max(np.abs(plan.sum(axis=1) - 1 / n).sum(), np.abs(plan.sum(axis=0) - 1 / m).sum())


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_squared_distances_far_from_the_origin_too(offset: float) -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 5)) + offset, rng.normal(size=(20, 5)) + offset
    np.testing.assert_allclose(squared_distances(X, Y), cdist(X, Y, "sqeuclidean"), rtol=1e-8, atol=1e-10)
    assert squared_distances(X, X).min() >= 0


@pytest.mark.parametrize(("n", "m"), [(40, 40), (60, 25), (1, 7), (5, 1)])
@pytest.mark.parametrize("reg", [1.0, 0.1, 0.05])
def test_sinkhorn_is_the_plan_of_pot(n: int, m: int, reg: float) -> None:
    cost = _cost(n, m)
    ours = sinkhorn(cost, reg, max_iter=20_000, tol=1e-10)
    theirs = ot.sinkhorn([], [], cost, reg, method="sinkhorn_log", numItermax=200_000, stopThr=1e-12)
    assert ours.error <= 1e-10
    np.testing.assert_allclose(ours.plan, theirs, rtol=0, atol=1e-8)
    np.testing.assert_allclose(np.exp((ours.f[:, None] + ours.g - cost) / reg), ours.plan)


@pytest.mark.parametrize("reg", [0.01, 0.003, 0.001])
@pytest.mark.parametrize("seed", range(3))
def test_small_reg_neither_underflows_nor_stalls(reg: float, seed: int) -> None:
    found = sinkhorn(_cost(80, 60, seed), reg, max_iter=50_000, tol=1e-6)
    assert np.isfinite(found.plan).all()
    assert found.error <= 1e-6
    assert _marginal_error(found.plan) <= 2e-6


def test_a_reg_that_underflows_the_plain_kernel_everywhere() -> None:
    cost = _cost(30, 30) + 50.0
    assert not np.exp(-cost / 0.05).any()
    assert _marginal_error(sinkhorn(cost, 0.05, max_iter=20_000, tol=1e-8).plan) <= 2e-8


@pytest.mark.parametrize("far", [1e4, 1e6, 1e8])
@pytest.mark.parametrize(("n", "m"), [(100, 70), (60, 80)])
def test_a_row_far_off_all_others_finds_its_place(n: int, m: int, far: float) -> None:
    """It sends its mass to the rows that lie farthest on its side, as the exact plan does, and the others make room."""
    rng = np.random.default_rng(2)
    X, Y = rng.normal(size=(n, 3)), rng.normal(size=(m, 3)) + 1
    X[0] = far
    cost = squared_distances(X, Y)
    cost /= np.median(cost)
    found = sinkhorn(cost, 0.1)
    assert found.error <= 1e-6
    np.testing.assert_allclose(found.plan.sum(axis=1), 1 / n, atol=1e-6)
    exact = exact_plan(cost, 100_000)[0].toarray()
    np.testing.assert_allclose(found.plan[0], exact[0], atol=1e-4 if far > 1e5 else 2e-3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("raised", [90.0, 97.0, 200.0, 710.0])
def test_a_start_at_which_a_column_is_all_but_empty(raised: float, dtype: type) -> None:
    """In single precision its scaling would overflow long before the column's sum is 0."""
    cost = _cost(30, 20)
    start = sinkhorn(cost, 0.1, tol=1e-4)
    cost[:, 3] += 0.1 * raised  # a constant on a column: the plan stays
    found = sinkhorn(cost, 0.1, tol=1e-4, start=(start.f, start.g), dtype=dtype)
    assert found.error <= 1e-4
    np.testing.assert_allclose(found.plan, start.plan, atol=1e-5)


def test_a_step_taken_back_at_the_last_look_has_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 2 on over-relaxation runs away: it begins at the look at 10, and is taken back at that at 30."""
    monkeypatch.setattr(plans, "_FASTEST", 2.4)
    cost = _cost(30, 20)
    start = sinkhorn(cost, 0.1, tol=1e-3)
    found = sinkhorn(cost, 0.1, tol=1e-14, max_iter=30, start=(start.f, start.g), relax=2.4)
    of_rows, of_columns = (np.abs(found.plan.sum(axis=k) - 1 / size).sum() for k, size in ((1, 30), (0, 20)))
    assert 0 < max(of_rows, of_columns) < 1e-2
    assert found.error == pytest.approx(max(of_rows, of_columns))


def test_prohibitive_costs_stay_empty() -> None:
    cost = _cost(20, 20)
    cost[:10, :10] = cost[10:, 10:] = 10 * cost.max()
    plan = sinkhorn(cost, 0.05, max_iter=20_000).plan
    assert plan[:10, :10].sum() < 1e-12
    assert _marginal_error(plan) <= 2e-6


def test_the_limits_of_reg() -> None:
    cost = _cost(25, 25)
    np.testing.assert_allclose(sinkhorn(cost, 1e6).plan, 1 / 625, rtol=1e-4)
    cheapest, optimal = exact_plan(cost, 100_000)
    entropic = sinkhorn(cost, 1e-3, max_iter=100_000, tol=1e-5)
    least = cheapest.multiply(cost).sum()
    assert optimal
    # Theory: the cost exceeds the least by at most reg times the entropy's range.
    assert -1e-4 <= (entropic.plan * cost).sum() - least <= 1e-3 * np.log(625)


def test_over_relaxation_changes_the_way_and_not_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = _cost(60, 50)
    quick = sinkhorn(cost, 0.01, max_iter=50_000, tol=1e-9)
    monkeypatch.setattr("transferkit.ops.transport.plans._relaxation", lambda relax, rate: 1.0)
    plain = sinkhorn(cost, 0.01, max_iter=50_000, tol=1e-9)
    np.testing.assert_allclose(quick.plan, plain.plan, atol=1e-7)
    assert quick.n_iter < plain.n_iter / 2


def test_an_overshooting_factor_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transferkit.ops.transport.plans._relaxation", lambda relax, rate: 2.5 if relax == 1 else relax)
    monkeypatch.setattr("transferkit.ops.transport.plans._FASTEST", 2.5)  # any factor above 2 diverges
    cost = _cost(30, 30)
    found = sinkhorn(cost, 0.05, max_iter=20_000, tol=1e-8)
    assert found.error <= 1e-8
    assert _marginal_error(found.plan) <= 2e-8


def test_a_warm_start_ends_at_once() -> None:
    cost = _cost(50, 40)
    cold = sinkhorn(cost, 0.02, max_iter=20_000, tol=1e-8)
    warm = sinkhorn(cost, 0.02, max_iter=20_000, tol=1e-8, start=(cold.f, cold.g))
    assert warm.n_iter <= 20 < cold.n_iter
    np.testing.assert_allclose(warm.plan, cold.plan, atol=1e-8)


def test_a_start_far_off_and_a_relaxation_to_begin_with_end_at_the_same_plan() -> None:
    cost = _cost(50, 40)
    cold = sinkhorn(cost, 0.02, max_iter=20_000, tol=1e-10)
    rng = np.random.default_rng(0)
    for size in (1.0, 1e3):  # the second has a kernel that over- and underflows
        start = cold.f + size * rng.normal(size=50), cold.g + size * rng.normal(size=40)
        found = sinkhorn(cost, 0.02, max_iter=20_000, tol=1e-10, start=start, relax=1.99)
        np.testing.assert_allclose(found.plan, cold.plan, atol=1e-10)
    assert 1 < cold.relax < 2
    near = cold.f, cold.g + 1e-2 * rng.normal(size=40)
    plain, relaxed = (sinkhorn(cost, 0.02, max_iter=20_000, tol=1e-10, start=near, relax=r) for r in (1.0, cold.relax))
    assert relaxed.n_iter < plain.n_iter


def test_too_few_iterations_are_told() -> None:
    found = sinkhorn(_cost(50, 40), 0.005, max_iter=3)
    assert found.error > 1e-6
    assert np.isfinite(found.plan).all()


def test_exact_plan_is_the_best_assignment() -> None:
    cost = _cost(40, 40)
    plan, optimal = exact_plan(cost, 100_000)
    rows, columns = linear_sum_assignment(cost)
    expected = np.zeros((40, 40))
    expected[rows, columns] = 1 / 40
    assert optimal
    np.testing.assert_allclose(plan.toarray(), expected, atol=1e-12)


def test_exact_plan_says_when_it_was_cut_short() -> None:
    assert not exact_plan(_cost(60, 50), 2)[1]


def test_one_plan_or_the_other_and_what_was_not_enough() -> None:
    cost = _cost(30, 20)
    exact, n_iter = plan_of("X.fit", cost, 0, max_pivots=10_000)
    np.testing.assert_array_equal(exact.toarray(), exact_plan(cost, 10_000)[0].toarray())
    assert n_iter == 1
    np.testing.assert_array_equal(plan_of("X.fit", cost, 0.1, max_pivots=1)[0], sinkhorn(cost, 0.1, max_iter=2000).plan)
    with pytest.raises(ParamError, match=r"X.fit: max_pivots must be larger for 30 by 20 rows. Got 2."):
        plan_of("X.fit", cost, 0, max_pivots=2)
    with pytest.warns(TransferWarning, match=r"X.fit: reg must be larger"):
        plan_of("X.fit", cost, 0.01, max_pivots=2, max_iter=3)


def test_barycentres_and_displacements() -> None:
    Xs, Xt = np.array([[0.0, 0], [10, 0]]), np.array([[1.0, 1], [11, 1], [13, 1]])
    images = barycentric(np.array([[0.5, 0, 0], [0, 0.25, 0.25]]), Xt)
    np.testing.assert_array_equal(images, [[1, 1], [12, 1]])
    np.testing.assert_array_equal(displace(np.array([[9.0, 2], [1, 0]]), Xs, images), [[11, 3], [2, 1]])
