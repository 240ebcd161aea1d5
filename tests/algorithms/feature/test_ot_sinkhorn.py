"""The map against POT, the limits of reg, what norm does, known target labels, and the warning."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from transferkit import Domain, ExactOT, SinkhornOT
from transferkit.core.errors import TransferWarning


@pytest.fixture
def domains() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y, yt = np.arange(60) % 3, np.arange(45) % 3
    X = rng.normal(size=(60, 3)) + 3 * np.eye(3)[y]
    Xt = (rng.normal(size=(45, 3)) + 3 * np.eye(3)[yt]) * [1, 2, 1] + 2
    return X, y, Xt, yt


@pytest.mark.parametrize("norm", ["median", "max"])
def test_the_map_is_that_of_pot(domains: tuple[np.ndarray, ...], norm: str) -> None:
    X, y, Xt, _ = domains
    model = SinkhornOT(reg=0.05, norm=norm, tol=1e-10).fit(X, y, target=Domain(Xt))
    theirs = ot.da.SinkhornTransport(reg_e=0.05, norm=norm, max_iter=100_000, tol=1e-12).fit(Xs=X, Xt=Xt)
    cost = ot.da.cost_normalization(ot.dist(X, Xt), norm)
    plan = np.exp((model.potential_source_[:, None] + model.potential_target_ - cost) / 0.05)
    np.testing.assert_allclose(plan, theirs.coupling_, atol=1e-8)
    np.testing.assert_allclose(model.transform(X, domain="source"), theirs.transform(Xs=X), atol=1e-6)


def test_a_large_reg_goes_to_the_mean_and_a_small_one_to_the_exact_map(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, _ = domains
    target = Domain(Xt)
    far = SinkhornOT(reg=1e6).fit(X, y, target=target).images_
    np.testing.assert_allclose(far, np.broadcast_to(Xt.mean(axis=0), far.shape), atol=1e-4)
    exact = ExactOT().fit(X, y, target=target).images_
    gaps = [
        np.abs(SinkhornOT(reg=reg, max_iter=100_000).fit(X, y, target=target).images_ - exact).mean()
        for reg in (0.1, 0.01, 0.001)
    ]
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2]


def test_norm_makes_reg_free_of_the_unit(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, _ = domains
    images = SinkhornOT().fit(X, y, target=Domain(Xt)).images_
    np.testing.assert_allclose(SinkhornOT().fit(50 * X, y, target=Domain(50 * Xt)).images_, 50 * images, rtol=1e-5)
    unit = np.median(ot.dist(X, Xt))
    raw = SinkhornOT(norm=None, reg=0.1 * unit).fit(X, y, target=Domain(Xt)).images_
    np.testing.assert_allclose(raw, images, rtol=1e-5)


def test_known_labels_keep_other_classes_away(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, yt = domains
    Xt = Xt[:, [1, 2, 0]]
    model = SinkhornOT(reg=0.05)
    first = model.fit(X, y, target=Domain(Xt, yt)).images_
    for c in range(3):  # images of a class are means of the target rows of this class
        own = Xt[yt == c]
        assert (first[y == c] >= own.min(axis=0) - 1e-6).all()
        assert (first[y == c] <= own.max(axis=0) + 1e-6).all()
    np.testing.assert_array_equal(model.fit(X, y, target=Domain(Xt, yt)).images_, first)
    assert model.limit_max == 10.0


def test_too_few_iterations_warn(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, _ = domains
    with pytest.warns(TransferWarning, match=r"SinkhornOT.fit: max_iter or reg must be larger"):
        SinkhornOT(reg=0.005, max_iter=5).fit(X, y, target=Domain(Xt))


def test_coinciding_rows_have_no_scale_and_no_trouble() -> None:
    X = np.ones((10, 2))
    model = SinkhornOT().fit(X, np.arange(10) % 2, target=Domain(X))
    np.testing.assert_allclose(model.images_, 1)


def test_single_precision_stays(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, _ = domains
    single = SinkhornOT().fit(X.astype(np.float32), y, target=Domain(Xt.astype(np.float32)))
    assert single.images_.dtype == np.float32
    np.testing.assert_allclose(single.images_, SinkhornOT().fit(X, y, target=Domain(Xt)).images_, atol=1e-4)


def test_regression_carries_the_values_along(domains: tuple[np.ndarray, ...]) -> None:
    X, _, _, _ = domains
    y = X @ [1.0, -1, 2] + 0.1
    assert SinkhornOT(reg=0.005, max_iter=20_000).fit(X, y, target=Domain(X + 5)).score(X + 5, y) > 0.9
