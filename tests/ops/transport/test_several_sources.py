"""Class shares against POT, barycentres of translates and of Gaussians on a line."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from transferkit.ops.kernels.gaussian import squared_distances
from transferkit.ops.transport.several_sources import labelled_barycentre, shared_class_shares


def _sources() -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    ys = [(np.arange(50) % 10 < k).astype(int) for k in (2, 5)]
    Xs = [rng.normal(size=(50, 2)) + 3 * y[:, None] for y in ys]
    yt = (np.arange(40) % 10 < 8).astype(int)
    return Xs, ys, rng.normal(size=(40, 2)) + 3 * yt[:, None]


@pytest.mark.parametrize("reg", [1.0, 0.3])
def test_shares_are_those_of_pot(reg: float) -> None:
    Xs, ys, Xt = _sources()
    costs = [squared_distances(X, Xt) for X in Xs]
    found = shared_class_shares(costs, ys, 2, reg, max_iter=5000, tol=1e-10)
    theirs, log = ot.bregman.jcpot_barycenter(
        Xs, [y.copy() for y in ys], Xt, reg, numItermax=20_000, stopThr=1e-12, log=True
    )
    np.testing.assert_allclose(found.shares, theirs, atol=1e-6)
    for plan, y in zip(found.plans, ys):
        np.testing.assert_allclose(plan.sum(axis=0), 1 / 40)
        np.testing.assert_allclose(np.bincount(y, weights=plan.sum(axis=1)), found.shares, atol=1e-6)
    np.testing.assert_allclose(found.plans[0] * 2000, log["gamma"][0] * 2000, atol=1e-4)


def test_a_small_reg_finds_the_shares_of_the_target() -> None:
    Xs, ys, Xt = _sources()
    found = shared_class_shares(
        [squared_distances(X + 1000, Xt + 1000) for X in Xs], ys, 2, 0.02, max_iter=5000, tol=1e-6
    )
    assert abs(found.shares[1] - 0.8) < 0.05
    assert np.isfinite(found.plans[0]).all()


def test_a_source_without_a_class_leaves_the_shares_to_the_others() -> None:
    Xs, ys, Xt = _sources()
    only = [Xs[0], Xs[1][ys[1] == 1]]
    labels = [ys[0], np.ones(25, dtype=int)]
    found = shared_class_shares([squared_distances(X, Xt) for X in only], labels, 2, 0.1, max_iter=5000, tol=1e-8)
    assert np.isfinite(found.shares).all()
    assert 0.05 < found.shares[0] < 0.5


def test_the_barycentre_of_translates_lies_at_their_mean() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), np.arange(30) % 3
    moves = np.array([[0.0, 0, 0], [3, 1, 0], [0, -4, 9]])
    found = labelled_barycentre(X, y, [X + t for t in moves], [y] * 3, 10.0, max_iter=20, tol=1e-6, max_pivots=10_000)
    np.testing.assert_allclose(found.X, X + moves.mean(axis=0))
    # Half of the mean squared distance between two of them, over all pairs.
    assert found.costs[-1] == pytest.approx(((moves - moves.mean(axis=0)) ** 2).sum(axis=1).mean())


def test_on_a_line_it_is_the_mean_of_the_quantiles_and_the_cost_falls() -> None:
    rng = np.random.default_rng(1)
    a, b = np.sort(rng.normal(size=40))[:, None], np.sort(5 + 3 * rng.normal(size=40))[:, None]
    start, same = rng.normal(size=(40, 1)), np.zeros(40, dtype=int)
    found = labelled_barycentre(start, same, [a, b], [same, same], 1.0, max_iter=50, tol=0, max_pivots=10_000)
    np.testing.assert_allclose(np.sort(found.X[:, 0]), (a + b)[:, 0] / 2)
    assert (np.diff(found.costs) < 0).all()


def test_rows_of_a_class_stay_with_their_class() -> None:
    y = np.repeat([0, 1], 10)
    a = np.linspace(0, 1, 20)[:, None] + 10.0 * y[:, None]
    b = np.linspace(0, 1, 20)[:, None] + 10.0 * (1 - y[:, None])  # the classes have traded places
    found = labelled_barycentre(a, y, [a, b], [y, y], 10.0, max_iter=20, tol=1e-6, max_pivots=10_000)
    np.testing.assert_allclose(found.X[:, 0], 5.5, atol=0.6)
