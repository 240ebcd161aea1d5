"""The short cuts of the class penalties lead where whole problems, each solved to many digits, lead."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from transferkit.ops.kernels.gaussian import squared_distances
from transferkit.ops.transport import class_penalties
from transferkit.ops.transport.class_penalties import class_plan
from transferkit.ops.transport.plans import sinkhorn

REG = 0.1


@pytest.fixture
def problem() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y, yt = rng.integers(0, 3, 50), rng.integers(0, 3, 40)
    X, Xt = (rng.normal(size=(len(c), 3)) + 3 * np.eye(3)[c] for c in (y, yt))
    cost = squared_distances(X, Xt + 0.5)
    return cost / np.median(cost), np.eye(3)[y].T


def plainly(cost: np.ndarray, members: np.ndarray, penalty: str, reg_class: float, n_iter: int) -> np.ndarray:
    """Every problem from its whole cost, in double precision."""
    codes = members.argmax(axis=0)
    found = sinkhorn(cost, REG, tol=1e-11, max_iter=20_000)
    for _ in range(n_iter):
        P = np.maximum(found.plan, 1e-300)
        if penalty == "lp_l1":
            slope = (0.5 * (members @ P + 1e-3) ** -0.5)[codes]
            found = sinkhorn(cost + reg_class * slope, REG, tol=1e-11, max_iter=20_000)
        else:
            slope = P / np.sqrt(members @ P**2)[codes] - np.log(P)
            found = sinkhorn(cost + reg_class * slope, REG + reg_class, tol=1e-11, max_iter=20_000)
    return found.plan


@pytest.mark.parametrize("penalty", ["lp_l1", "l1_l2"])
@pytest.mark.parametrize("reg_class", [0.02, 0.1])
def test_it_is_what_whole_problems_end_at(
    problem: tuple[np.ndarray, np.ndarray], penalty: str, reg_class: float
) -> None:
    cost, members = problem
    found = class_plan(cost, members, penalty, REG, reg_class, max_iter=500, max_inner_iter=20_000, tol=1e-9)
    assert found.error <= 1e-9 >= found.moved
    assert found.plan.dtype == np.float64
    assert_allclose(found.plan, plainly(cost, members, penalty, reg_class, 80), atol=1e-8)


def test_the_next_kernel_is_the_last_plan_times_a_factor(
    problem: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    cost, members = problem
    monkeypatch.setattr(class_penalties, "_CELLS", 120)  # several blocks
    raised = class_penalties._Raised(cost, np.zeros((3, 40)), members.argmax(axis=0))
    found = sinkhorn(cost, REG, tol=1e-8)
    tangent, kernel = class_penalties._tangent(raised, found.plan, members, REG, 0.1, np.float64)
    assert kernel is not None
    assert tangent.shape == cost.shape
    assert_allclose(kernel, np.exp((found.f[:, None] + found.g - tangent[:]) / REG), rtol=1e-10)
    assert_allclose(tangent[3:7], (cost + tangent.levels[members.argmax(axis=0)])[3:7])


def test_a_penalty_that_moves_far_makes_its_kernel_anew(problem: tuple[np.ndarray, np.ndarray]) -> None:
    cost, members = problem
    raised = class_penalties._Raised(cost, np.zeros((3, 40)), members.argmax(axis=0))
    plan = sinkhorn(cost, REG, tol=1e-8).plan
    assert class_penalties._tangent(raised, plan, members, REG, 100.0, np.float64)[1] is None
    assert class_penalties._tangent(raised, plan.astype(np.float32), members, REG, 0.1, np.float64)[1] is None
    found = class_plan(cost, members, "lp_l1", REG, 100.0, max_iter=500, max_inner_iter=20_000, tol=1e-7)
    assert_allclose(found.plan.sum(axis=1), 1 / 50, atol=1e-7)
    assert (members @ found.plan).max(axis=0).sum() > 0.9  # a target row receives from one class


def test_one_problem_is_solved_to_the_end(problem: tuple[np.ndarray, np.ndarray]) -> None:
    cost, members = problem
    found = class_plan(cost, members, "lp_l1", REG, 0.1, max_iter=1, max_inner_iter=2000, tol=1e-8)
    assert found.n_iter == 1
    assert found.error <= 1e-8
    assert_allclose(found.plan, sinkhorn(cost, REG, tol=1e-8).plan, atol=1e-9)
