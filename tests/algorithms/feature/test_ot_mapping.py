"""The joint objective against POT's alternation, maps that are known, and rows that were not in the fit."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from transferkit import Domain, MappingOT
from transferkit.core.errors import ParamError, TransferWarning
from transferkit.ops.kernels.gaussian import rbf


@pytest.fixture
def domains() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(21) % 3
    X = rng.normal(size=(21, 2)) + 3 * np.array([[0, 0], [1, 0], [0, 1.0]])[y]
    return X, y, rng.normal(size=(18, 2)) * [1, 2] + [1, 2]


@pytest.mark.parametrize("intercept", [True, False])
def test_linear_is_the_minimum_of_the_joint_objective(domains: tuple[np.ndarray, ...], intercept: bool) -> None:
    X, y, Xt = domains
    reg, mu, n = 0.1, 0.5, 21
    model = MappingOT("linear", mu, reg, intercept=intercept, tol=1e-5, max_iter=300).fit(X, y, target=Domain(Xt))
    eta = reg * n * X.var(axis=0).mean()

    def objective(plan: np.ndarray, L: np.ndarray, b: np.ndarray) -> float:
        fit = ((X @ L + b - n * plan @ Xt) ** 2).sum()
        return fit + mu * n * (plan * ot.dist(X, Xt)).sum() + eta * ((L - np.eye(2)) ** 2).sum()

    G, L = ot.da.joint_OT_mapping_linear(
        X, Xt, mu, eta, bias=intercept, numItermax=30, stopThr=1e-9, numInnerItermax=30
    )
    ours = objective(model.coupling_.toarray(), model.coef_, model.intercept_)
    assert ours == pytest.approx(model.value_ * n * ot.dist(X, Xt).max(), rel=1e-9)
    theirs = objective(G, L[:2], L[2] if intercept else np.zeros(2))
    assert theirs * 0.95 <= ours <= theirs * (1 + 1e-5)


@pytest.mark.parametrize("intercept", [True, False])
def test_rbf_is_the_minimum_of_the_joint_objective(domains: tuple[np.ndarray, ...], intercept: bool) -> None:
    X, y, Xt = domains
    reg, mu, n = 0.05, 0.5, 21
    model = MappingOT("rbf", mu, reg, 0.3, intercept, tol=1e-5, max_iter=300).fit(X, y, target=Domain(Xt))
    K, eta = rbf(X, X, 0.3), reg * n

    def objective(plan: np.ndarray, W: np.ndarray, b: np.ndarray) -> float:
        fit = ((K @ W + b - n * plan @ Xt) ** 2).sum()
        return fit + mu * n * (plan * ot.dist(X, Xt)).sum() + eta * (W * (K @ W)).sum()

    ours = objective(model.coupling_.toarray(), model.coef_, model.intercept_)
    assert ours == pytest.approx(model.value_ * n * ot.dist(X, Xt).max(), rel=1e-8)
    if not intercept:
        sigma = 1 / np.sqrt(2 * 0.3)
        G, W = ot.da.joint_OT_mapping_kernel(
            X, Xt, mu, eta, sigma=sigma, numItermax=30, stopThr=1e-9, numInnerItermax=30
        )
        theirs = objective(G, W, np.zeros(2))
        assert theirs * 0.95 <= ours <= theirs * (1 + 1e-5)
    # No other map is better for this plan.
    rng = np.random.default_rng(1)
    for _ in range(5):
        step = 1e-3 * rng.normal(size=model.coef_.shape)
        assert objective(model.coupling_.toarray(), model.coef_ + step, model.intercept_) > ours


def test_an_affine_map_is_found_and_holds_for_new_rows(domains: tuple[np.ndarray, ...]) -> None:
    X, y, _ = domains
    A, b = np.array([[2.0, 0.3], [0.3, 1.0]]), np.array([5.0, -3])
    model = MappingOT(reg=1e-6, cost_weight=1e-3).fit(X, y, target=Domain(X @ A + b))
    np.testing.assert_allclose(model.coef_, A, atol=1e-3)
    np.testing.assert_allclose(model.transform(np.array([[10.0, 10]]), "source"), [[28, 10]], atol=0.1)


def test_a_strong_penalty_leaves_a_translation(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt = domains
    model = MappingOT(reg=1e6).fit(X, y, target=Domain(Xt))
    np.testing.assert_allclose(model.coef_, np.eye(2), atol=1e-4)
    np.testing.assert_allclose(model.transform(X, "source").mean(axis=0), Xt.mean(axis=0))


def test_wide_rows_give_the_same_map() -> None:
    """More features than rows: the other form of the ridge regression."""
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(12, 5)), rng.normal(size=(12, 5)) + 1
    narrow = MappingOT(reg=0.1).fit(X, np.arange(12) % 2, target=Domain(Xt))
    zeros = np.zeros((12, 20))
    # The mean variance over 25 features is a fifth of that over 5.
    wide = MappingOT(reg=0.5).fit(np.hstack([X, zeros]), np.arange(12) % 2, target=Domain(np.hstack([Xt, zeros])))
    np.testing.assert_allclose(
        wide.transform(np.hstack([X, zeros]), "source")[:, :5], narrow.transform(X, "source"), atol=1e-6
    )


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_unit_of_the_features_is_nothing(domains: tuple[np.ndarray, ...], kernel: str) -> None:
    X, y, Xt = domains
    plain = MappingOT(kernel).fit(X, y, target=Domain(Xt)).transform(X, "source")
    scaled = MappingOT(kernel).fit(X * 1000, y, target=Domain(Xt * 1000)).transform(X * 1000, "source")
    np.testing.assert_allclose(scaled, plain * 1000, rtol=1e-4, atol=1e-3)


def test_limits_are_told(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt = domains
    with pytest.raises(ParamError, match=r"MappingOT.fit: max_pivots must be larger for 21 by 18 rows"):
        MappingOT(max_pivots=2).fit(X, y, target=Domain(Xt))
    with pytest.warns(TransferWarning, match=r"MappingOT.fit: max_iter"):
        MappingOT(max_iter=2).fit(X, y, target=Domain(Xt))
