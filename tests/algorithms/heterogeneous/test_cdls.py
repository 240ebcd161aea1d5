"""CDLS: its first round in closed form, weights that find the rows that do not fit, and what it carries between spaces."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import spaces
from transferkit import CDLS, Domain, DomainError, ParamError
from transferkit.ops.landmarks import LandmarkMatching


def test_the_first_round_is_the_supervised_closed_form():
    world = spaces.scrambled(0, 60)
    target = world.target(3)
    model = CDLS(max_iter=1).fit(world.X, world.y, target=target)
    X = (world.X - world.X.mean(axis=0)) / model.source_scale_
    L = model.transform(world.Xt[target.mask])
    matching = LandmarkMatching(L, L[:0], world.y, target.known_y, np.empty(0, int), 1.0)
    np.testing.assert_allclose(model.source_map_, matching.source_map(X, np.ones(60), np.ones(0), 0.5), atol=1e-8)
    assert np.unique(model.source_weight_).tolist() == [9 / 60]
    inner = LogisticRegression(max_iter=1000).fit(
        np.vstack([X @ model.source_map_, L]), np.r_[world.y, target.known_y], np.r_[model.source_weight_, np.ones(9)]
    )
    np.testing.assert_allclose(model.predict_proba(world.Xt), inner.predict_proba(model.transform(world.Xt)), atol=1e-6)


def test_the_target_keeps_its_distances_where_all_components_are_kept():
    world = spaces.scrambled(0, 60)
    Z = CDLS().fit(world.X, world.y, target=world.target(3)).transform(world.Xt)
    centred = world.Xt - world.Xt.mean(axis=0)
    np.testing.assert_allclose(Z @ Z.T, centred @ centred.T / (centred**2).sum(axis=1).mean(), atol=1e-8)


def test_rows_that_do_not_fit_weigh_less():
    """A third of the source's rows carries a wrong label."""
    world = spaces.scrambled(0, 90)
    wrong = np.random.default_rng(0).random(90) < 0.33
    y = np.where(wrong, (world.y + 1) % 3, world.y)
    weight = CDLS().fit(world.X, y, target=world.target(5)).source_weight_
    assert weight[wrong].mean() < 0.8 * weight[~wrong].mean()


def test_weights_have_the_share_in_every_class():
    world = spaces.scrambled(1, 60)
    model = CDLS(share=0.3).fit(world.X, world.y, target=world.target(4))
    weight = model.source_weight_ * 60 / 12
    assert weight.min() >= 0
    assert weight.max() <= 1 + 1e-9
    for c in range(3):
        assert weight[world.y == c].mean() == pytest.approx(0.3)


def test_other_columns_are_recognised_with_few_labels():
    world = spaces.scrambled(0, 150, d_target=30, noise=1.0)
    assert CDLS().fit(world.X, world.y, target=world.target(5)).score(world.Xt, world.yt) > 0.85


def test_what_it_needs():
    world = spaces.scrambled(0, 60)
    with pytest.raises(DomainError, match=r"^CDLS\.fit: target must have a few known labels\. Got none"):
        CDLS().fit(world.X, world.y, target=Domain(world.Xt))
    with pytest.raises(ParamError, match="sample_weight"):
        CDLS(estimator=KNeighborsClassifier()).fit(world.X, world.y, target=world.target(3))
