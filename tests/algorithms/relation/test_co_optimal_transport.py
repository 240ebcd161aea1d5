"""COOT: POT's own numbers, scrambled columns found, and what labels and pairs add."""

import numpy as np
import pytest

import spaces
from transferkit import CoOptimalTransport, Domain, DomainError, TransferWarning
from transferkit.algorithms.relation import co_optimal_transport
from transferkit.core.plan_transfer import label_mismatch, to_unit_scale


def test_the_cost_is_pots():
    from ot.coot import co_optimal_transport2

    world = spaces.scrambled(0, 30)
    model = CoOptimalTransport().fit(world.X, world.y, target=Domain(world.Xt))
    expected = co_optimal_transport2(to_unit_scale(world.X), to_unit_scale(world.Xt), log=False)
    assert model.cost_ == pytest.approx(float(expected), rel=1e-6)


def test_scrambled_columns_and_rows_are_found():
    rng = np.random.default_rng(0)
    X = rng.exponential(size=(40, 7)) * np.arange(1, 8)
    rows, columns = rng.permutation(40), rng.permutation(7)
    model = CoOptimalTransport().fit(X, np.arange(40) % 2, target=Domain(X[rows][:, columns]))
    np.testing.assert_array_equal(model.column_plan_.argmax(axis=0), columns)
    np.testing.assert_array_equal(model.row_plan_.argmax(axis=0), rows)
    assert model.cost_ == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(model.images_, X[:, columns], atol=1e-9)


def test_entropic_plans_are_a_fixed_point_of_sinkhorn():
    """Each plan is what Sinkhorn gives for the cost that the other makes."""
    from ot import sinkhorn

    world = spaces.scrambled(0, 24)
    model = CoOptimalTransport(sample_reg=0.05, feature_reg=0.1).fit(world.X, world.y, target=Domain(world.Xt))
    A, B = to_unit_scale(world.X), to_unit_scale(world.Xt)
    P, Q = model.row_plan_, model.column_plan_
    for a, b, own, other, reg in ((A, B, P, Q, 0.1), (A.T, B.T, Q, P, 0.2)):
        cost = (((a[:, None, :, None] - b[None, :, None, :]) ** 2) * other).sum(axis=(2, 3))
        masses = [np.full(n, 1 / n) for n in cost.shape]
        np.testing.assert_allclose(own, sinkhorn(*masses, cost, reg, stopThr=1e-12), atol=2e-4)


def test_strong_entropy_forgets():
    world = spaces.scrambled(0, 24)
    model = CoOptimalTransport(sample_reg=1e4, feature_reg=1e4).fit(world.X, world.y, target=world.target(2))
    np.testing.assert_allclose(model.row_plan_, 1 / 24**2, rtol=1e-2)
    np.testing.assert_allclose(model.column_plan_, 1 / 54, rtol=1e-2)


def test_the_strength_is_chosen_by_known_labels_alone(monkeypatch):
    monkeypatch.setattr(co_optimal_transport, "_STRENGTHS", (0.0, 0.1))
    world = spaces.scrambled(0, 18)
    target = world.target(2)
    model = CoOptimalTransport(sample_reg=None).fit(world.X, world.y, target=target)
    assert model.sample_reg_ in (0.0, 0.1)
    hidden = Domain(world.Xt, np.where(target.mask, world.yt, 77), target.mask)
    other = CoOptimalTransport(sample_reg=None).fit(world.X, world.y, target=hidden)
    np.testing.assert_array_equal(model.row_plan_, other.row_plan_)
    with pytest.raises(DomainError, match=r"two known labels or more where sample_reg is None\. Got 0\."):
        CoOptimalTransport(sample_reg=None).fit(world.X, world.y, target=Domain(world.Xt))
    known = Domain(world.Xt, world.Xt[:, 0], np.arange(18) < 4)
    numbers = CoOptimalTransport(sample_reg=None).fit(world.X, world.X[:, 0], target=known)
    assert np.isfinite(numbers.predict(world.Xt)).all()


def test_masses_are_equal():
    world = spaces.scrambled(1, 30)
    model = CoOptimalTransport().fit(world.X, world.y, target=world.target(2))
    np.testing.assert_allclose(model.row_plan_.sum(axis=0), 1 / 30, atol=1e-9)
    np.testing.assert_allclose(model.column_plan_.sum(axis=1), 1 / 6, atol=1e-9)


def test_labels_help_where_tables_alone_are_ambiguous():
    world = spaces.scrambled(0, 90)
    target = world.target(3)
    none, some = (CoOptimalTransport(label_weight=w).fit(world.X, world.y, target=target) for w in (0.0, 1.0))
    wrong = [(label_mismatch_of(world, target) * m.row_plan_).sum() for m in (none, some)]
    assert wrong[1] < 0.5 * wrong[0]


def label_mismatch_of(world, target):
    cost = np.zeros((len(world.X), len(world.Xt)))
    cost[:, target.mask] = world.y[:, None] != target.known_y
    return cost


def test_too_few_rounds_are_told():
    world = spaces.scrambled(0, 30)
    with pytest.warns(TransferWarning, match="max_iter=1 rounds were not enough"):
        CoOptimalTransport(max_iter=1).fit(world.X, world.y, target=Domain(world.Xt))


def test_what_is_known_to_differ():
    class Data:
        Xs, Xt = np.zeros((3, 1)), np.zeros((4, 1))
        task, codes, codes_t = "classification", np.array([0, 1, 1]), np.array([1])
        known, yt = np.array([False, True, False, False]), np.array([1])
        pairs = np.array([[2, 3]])

    np.testing.assert_array_equal(label_mismatch(Data), [[0, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 0]])
