"""Three-view CCA: the generalised eigenproblem, its bounds, the classes' own view, and random features of the kernel."""

import numpy as np
from scipy.linalg import eigh

import spaces
from transferkit import CanonicalCorrelation, Domain, ThreeViewCCA
from transferkit.ops.kernels.gaussian import rbf
from transferkit.ops.metrics.retrieval import mean_average_precision, similarities

PAIRS = np.column_stack([np.arange(60), np.arange(60)])


def fitted(world, **params):
    return ThreeViewCCA(**{"reg": 0.0, **params}).fit(world.X, world.y, target=Domain(world.Xt), pairs=PAIRS)


def test_it_solves_the_papers_eigenproblem():
    """S w = lambda diag(S_11, S_22, S_33) w, with one column of the two indicators, which are dependent."""
    world = spaces.seen_twice(0, 60)
    views = [world.X, world.Xt, (world.y == 1)[:, None].astype(float)]
    V = np.hstack([v - v.mean(axis=0) for v in views])
    S = V.T @ V / len(V)
    view = np.repeat([0, 1, 2], [v.shape[1] for v in views])
    D = np.where(view[:, None] == view, S, 0)
    values, vectors = eigh(S, D)
    order = np.argsort(values)[::-1][: int((values > 1 + 1e-9).sum())]
    model = fitted(world, power=4.0)
    np.testing.assert_allclose(model.eigenvalues_, values[order], atol=1e-8)
    for domain, X, at in (("source", world.X, 0), ("target", world.Xt, 1)):
        expected = V[:, view == at] @ vectors[view == at][:, order] * (values[order] / values[order[0]]) ** 4
        found = model.transform(X, domain=domain)
        scale = (found * expected).sum(axis=0) / (expected**2).sum(
            axis=0
        )  # eigh's vectors have another length, and sign
        np.testing.assert_allclose(found, expected * scale, atol=1e-7)
        np.testing.assert_allclose(np.abs(scale), np.abs(scale[0]), rtol=1e-6)


def test_eigenvalues_end_at_three_where_all_views_are_the_same():
    y = np.arange(60) % 2
    X = np.column_stack([np.where(y == 1, 2.0, -1.0), np.random.default_rng(0).normal(size=60)])
    model = ThreeViewCCA(reg=0.0).fit(X, y, target=Domain(-3 * X[:, :1]), pairs=PAIRS)
    assert np.isclose(model.eigenvalues_[0], 3)
    assert (model.eigenvalues_ > 1).all()


def test_without_weights_and_with_them_the_space_is_the_same_but_for_its_scale():
    world = spaces.seen_twice(0, 60)
    plain, weighted = fitted(world, power=0.0), fitted(world, power=2.0)
    np.testing.assert_allclose(
        weighted.transform(world.Xt), plain.transform(world.Xt) * (plain.eigenvalues_ / plain.eigenvalues_[0]) ** 2
    )


def test_the_classes_lie_near_their_rows():
    world = spaces.scrambled(0)
    model = ThreeViewCCA().fit(world.X, world.y, target=world.target(5))
    weight = (model.eigenvalues_ / model.eigenvalues_[0]) ** model.power
    nearest = similarities(model.transform(world.Xt), model.class_map_ * weight).argmax(axis=1)
    assert (nearest == world.yt).mean() > 0.8


def test_the_third_view_finds_more_of_a_class_than_two():
    """What both modalities share is mostly not the class: two views keep that first, the third puts the class in front."""
    gains = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        hidden = rng.normal(size=(200, 6))
        y = (hidden[:, 0] > 0).astype(int)
        X, Xt = (hidden @ rng.normal(size=(6, 12)) + 0.3 * rng.normal(size=(200, 12)) for _ in range(2))
        pairs = np.column_stack([np.arange(100)] * 2)
        found = []
        for method in (CanonicalCorrelation(reg=0.01), ThreeViewCCA(reg=0.01)):
            model = method.fit(X[:100], y[:100], target=Domain(Xt[:100]), pairs=pairs)
            a, b = model.transform(X[100:], domain="source"), model.transform(Xt[100:])
            found.append(mean_average_precision(similarities(a, b), y[100:], y[100:]))
        gains.append(found[1] - found[0])
    assert np.mean(gains) > 0.05


def test_random_features_are_near_the_kernel_and_its_ties():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))
    model = ThreeViewCCA(kernel="rbf", gamma=0.3, n_random=20000)
    frequencies, phases = model._draw(X, rng)
    F = np.sqrt(2 / len(phases)) * np.cos(X @ frequencies + phases)
    np.testing.assert_allclose(F @ F.T, rbf(X, X, 0.3), atol=0.05)


def test_a_kernel_carries_what_a_straight_line_does_not():
    rng = np.random.default_rng(0)
    hidden = rng.uniform(-1, 1, size=(200, 2))
    y = (np.hypot(*hidden.T) > 0.75).astype(int)
    X, Xt = hidden @ rng.normal(size=(2, 3)), hidden @ rng.normal(size=(2, 4))
    pairs = np.column_stack([np.arange(150)] * 2)
    line, curve = (
        ThreeViewCCA(kernel=k, n_random=300).fit(X, y, target=Domain(Xt), pairs=pairs).score(Xt[150:], y[150:])
        for k in ("linear", "rbf")
    )
    assert curve > line + 0.15
