"""Both penalties against independent solvers, and what they are for: one class a target row."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from transferkit import ClassRegularisedOT, Domain, SinkhornOT
from transferkit.core.errors import DomainError, TransferWarning


@pytest.fixture
def domains() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y, yt = np.arange(45) % 3, np.arange(36) % 3
    X = rng.normal(size=(45, 3)) + 3 * np.eye(3)[y]
    Xt = (rng.normal(size=(36, 3)) + 3 * np.eye(3)[yt]) * [1, 2, 1] + 1
    return X, y, Xt, yt


@pytest.mark.parametrize(("reg", "reg_class"), [(0.2, 0.1), (0.1, 0.02), (0.5, 0.2)])
def test_lp_l1_is_the_map_of_pot(domains: tuple[np.ndarray, ...], reg: float, reg_class: float) -> None:
    X, y, Xt, _ = domains
    model = ClassRegularisedOT(reg, reg_class, tol=1e-8).fit(X, y, target=Domain(Xt))
    theirs = ot.da.SinkhornLpl1Transport(
        reg_e=reg, reg_cl=reg_class, norm="median", max_iter=model.n_iter_, max_inner_iter=20_000, tol=1e-9
    )
    np.testing.assert_allclose(model.images_, theirs.fit_transform(Xs=X, ys=y, Xt=Xt), atol=1e-6)


@pytest.mark.parametrize(("reg", "reg_class"), [(0.2, 0.1), (0.2, 0.5)])
def test_l1_l2_is_the_minimum_of_its_objective(domains: tuple[np.ndarray, ...], reg: float, reg_class: float) -> None:
    """Against POT's conditional gradient with the entropy in the line search, where `ot.da` leaves it out."""
    X, y, Xt, _ = domains
    cost = ot.da.cost_normalization(ot.dist(X, Xt), "median")
    members = np.eye(3)[y].T

    def norms(plan: np.ndarray) -> np.ndarray:
        return np.sqrt(members @ plan**2)

    def objective(plan: np.ndarray) -> float:
        return (plan * cost).sum() + reg * (plan * np.log(plan)).sum() + reg_class * norms(plan).sum()

    def direction(a: np.ndarray, b: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, dict]:
        return ot.sinkhorn(a, b, slope, reg, method="sinkhorn_log", numItermax=20_000, stopThr=1e-11, log=True)

    def search(_: object, plan: np.ndarray, step: np.ndarray, *__: object) -> tuple[float, int, float]:
        grid = np.linspace(0, 1, 201)
        values = [objective(plan + t * step) for t in grid]
        return float(grid[np.argmin(values)]), len(grid), min(values)

    a, b = np.full(45, 1 / 45), np.full(36, 1 / 36)
    theirs = ot.optim.generic_conditional_gradient(
        a, b, cost, lambda plan: norms(plan).sum(), lambda plan: plan / norms(plan)[y], reg_class, None, direction, search,
        numItermax=60, stopThr=1e-12, stopThr2=1e-12,
    )  # fmt: skip
    model = ClassRegularisedOT(reg, reg_class, "l1_l2", tol=1e-9, max_inner_iter=20_000, max_iter=2000)
    images = model.fit(X, y, target=Domain(Xt)).images_
    np.testing.assert_allclose(images, 45 * theirs @ Xt, atol=2e-2)
    np.testing.assert_allclose(model.class_mass_, members @ theirs * 36, atol=5e-3)


@pytest.mark.parametrize(("penalty", "strong", "gain"), [("lp_l1", 1.0, 0.12), ("l1_l2", 10.0, 0.04)])
def test_target_rows_receive_from_one_class(
    domains: tuple[np.ndarray, ...], penalty: str, strong: float, gain: float
) -> None:
    X, y, Xt, yt = domains

    def top(reg_class: float) -> np.ndarray:
        model = ClassRegularisedOT(0.2, reg_class, penalty, max_iter=2000).fit(X, y, target=Domain(Xt))
        np.testing.assert_allclose(model.class_mass_.sum(axis=0), 1)
        return model.class_mass_

    free, pressed = top(0.0), top(strong)
    assert pressed.max(axis=0).mean() > free.max(axis=0).mean() + gain
    assert (pressed.argmax(axis=0) == yt).mean() > 0.7


@pytest.mark.parametrize("penalty", ["lp_l1", "l1_l2"])
def test_without_penalty_it_is_entropic_transport(domains: tuple[np.ndarray, ...], penalty: str) -> None:
    X, y, Xt, _ = domains
    model = ClassRegularisedOT(reg_class=0, penalty=penalty, tol=1e-6).fit(X, y, target=Domain(Xt))
    np.testing.assert_array_equal(model.images_, SinkhornOT().fit(X, y, target=Domain(Xt)).images_)
    assert model.n_iter_ == 1


@pytest.mark.parametrize("penalty", ["lp_l1", "l1_l2"])
def test_known_labels_decide_the_class(domains: tuple[np.ndarray, ...], penalty: str) -> None:
    X, y, Xt, yt = domains
    known = np.arange(36) < 18
    model = ClassRegularisedOT(penalty=penalty).fit(X, y, target=Domain(Xt[:, [1, 2, 0]], yt, known))
    np.testing.assert_allclose(model.class_mass_[yt[:18], np.arange(18)], 1, atol=1e-6)


def test_too_few_steps_warn(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, _ = domains
    with pytest.warns(TransferWarning, match=r"ClassRegularisedOT.fit: max_iter"):
        ClassRegularisedOT(max_iter=2).fit(X, y, target=Domain(Xt))


def test_numbers_to_regress_on_are_refused(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, _ = domains
    with pytest.raises(DomainError, match=r"ClassRegularisedOT.fit: y must hold classes"):
        ClassRegularisedOT().fit(X, y + 0.5, target=Domain(Xt))
