"""CORAL's source has the target's covariance."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from transferkit import CORAL, Domain


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    Xs = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4))
    Xt = rng.normal(size=(40, 4)) @ rng.normal(size=(4, 4)) + 3
    return Xs, np.arange(50) % 2, Xt


def test_without_penalty_the_covariances_are_equal(pair):
    Xs, y, Xt = pair
    model = CORAL(reg=0).fit(Xs, y, target=Domain(Xt))
    assert_allclose(np.cov(model.transform(Xs, "source").T), np.cov(Xt.T), atol=1e-10)
    assert_allclose(model.transform(Xt), Xt)


@pytest.mark.parametrize("reg", [0, 1.0])
def test_equal_domains_stay_as_they_are(pair, reg):
    Xs, y, _ = pair
    model = CORAL(reg=reg).fit(Xs, y, target=Domain(Xs))
    assert_allclose(model.coupling_, np.eye(4), atol=1e-10)


def test_the_penalised_map_is_algorithm_1(pair):
    Xs, y, Xt = pair
    A = CORAL(reg=2).fit(Xs, y, target=Domain(Xt)).coupling_
    assert_allclose(A.T @ (np.cov(Xs.T) + 2 * np.eye(4)) @ A, np.cov(Xt.T) + 2 * np.eye(4), atol=1e-10)


def test_centring_moves_the_mean_too(pair):
    Xs, y, Xt = pair
    model = CORAL(centre=True).fit(Xs, y, target=Domain(Xt))
    assert_allclose(model.transform(Xs, "source").mean(axis=0), Xt.mean(axis=0), atol=1e-10)
