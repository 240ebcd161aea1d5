"""Gromov-Wasserstein: isometries cost nothing and are found, mirror images need a pair, anchors and entropy do as said."""

import numpy as np
import pytest

import spaces
from transferkit import Domain, GromovWasserstein, TransferWarning
from transferkit.core.plan_transfer import to_unit_scale
from transferkit.ops.transport.gromov import inner_distances


def blobs(seed=0):
    """Three groups of unequal size, at unequal distances: no mirror image of themselves."""
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1, 2], [8, 14, 22])
    return rng.normal(size=(44, 2)) + np.array([[0, 0], [9, 0], [0, 30]])[y], y, rng


def test_an_isometry_costs_nothing_and_is_found():
    X, y, rng = blobs()
    order = rng.permutation(44)
    Xt = (X @ np.linalg.qr(rng.normal(size=(5, 2)))[0].T + 7)[order]
    model = GromovWasserstein().fit(X, y, target=Domain(Xt))
    assert model.distortion_ == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(model.plan_.argmax(axis=0), order)
    assert model.score(Xt, y[order]) == 1.0


def test_a_pair_tells_a_domain_from_its_mirror_image():
    """Two equal groups: distances cannot say which is which."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 15)
    X = rng.normal(size=(30, 2))
    X[15:] = X[:15] * [-1, 1] + [12, 0]
    Xt = np.column_stack([X, np.zeros(30)])
    scores = [
        GromovWasserstein().fit(X, y, target=Domain(Xt), pairs=pairs).score(Xt, y) for pairs in ([[0, 0]], [[0, 15]])
    ]
    assert scores == [1.0, 0.0]


def test_steps_see_a_bent_line_as_straight():
    t = np.linspace(0, 1, 40) ** 2
    line, bent = np.column_stack([t, 0 * t]), np.column_stack([np.cos(4 * t), np.sin(4 * t), 0 * t])
    y = (t > 0.25).astype(int)
    kinds = {
        k: GromovWasserstein(distance=k).fit(line, y, target=Domain(bent)).distortion_
        for k in ("neighbours", "euclidean")
    }
    assert kinds["neighbours"] < 0.3 * kinds["euclidean"]


def test_other_columns_are_recognised_with_few_labels():
    world = spaces.scrambled(0, 90)
    assert GromovWasserstein().fit(world.X, world.y, target=world.target(5)).score(world.Xt, world.yt) > 0.8


def test_a_target_of_one_row():
    X, y, _ = blobs()
    model = GromovWasserstein(distance="neighbours").fit(X, y, target=Domain(np.ones((1, 3))))
    np.testing.assert_array_equal(model.images_, np.ones((44, 3)))


def test_all_rows_as_anchors_are_the_exact_method():
    X, y, rng = blobs()
    Xt = np.column_stack([X[::-1] + 0.3 * rng.normal(size=X.shape), rng.normal(size=44)])
    pairs = [[3, 40], [20, 23]]
    exact = GromovWasserstein().fit(X, y, target=Domain(Xt), pairs=pairs)
    through = GromovWasserstein(approx="anchors", n_anchors=44).fit(X, y, target=Domain(Xt), pairs=pairs)
    np.testing.assert_allclose(through.plan_.toarray(), exact.plan_, atol=1e-12)
    assert through.distortion_ == pytest.approx(exact.distortion_)


def test_few_anchors_find_groups_and_hold_a_sparse_plan():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [200, 350, 550])
    X = rng.normal(size=(1100, 2)) + np.array([[0, 0], [9, 0], [0, 30]])[y]
    Xt = X @ np.linalg.qr(rng.normal(size=(5, 2)))[0].T
    model = GromovWasserstein(approx="anchors", n_anchors=60, random_state=0).fit(X, y, target=Domain(Xt))
    assert model.score(Xt, y) > 0.95
    assert model.plan_.nnz < 10 * 2200
    for axis in (0, 1):
        np.testing.assert_allclose(np.asarray(model.plan_.sum(axis=axis)).ravel(), 1 / 1100, atol=1e-12)


def test_the_entropic_plan_is_that_of_its_own_gradient():
    """The fixed point of the projected gradient, by POT's own tensor product and Sinkhorn."""
    import ot

    X, y, rng = blobs()
    Xt = np.column_stack([X, 0.5 * rng.normal(size=44)])
    model = GromovWasserstein(approx="entropic", reg=0.05).fit(X, y, target=Domain(Xt))
    C, D = (inner_distances(to_unit_scale(Z), "euclidean") for Z in (X, Xt))
    P, mass = model.plan_, np.full(44, 1 / 44)
    slope = ot.gromov.gwggrad(*ot.gromov.init_matrix(C, D, mass, mass, "square_loss"), P)
    np.testing.assert_allclose(ot.sinkhorn(mass, mass, slope, 0.05, numItermax=5000, stopThr=1e-12), P, atol=1e-5)
    assert (P > 0).all()
    assert model.score(Xt, y) == 1.0
    product = GromovWasserstein(approx="entropic", reg=1e4).fit(X, y, target=Domain(Xt))
    np.testing.assert_allclose(product.plan_, 1 / 44**2, rtol=1e-3)


def test_too_few_steps_are_told():
    X, y, rng = blobs()
    Xt = X + 0.3 * rng.normal(size=X.shape)
    for approx in (None, "entropic"):
        with pytest.warns(TransferWarning, match=r"^GromovWasserstein\.fit: max_iter=1 steps were not enough"):
            GromovWasserstein(approx=approx, max_iter=1).fit(X, y, target=Domain(Xt))
