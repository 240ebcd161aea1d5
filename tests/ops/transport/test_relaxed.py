"""Relaxed plans against POT, against the limits that theory gives, and where numbers under- or overflow."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from transferkit.ops.kernels.gaussian import squared_distances
from transferkit.ops.transport.plans import sinkhorn
from transferkit.ops.transport.relaxed import partial_plan, unbalanced_plan


def _cost(n: int, m: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    cost = squared_distances(rng.normal(size=(n, 4)), rng.normal(size=(m, 4)) * 1.5 + 1)
    return cost / np.median(cost)


@pytest.mark.parametrize(("reg", "reg_marginal"), [(1.0, 1.0), (0.1, 1.0), (0.05, 10.0)])
def test_unbalanced_is_the_plan_of_pot(reg: float, reg_marginal: float) -> None:
    cost = _cost(40, 30)
    a, b = np.full(40, 1 / 40), np.full(30, 1 / 30)
    found = unbalanced_plan(cost, reg, reg_marginal, tol=1e-10, max_iter=5000)
    theirs = ot.sinkhorn_unbalanced(a, b, cost, reg, reg_marginal, reg_type="kl", numItermax=100_000, stopThr=1e-13)
    np.testing.assert_allclose(found.plan, theirs, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found.rows, found.plan / found.plan.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("reg", "mass"), [(1.0, 0.5), (0.1, 0.7), (0.05, 0.4)])
def test_partial_is_the_plan_of_pot(reg: float, mass: float) -> None:
    cost = _cost(40, 30)
    a, b = np.full(40, 1 / 40), np.full(30, 1 / 30)
    found = partial_plan(cost, reg, mass, tol=1e-10, max_iter=5000)
    theirs = ot.partial.entropic_partial_wasserstein(a, b, cost, reg, m=mass, numItermax=100_000, stopThr=1e-13)
    np.testing.assert_allclose(found.plan * 1200, theirs * 1200, atol=1e-5)
    assert found.plan.sum() == pytest.approx(mass)
    assert found.plan.sum(axis=1).max() * 40 <= 1 + 1e-8


def test_a_high_price_of_the_marginals_is_balanced_transport() -> None:
    cost = _cost(30, 20)
    relaxed = unbalanced_plan(cost, 0.2, 1e6, tol=1e-8, max_iter=10_000)
    np.testing.assert_allclose(relaxed.plan, sinkhorn(cost, 0.2, tol=1e-9).plan, rtol=1e-4)


@pytest.mark.parametrize("cost", [0.5, 3.0])
def test_one_row_each_has_a_closed_form(cost: float) -> None:
    """d/dp of p c + reg KL(p | 1) + 2 rho KL(p | 1) is 0 at log p = -c / (reg + 2 rho)."""
    found = unbalanced_plan(np.array([[cost]]), 0.3, 0.7, tol=1e-12)
    assert found.plan[0, 0] == pytest.approx(np.exp(-cost / (0.3 + 1.4)))
    assert partial_plan(np.array([[cost]]), 0.3, 0.4).plan[0, 0] == pytest.approx(0.4)


@pytest.mark.parametrize("reg", [0.1, 1e-3])
def test_a_row_far_from_all_stays_behind_without_a_warning(reg: float) -> None:
    cost = _cost(30, 30)
    cost[3] += 1e5
    for found in (unbalanced_plan(cost, reg, 1.0, max_iter=200), partial_plan(cost, reg, 0.9, max_iter=200)):
        assert np.isfinite(found.plan).all()
        assert found.plan[3].sum() < 1e-12
        np.testing.assert_allclose(found.rows.sum(axis=1), 1)


def test_too_few_iterations_are_told() -> None:
    assert unbalanced_plan(_cost(30, 30), 0.01, 1.0, max_iter=2).error > 1e-6
