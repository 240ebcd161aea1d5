"""Parts of both domains: every row in one, their plans a plan between the domains; methods that transport part by part."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge

import transferkit
from transferkit import Domain, ExactOT
from transferkit.core.validation import check_transfer
from transferkit.ops.transport.parts import transport_parts

METHODS = {
    "ExactOT": {}, "SinkhornOT": {"tol": 1e-4}, "ClassRegularisedOT": {"tol": 1e-4}, "UnbalancedOT": {"tol": 1e-4},
    "LaplaceOT": {"max_iter": 10, "tol": 0.1},
}  # fmt: skip


def domains(n, m, seed=0):
    rng = np.random.default_rng(seed)
    y, yt = rng.integers(0, 3, n), rng.integers(0, 3, m)
    X, Xt = (rng.normal(size=(len(c), 4)) + 5 * np.eye(4)[c] for c in (y, yt))
    return X, y, Xt + np.array([0, 2, 0, 1]), yt


@pytest.mark.parametrize(("n", "m", "size", "n_parts"), [(23, 41, 10, 5), (41, 23, 41, 1), (3, 50, 5, 3), (7, 7, 2, 4)])
def test_every_row_is_in_one_part(n, m, size, n_parts):
    X, y, Xt, yt = domains(n, m)
    known = np.arange(m) % 4 == 0
    data = check_transfer(ExactOT(), X, np.r_[y[:-3], 0, 1, 2], Domain(Xt, yt, known))
    parts = transport_parts(data, "minibatch", size, 0)
    assert len(parts) == n_parts
    for side, k in ((0, n), (1, m)):
        assert_array_equal(np.sort(np.concatenate([part[side] for part in parts])), np.arange(k))
    for s, t, part in parts:
        assert_array_equal(part.Xs, X[s])
        assert_array_equal(part.Xt, Xt[t])
        assert_array_equal(part.yt, yt[t][known[t]])
        assert_array_equal(part.ys, data.ys[s])


def test_the_parts_plans_make_up_a_plan():
    X, y, Xt, _ = domains(60, 40)
    model = ExactOT(approx="minibatch", batch_size=20, random_state=0).fit(X, y, target=Domain(Xt))
    assert model.coupling_.shape == (60, 40)
    assert_allclose(model.coupling_.sum(axis=1), 1 / 60)
    assert_allclose(model.coupling_.sum(), 1)
    assert abs(model.coupling_.sum(axis=0) * 40 - 1).max() < 0.15, "parts of 13 and 14 rows"
    whole = ExactOT().fit(X, y, target=Domain(Xt)).coupling_
    cost = ((X[:, None] - Xt) ** 2).sum(axis=2)
    even = ExactOT(approx="minibatch", batch_size=30, random_state=0).fit(X, y, target=Domain(np.vstack([Xt, Xt[:20]])))
    assert_allclose(even.coupling_.sum(axis=0), 1 / 60)
    assert model.coupling_.multiply(cost).sum() > whole.multiply(cost).sum(), "no plan costs less than the cheapest"


@pytest.mark.parametrize("name", METHODS)
def test_one_part_is_the_whole_and_many_do_as_well(name):
    X, y, Xt, yt = domains(150, 130)
    cls, target = getattr(transferkit, name), Domain(Xt)
    whole = cls(**METHODS[name]).fit(X, y, target=target)
    one = cls(**METHODS[name], approx="minibatch", batch_size=150, random_state=0).fit(X, y, target=target)
    assert_allclose(one.images_, whole.images_, atol=1e-8)
    options = {**METHODS[name], "approx": "minibatch", "batch_size": 40}
    many = cls(**options, random_state=0).fit(X, y, target=target)
    assert many.score(Xt, yt) > whole.score(Xt, yt) - 0.03
    assert_array_equal(cls(**options, random_state=0).fit(X, y, target=target).images_, many.images_)
    assert np.abs(cls(**options, random_state=1).fit(X, y, target=target).images_ - many.images_).max() > 0.01


def test_numbers_in_parts():
    X, _, Xt, _ = domains(80, 80)
    model = ExactOT(approx="minibatch", batch_size=40, random_state=0, estimator=Ridge())
    assert np.isfinite(model.fit(X, X[:, 0], target=Domain(Xt)).predict(Xt)).all()
