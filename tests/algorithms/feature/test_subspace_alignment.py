"""Subspace alignment's map is the minimiser of eq. 1."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA

from transferkit import Domain, SubspaceAlignment


@pytest.fixture
def fitted():
    rng = np.random.default_rng(0)
    scales = np.arange(6, 0, -1)
    Xs = rng.normal(size=(40, 6)) * scales
    Xt = rng.normal(size=(30, 6)) * scales @ np.linalg.qr(np.eye(6) + 0.3 * rng.normal(size=(6, 6)))[0] + 2
    return SubspaceAlignment(3).fit(Xs, np.arange(40) % 2, target=Domain(Xt)), Xs, Xt


def test_no_other_map_brings_the_source_axes_nearer_to_the_target_axes(fitted):
    model, _, _ = fitted
    best = np.linalg.lstsq(model.axes_source_, model.axes_target_, rcond=None)[0]
    assert_allclose(model.alignment_, best, atol=1e-12)


def test_rows_are_mapped_as_in_algorithm_1(fitted):
    model, Xs, Xt = fitted
    source, target = PCA(3).fit(Xs), PCA(3).fit(Xt)
    Zs, Zt = model.transform(Xs, "source"), model.transform(Xt)
    expected_t = target.transform(Xt)
    assert_allclose(np.abs(Zt), np.abs(expected_t), atol=1e-10)
    aligned = source.transform(Xs) @ source.components_ @ target.components_.T
    assert_allclose(np.abs(Zs), np.abs(aligned), atol=1e-10)


def test_equal_domains_get_one_pca(fitted):
    _, Xs, _ = fitted
    model = SubspaceAlignment(3).fit(Xs, np.arange(40) % 2, target=Domain(Xs + 5))
    assert_allclose(model.alignment_, np.eye(3), atol=1e-10)
    assert_allclose(model.transform(Xs, "source"), model.transform(Xs + 5), atol=1e-10)


def test_the_smaller_rank_limits_the_components():
    rng = np.random.default_rng(1)
    Xs, Xt = rng.normal(size=(40, 6)), rng.normal(size=(3, 6))
    model = SubspaceAlignment(30).fit(Xs, np.arange(40) % 2, target=Domain(Xt))
    assert model.n_components_ == 2
    assert model.transform(Xs, "source").shape == (40, 2)
