"""ARC-t: the paper's theorem about kernels, the conditions of the optimum, and what it carries between spaces."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.neighbors import KNeighborsClassifier

import spaces
from transferkit import ARCt, Domain, DomainError, ParamError


def scaled(X):
    X = X - X.mean(axis=0)
    return X / np.sqrt((X**2).sum(axis=1).mean())


def test_the_map_between_kernel_coordinates_is_the_map_between_rows():
    """The paper's theorem: minimising over all matrices of the two widths gives the same similarities."""
    world = spaces.scrambled(0, 30)
    target = world.target(2)
    model = ARCt(weight=20.0).fit(world.X, world.y, target=target)
    X, Z = scaled(world.X), scaled(world.Xt)[target.mask]
    same = world.y[:, None] == target.known_y

    def cost(W):
        S = X @ W.reshape(6, 9) @ Z.T
        means = (np.maximum(0, 1 - S)[same] ** 2).mean() + (np.maximum(0, S)[~same] ** 2).mean()
        return 0.5 * W @ W + 10 * means

    found = minimize(cost, np.zeros(54), options={"gtol": 1e-6})
    similar = model.transform(world.X, domain="source") @ model.transform(world.Xt).T
    np.testing.assert_allclose(similar, X @ found.x.reshape(6, 9) @ scaled(world.Xt).T, atol=1e-4)
    assert model.objective_ == pytest.approx(found.fun, rel=1e-6)


def test_the_transform_is_made_of_the_pairs_that_fail():
    """Where the slope is 0, the map is the sum of ``x z'`` over pairs, each as much as it fails."""
    world = spaces.scrambled(1, 30)
    target = world.target(2)
    model = ARCt(weight=50.0, kernel="rbf").fit(world.X, world.y, target=target)
    S = model.transform(world.X, domain="source") @ model.transform(target.X[target.mask]).T
    same = world.y[:, None] == target.known_y
    weights = 50.0 * np.where(same, np.maximum(0, 1 - S) / same.sum(), -np.maximum(0, S) / (~same).sum())

    def gram(X, rows, gamma):
        return np.exp(-gamma * ((X[:, None] - rows) ** 2).sum(axis=2))

    Ks = gram(scaled(world.X), scaled(world.X), model.gammas_[0])
    Z = scaled(world.Xt)[target.mask]
    np.testing.assert_allclose(Ks @ weights @ gram(Z, Z, model.gammas_[1]), S, atol=1e-4)


def test_the_source_stays_where_it_is():
    """Only the target moves: inner products of mapped source rows are those of the rows."""
    world = spaces.scrambled(0, 30)
    Zs = ARCt().fit(world.X, world.y, target=world.target(2)).transform(world.X, domain="source")
    np.testing.assert_allclose(Zs @ Zs.T, scaled(world.X) @ scaled(world.X).T, atol=1e-8)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_other_columns_are_recognised_with_few_labels(kernel):
    world = spaces.scrambled(0, 120, d_target=20, noise=1.0)
    model = ARCt(kernel=kernel, estimator=KNeighborsClassifier(5)).fit(world.X, world.y, target=world.target(5))
    assert model.score(world.Xt, world.yt) > 0.85


def test_what_it_needs():
    world = spaces.scrambled(0, 30)
    with pytest.raises(DomainError, match=r"^ARCt\.fit: target must have a few known labels\. Got none"):
        ARCt().fit(world.X, world.y, target=Domain(world.Xt))
    with pytest.raises(ParamError, match=r"^ARCt\.fit: upper must be below lower, which is 1\. Got 1"):
        ARCt(upper=1.0).fit(world.X, world.y, target=world.target(2))
