"""The closed form: exact moments, a symmetric positive map, POT's value, and recovery of an affine shift."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from scipy.linalg import eigvalsh

from transferkit import Domain, LinearMonge


@pytest.fixture
def domains() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4)) @ rng.normal(size=(4, 4)) + 2
    Xt = rng.normal(size=(90, 4)) @ rng.normal(size=(4, 4)) - 3
    return X, np.arange(120) % 3, Xt


def test_moments_are_matched_exactly(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt = domains
    Z = LinearMonge(reg=0).fit(X, y, target=Domain(Xt)).transform(X, domain="source")
    np.testing.assert_allclose(Z.mean(axis=0), Xt.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(np.cov(Z.T), np.cov(Xt.T), rtol=1e-9, atol=1e-10)


def test_the_map_is_symmetric_positive_and_that_of_pot(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt = domains
    model = LinearMonge(reg=0).fit(X, y, target=Domain(Xt))
    np.testing.assert_allclose(model.map_, model.map_.T, atol=1e-12)
    assert eigvalsh(model.map_)[0] > 0
    A, b = ot.gaussian.bures_wasserstein_mapping(X.mean(axis=0), Xt.mean(axis=0), np.cov(X.T), np.cov(Xt.T))
    np.testing.assert_allclose(model.map_, A, atol=1e-9)
    np.testing.assert_allclose(model.transform(X, domain="source"), X @ A + b, atol=1e-8)


def test_an_affine_positive_shift_is_recovered(domains: tuple[np.ndarray, ...]) -> None:
    X, y, _ = domains
    root = np.random.default_rng(1).normal(size=(4, 4))
    A, b = root @ root.T + np.eye(4), np.array([1.0, -2, 3, 0])
    model = LinearMonge(reg=0).fit(X, y, target=Domain(X @ A + b))
    np.testing.assert_allclose(model.map_, A, rtol=1e-7)
    np.testing.assert_allclose(model.transform(X, domain="source"), X @ A + b, rtol=1e-7)


def test_more_features_than_rows_and_a_constant_column() -> None:
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(12, 20)), rng.normal(size=(10, 20))
    X[:, 3] = Xt[:, 3] = 1
    for reg in (0, 1e-6):
        Z = LinearMonge(reg=reg).fit(X, np.arange(12) % 2, target=Domain(Xt)).transform(X, domain="source")
        assert np.isfinite(Z).all()
        np.testing.assert_allclose(Z[:, 3], 1, atol=1e-6)


def test_regression_carries_the_values_along(domains: tuple[np.ndarray, ...]) -> None:
    X, _, _ = domains
    y = X @ [1.0, 2, 0, -1] + 0.1
    moved = X * [3, 1, 2, 0.5] - 4
    assert LinearMonge().fit(X, y, target=Domain(moved)).score(moved, y) > 0.99
