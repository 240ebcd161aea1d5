"""SHFA: what it is without unknown rows, labellings that lower the objective, and what it carries between spaces."""

import numpy as np
import pytest
from scipy.linalg import block_diag

import spaces
from transferkit import SHFA, Domain, DomainError
from transferkit.ops.kernels.spaces import SpaceKernel
from transferkit.ops.label_mixture import on_the_simplex


def test_without_unknown_rows_it_is_one_machine():
    world = spaces.scrambled(0, 45)
    model = SHFA(trace=3.0).fit(world.X, world.y, target=Domain(world.Xt, world.yt))
    assert model.n_iter_ == 1
    source, target = SpaceKernel.of(world.X, "rbf", None), SpaceKernel.of(world.Xt, "rbf", None)
    K = block_diag(source(world.X, world.X), target(world.Xt, world.Xt))
    y = np.where(np.concatenate([world.y, world.yt]) == 2, 1.0, -1.0)
    mixed = (4 * K + 1) * np.outer(y, y) + np.eye(90)
    a = on_the_simplex(mixed)
    scores = (4 * target(world.Xt, world.Xt) @ (a * y)[45:] + (a * y).sum()) / (a @ mixed @ a)
    np.testing.assert_allclose(model.transform(world.Xt)[:, 2], scores, atol=1e-6)


def test_more_labellings_lower_the_objective():
    world = spaces.scrambled(0, 45)
    target = world.target(3)
    one, many = (SHFA(C_unknown=0.1, max_iter=m).fit(world.X, world.y, target=target) for m in (1, 10))
    assert one.n_iter_ == 1 < many.n_iter_
    assert (many.objective_ < one.objective_).all()


def test_other_columns_are_recognised_with_few_labels():
    world = spaces.scrambled(0, 90, d_target=20, noise=1.0)
    assert SHFA().fit(world.X, world.y, target=world.target(5)).score(world.Xt, world.yt) > 0.85


def test_it_needs_labels_and_says_so():
    world = spaces.scrambled(0, 60)
    with pytest.raises(DomainError, match=r"^SHFA\.fit: target must have a few known labels\. Got none"):
        SHFA().fit(world.X, world.y, target=Domain(world.Xt))


def test_one_known_row_is_enough_to_begin_with():
    world = spaces.scrambled(0, 30)
    model = SHFA(max_iter=2).fit(world.X, world.y, target=Domain(world.Xt, world.yt, np.arange(30) == 0))
    assert np.isfinite(model.transform(world.Xt)).all()
