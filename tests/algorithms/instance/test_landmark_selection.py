import numpy as np
import pytest
from scipy.optimize import minimize

from transferkit import Domain, LandmarkSelection
from transferkit.ops.kernels.gaussian import median_gamma, rbf


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(120, 2)), rng.normal(0.8, 0.5, size=(80, 2))
    return X, (X[:, 0] + rng.normal(size=120) > 0.3).astype(int), Xt


def test_classes_keep_their_shares_at_every_scale(world):
    X, y, Xt = world
    model = LandmarkSelection().fit(X, y, target=Domain(Xt))
    assert model.weights_.shape == (7, 120)
    assert model.weights_.min() >= 0
    np.testing.assert_allclose(model.weights_[:, y == 1].sum(axis=1), (y == 1).mean())
    np.testing.assert_allclose(model.weights_.sum(axis=1), 1)
    np.testing.assert_allclose(model.sample_weight_, model.weights_.mean(axis=0) * 120)
    np.testing.assert_allclose(model.gammas_[3], 2 * median_gamma(np.vstack([X, Xt])))
    np.testing.assert_allclose(model.gammas_[:-1] / model.gammas_[1:], 4)


def test_solves_the_papers_program():
    rng = np.random.default_rng(0)
    X, y, Xt = rng.normal(size=(14, 2)), np.arange(14) % 2, rng.normal(0.5, 1, size=(20, 2))
    model = LandmarkSelection(n_scales=1, max_iter=20_000).fit(X, y, target=Domain(Xt))
    gamma = model.gammas_[0]
    A, b = rbf(X, X, gamma), rbf(X, Xt, gamma).mean(axis=1)
    found = minimize(
        lambda v: v @ A @ v - 2 * b @ v,
        np.full(14, 1 / 14),
        jac=lambda v: 2 * (A @ v - b),
        bounds=[(0, None)] * 14,
        constraints=[{"type": "eq", "fun": lambda v, c=c: v[y == c].sum() - 0.5} for c in (0, 1)],
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert model.mmd_[0] == pytest.approx(found.fun + rbf(Xt, Xt, gamma).mean(), abs=2e-4)
    assert model.mmd_[0] - found.fun - rbf(Xt, Xt, gamma).mean() <= model.gaps_[0] + 1e-9
    assert (model.landmarks_[0] == (model.weights_[0] > 0)).all()
    assert 0 < model.landmarks_.sum() < 14


def test_landmarks_lie_where_the_target_is(world):
    X, y, Xt = world
    model = LandmarkSelection().fit(X, y, target=Domain(Xt))
    near = ((X - 0.8) ** 2).sum(axis=1) < 1
    assert model.sample_weight_[near].mean() > 2.5 * model.sample_weight_[~near].mean()
    wide = model.landmarks_[-3:]
    assert wide.mean() < 0.5  # sparse
    gamma = model.gammas_[3]
    unweighted = rbf(X, X, gamma).mean() - 2 * rbf(X, Xt, gamma).mean() + rbf(Xt, Xt, gamma).mean()
    assert model.mmd_[3] < 0.3 * unweighted


def test_the_target_as_its_own_source_has_nothing_to_choose(world):
    X, y, _ = world
    model = LandmarkSelection().fit(X, y, target=Domain(X))
    assert model.mmd_.max() < 1e-4
    np.testing.assert_allclose(model.weights_[0], 1 / 120, atol=1e-4)
    assert model.n_iter_ == 1


def test_the_steps_are_counted(world):
    X, y, Xt = world
    assert LandmarkSelection(max_iter=20).fit(X, y, target=Domain(Xt)).n_iter_ == 20
    assert 1 < LandmarkSelection(n_scales=1).fit(X, y, target=Domain(Xt)).n_iter_ < 500


def test_the_flow_kernels_distances_leave_out_what_no_subspace_holds():
    rng = np.random.default_rng(0)
    # Columns without any correlation: the first is the principal axis of both domains.
    X, Xt = (np.linalg.qr(V - V.mean(axis=0))[0] * [5, 3, 2] for V in rng.normal(size=(2, 60, 3)))
    Xt, y = Xt + np.array([0.5, 0, 0]), np.arange(60) % 2
    flow = LandmarkSelection(n_components=1).fit(X, y, target=Domain(Xt)).sample_weight_
    first = LandmarkSelection().fit(X[:, :1], y, target=Domain(Xt[:, :1])).sample_weight_
    np.testing.assert_allclose(flow, first, atol=1e-4)
    assert np.abs(flow - LandmarkSelection().fit(X, y, target=Domain(Xt)).sample_weight_).max() > 0.3


def test_numbers_one_target_row_and_a_class_of_one_row(world):
    X, _, Xt = world
    model = LandmarkSelection().fit(X, X[:, 0] + 0.5, target=Domain(Xt))
    np.testing.assert_allclose(model.weights_.sum(axis=1), 1)
    lonely = LandmarkSelection().fit(X[:5], [0, 0, 0, 0, 1], target=Domain(Xt[:1]))
    np.testing.assert_allclose(lonely.weights_[:, 4], 1 / 5)
    far = LandmarkSelection().fit(X, np.arange(120) % 2, target=Domain(Xt + 1e6))
    assert np.isfinite(far.sample_weight_).all()
