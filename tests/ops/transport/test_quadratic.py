"""The quadratic problem on plans: against conditional gradients, its certificate, and where it is a plain programme."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from transferkit.ops.kernels.gaussian import squared_distances
from transferkit.ops.transport.plans import exact_plan
from transferkit.ops.transport.quadratic import Pull, _best_mixture, quadratic_plan


def _domains() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(25, 3)), rng.normal(size=(20, 3)) * [1, 2, 0.5] + 1


def _solve(Xs: np.ndarray, Xt: np.ndarray, source: Pull | None, target: Pull | None, **kwargs: float):
    cost = squared_distances(Xs, Xt) / 10
    return quadratic_plan(
        cost, Xs, Xt, source, target, **{"max_iter": 300, "tol": 1e-5, "max_pivots": 10_000, **kwargs}
    )


def test_it_is_the_minimum_that_conditional_gradients_approach() -> None:
    Xs, Xt = _domains()
    rng = np.random.default_rng(1)
    A, B = (S @ S.T / 500 for S in (rng.normal(size=(25, 5)), rng.normal(size=(20, 5))))
    cost = squared_distances(Xs, Xt) / 10

    def quadratic(P: np.ndarray) -> float:
        Z, U = 25 * P @ Xt - Xs, 20 * P.T @ Xs
        return (Z * (A @ Z)).sum() + (U * (B @ U)).sum()

    def slope(P: np.ndarray) -> np.ndarray:
        return 50 * (A @ (25 * P @ Xt - Xs)) @ Xt.T + 40 * Xs @ (B @ (20 * P.T @ Xs)).T

    a, b = np.full(25, 1 / 25), np.full(20, 1 / 20)
    theirs = ot.optim.cg(a, b, cost, 1.0, quadratic, slope, numItermax=200, stopThr=0, stopThr2=0)
    found = _solve(Xs, Xt, Pull(lambda Z: A @ Z, Xs), Pull(lambda Z: B @ Z))
    plan = found.plan.toarray()
    best = (cost * theirs).sum() + quadratic(theirs)
    assert found.optimal
    assert found.value == pytest.approx((cost * plan).sum() + quadratic(plan))
    assert 0 <= found.gap <= 1e-5 * found.value
    assert best - 0.02 <= found.value <= best + 1e-5
    np.testing.assert_allclose(plan.sum(axis=1), a)
    np.testing.assert_allclose(plan.sum(axis=0), b)
    # The certificate: no plan is better by more than the gap.
    early = _solve(Xs, Xt, Pull(lambda Z: A @ Z, Xs), Pull(lambda Z: B @ Z), max_iter=8)
    assert early.value - early.gap <= found.value <= early.value


def test_without_a_form_it_is_the_exact_plan() -> None:
    Xs, Xt = _domains()
    found = _solve(Xs, Xt, None, None)
    np.testing.assert_allclose(found.plan.toarray(), exact_plan(squared_distances(Xs, Xt), 10_000)[0].toarray())
    assert found.n_iter == 2
    assert found.gap == pytest.approx(0, abs=1e-12)


def test_a_strong_pull_to_reachable_images_reaches_them() -> None:
    Xs, Xt = np.arange(4.0)[:, None], np.array([[0.0], [3], [6], [9]])
    wanted = np.array([[9.0], [3], [6], [0]])
    found = _solve(Xs, Xt, Pull(lambda Z: 1e3 * Z, wanted), None)
    np.testing.assert_allclose(4 * found.plan @ Xt, wanted, atol=1e-2)


def test_mixture_weights_solve_the_programme_on_the_simplex() -> None:
    rng = np.random.default_rng(0)
    S = rng.normal(size=(6, 3))
    form, linear = S @ S.T, rng.normal(size=6)
    w = _best_mixture(form, linear, np.ones(6) / 6)
    slope = linear + 2 * form @ w
    assert w.sum() == pytest.approx(1)
    np.testing.assert_allclose(slope[w > 0], slope.min(), atol=1e-9)
