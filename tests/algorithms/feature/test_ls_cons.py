"""Transformations that are known are found, gradients are right, and random frequencies come near the kernel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.linear_model import Ridge

from transferkit import Domain, LinearMonge, LSConS
from transferkit.algorithms.feature.ls_cons import _bumps, _cos_sin_of_double, _fourier_mmd, _kernel_mmd


@pytest.fixture
def stretched() -> tuple[np.ndarray, ...]:
    """Two classes, each moved and stretched in its own way."""
    rng = np.random.default_rng(0)
    y, yt = np.arange(240) % 2, np.arange(200) % 2
    scale, shift = np.array([[1.0, 2.0], [0.5, 1.0]]), np.array([[-1.0, 0], [2, 1.0]])
    X, Xt = (rng.normal(size=(n, 2)) + np.array([4.0, 0]) * c[:, None] for n, c in ((240, y), (200, yt)))
    return X, y, scale[yt] * Xt + shift[yt], yt, scale, shift


@pytest.mark.parametrize("n_components", [None, 128])
def test_each_class_gets_its_own_transformation(stretched: tuple[np.ndarray, ...], n_components: int | None) -> None:
    X, y, Xt, yt, _, _ = stretched
    model = LSConS(reg=1e-5, n_components=n_components, random_state=0).fit(X, y, target=Domain(Xt))
    for c in range(2):
        # Means and spreads of the classes, which the target's labels were not needed for.
        moved = (model.scale_ * X + model.shift_)[y == c]
        np.testing.assert_allclose(moved.mean(axis=0), Xt[yt == c].mean(axis=0), atol=0.3)
        np.testing.assert_allclose(moved.std(axis=0), Xt[yt == c].std(axis=0), rtol=0.35)
    assert model.discrepancy_[1] < 0.3 * model.discrepancy_[0]
    assert model.score(Xt, yt) >= LinearMonge().fit(X, y, target=Domain(Xt)).score(Xt, yt)
    assert len(np.unique(model.scale_[y == 1], axis=0)) == 1
    np.testing.assert_allclose(model.transform(X[:9], "source"), model.scale_[:9] * X[:9] + model.shift_[:9])


def test_the_gradients_are_those_of_the_discrepancy() -> None:
    rng = np.random.default_rng(0)
    Z, Xt = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)) + 0.5
    for discrepancy in (_kernel_mmd(Xt, 0.4), _fourier_mmd(Xt, rng.normal(size=(3, 6)))):
        value = lambda flat, f=discrepancy: f(flat.reshape(7, 3))[0]  # noqa: E731
        slope = lambda flat, f=discrepancy: f(flat.reshape(7, 3))[1].ravel()  # noqa: E731
        assert check_grad(value, slope, Z.ravel()) < 1e-6
        assert discrepancy(np.vstack([Xt, Xt]))[0] == pytest.approx(0, abs=1e-12)


def test_one_tangent_gives_cosine_and_sine_to_rounding() -> None:
    angles = np.concatenate([np.linspace(-50, 50, 9999), np.pi / 2 * np.arange(-8, 9), [0.0, 1e-300, 1e8]])
    cosine, sine = _cos_sin_of_double(angles.copy())
    np.testing.assert_allclose(cosine, np.cos(2 * angles), atol=1e-15)
    np.testing.assert_allclose(sine, np.sin(2 * angles), atol=1e-15)


def test_frequencies_approach_the_kernel() -> None:
    rng = np.random.default_rng(0)
    Z, Xt = rng.normal(size=(30, 3)) + 0.5, rng.normal(size=(40, 3))
    exact = _kernel_mmd(Xt, 0.3)(Z)[0]
    assert _fourier_mmd(Xt, np.sqrt(0.6) * rng.normal(size=(3, 20_000)))(Z)[0] == pytest.approx(exact, rel=0.03)


def test_numbers_shift_smoothly_with_the_value() -> None:
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(200, 2)), rng.normal(size=(200, 2))
    y, yt = X[:, 0] + 0.1 * rng.normal(size=200), Xt[:, 0] + 0.1 * rng.normal(size=200)
    turned = Xt + np.column_stack([np.zeros(200), 1.5 * yt])  # the second feature now goes with the value
    model = LSConS(reg=1e-4, start="identity", n_components=None, estimator=Ridge()).fit(X, y, target=Domain(turned))
    low, high = model.shift_[y < -1, 1].mean(), model.shift_[y > 1, 1].mean()
    assert high - low > 0.5 or low - high > 0.5  # the sign of the second feature is not to be seen in the marginal
    assert model.discrepancy_[1] < model.discrepancy_[0]
    bumps = _bumps(y, 4)
    np.testing.assert_allclose(bumps.sum(axis=1), 1)
    np.testing.assert_array_equal(_bumps(np.full(5, 2.0), 1), np.ones((5, 1)))


def test_a_strong_penalty_stays_at_the_start(stretched: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, _, _, _ = stretched
    moments = LSConS(reg=1e9).fit(X, y, target=Domain(Xt)).transform(X, "source")
    np.testing.assert_allclose(moments.mean(axis=0), Xt.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(moments.std(axis=0), Xt.std(axis=0), atol=1e-6)
    np.testing.assert_allclose(
        LSConS(reg=1e9, start="identity").fit(X, y, target=Domain(Xt)).transform(X, "source"), X, atol=1e-6
    )


def test_the_unit_and_origin_of_the_features_are_nothing(stretched: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, _, _, _ = stretched
    plain = LSConS(random_state=0).fit(X, y, target=Domain(Xt)).transform(X, "source")
    other = (
        LSConS(random_state=0).fit(X * 100 + 1e4, y, target=Domain(Xt * 100 + 1e4)).transform(X * 100 + 1e4, "source")
    )
    np.testing.assert_allclose((other - 1e4) / 100, plain, atol=1e-3)
