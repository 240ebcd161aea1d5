"""Label propagation is Zhou et al.'s closed form on the graph, Zhu et al.'s class mass, Delalleau et al.'s new rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from transferkit import Domain, LabelPropagation, SourceOnly
from transferkit.algorithms.self_training.label_propagation import _spread


@pytest.fixture
def pair():
    rng = np.random.default_rng(1)
    centres = 2 * rng.normal(size=(3, 5))
    ys, yt = np.arange(70) % 3, np.arange(50) % 3
    return centres[ys] + rng.normal(size=(70, 5)), ys, centres[yt] + rng.normal(size=(50, 5)) + 0.5, yt


def dense(model, Y, alpha):
    W = model._graph().toarray()
    root = np.sqrt(W.sum(1))
    return W, root, (1 - alpha) * np.linalg.solve(np.eye(len(W)) - alpha * W / np.outer(root, root), Y)


@pytest.mark.parametrize("belief", [0.0, 0.5])
@pytest.mark.parametrize("alpha", [0.3, 0.8, 0.999])
def test_closed_form(pair, alpha, belief):
    Xs, ys, Xt, yt = pair
    known = np.arange(50) < 6
    model = LabelPropagation(alpha=alpha, belief=belief).fit(Xs, ys, target=Domain(Xt, yt, known))
    Y = np.zeros((120, 3))
    Y[np.arange(70), ys] = 1
    if belief:
        Y[70:] = belief * model.estimator_.predict_proba(Xt)
    Y[70:76] = np.eye(3)[yt[:6]]
    W, root, F = dense(model, Y, alpha)
    assert_allclose(W, W.T)
    assert_array_equal(np.diag(W), 0)
    assert_allclose(np.vstack([model.scores_source_, model.scores_target_]) * root[:, None], F, atol=1e-7)
    assert_array_equal(model.transduction_, F[70:].argmax(1))
    assert (model.estimator_ is None) == (belief == 0)


def test_limit_of_the_papers_iteration(pair):
    Xs, ys, Xt, _ = pair
    model = LabelPropagation(alpha=0.7, belief=0.0).fit(Xs, ys, target=Domain(Xt))
    W = model._graph().toarray()
    S = W / np.sqrt(np.outer(W.sum(1), W.sum(1)))
    Y = np.vstack([np.eye(3)[ys], np.zeros((50, 3))])
    F = Y
    for _ in range(100):
        F = 0.7 * S @ F + 0.3 * Y
    assert_allclose(_spread(S, Y, 0.7)[0], F, atol=1e-8)
    assert_array_equal(model.transduction_, F[70:].argmax(1))


def test_scores_minimise_the_objective(pair):
    """No small move of the scores makes the sum of smoothness and faithfulness smaller (section 3)."""
    Xs, ys, Xt, _ = pair
    model = LabelPropagation(alpha=0.8, belief=0.0).fit(Xs, ys, target=Domain(Xt))
    W = model._graph().toarray()
    Y = np.vstack([np.eye(3)[ys], np.zeros((50, 3))])
    root = np.sqrt(W.sum(1))
    F = np.vstack([model.scores_source_, model.scores_target_]) * root[:, None]

    def cost(F):
        gaps = (((F / root[:, None])[:, None] - (F / root[:, None])[None]) ** 2).sum(2)
        return (W * gaps).sum() / 2 + (1 / 0.8 - 1) * ((F - Y) ** 2).sum()

    rng = np.random.default_rng(0)
    moved = [cost(F + 1e-3 * rng.normal(size=F.shape)) for _ in range(10)]
    assert min(moved) > cost(F)


def test_class_mass_gives_the_sources_shares(pair):
    Xs, ys, Xt, _ = pair
    keep = (ys > 0) | (np.arange(70) < 12)
    Xs, ys = Xs[keep], ys[keep]
    model = LabelPropagation(class_mass=True).fit(Xs, ys, target=Domain(Xt))
    root = np.sqrt(np.asarray(model._graph().sum(axis=1)).ravel())[len(ys) :]
    mass = (model.scores_target_ * root[:, None] * model.class_scale_).mean(0)
    assert_allclose(mass, np.bincount(ys) / len(ys), rtol=1e-6)


@pytest.mark.parametrize("belief", [0.0, 1.0])
def test_rows_of_the_fit_are_predicted_as_in_the_graph(pair, belief):
    Xs, ys, Xt, _ = pair
    model = LabelPropagation(belief=belief).fit(Xs, ys, target=Domain(Xt))
    assert (model.predict(Xt) == model.transduction_).mean() > 0.97
    assert_array_equal(model.predict(Xt[7:8]), model.predict(Xt)[7:8])


def test_every_row_is_reached_however_far(pair):
    Xs, ys, Xt, _ = pair
    model = LabelPropagation(belief=0.0).fit(Xs, ys, target=Domain(Xt + 1e4))
    assert np.isfinite(model.predict_proba(Xt + 1e4)).all()
    assert (model.scores_target_.sum(1) > 1e-3).all()


def test_labels_follow_the_rows():
    """Two moons that are bent on in the target: no straight line parts them, the graph does."""
    rng = np.random.default_rng(0)

    def moon(n, low, high):
        y, t = np.arange(n) % 2, rng.uniform(low, high, n)
        X = np.column_stack([np.cos(t), np.sin(t)]) * np.where(y, -1, 1)[:, None] + np.outer(y, [1.0, 0.4])
        return X + 0.05 * rng.normal(size=(n, 2)), y

    (X, y), (Xt, yt) = moon(80, 0.5, 2.6), moon(400, 0, np.pi)
    target = Domain(Xt)
    model = LabelPropagation(alpha=0.99, belief=0.0).fit(X, y, target=target)
    assert model.score(Xt, yt) > 0.98
    assert SourceOnly().fit(X, y, target=target).score(Xt, yt) < 0.95


def test_neighbours_in_one_place_weigh_alike():
    """Where all neighbours of a row are copies of it their distance, which sets the width, is 0 and not rounding."""
    X = np.repeat(np.random.default_rng(0).normal(size=(40, 33)) + 9, 6, axis=0)
    model = LabelPropagation(n_neighbors=4, n_bridges=4, belief=0.0).fit(X, np.arange(240) // 6 % 2, target=Domain(X))
    assert_array_equal(np.unique(model._graph().toarray()), [0.0, 0.5, 1.0])
