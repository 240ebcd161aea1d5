"""Principal components of pooled samples, and rows drawn from them."""

import numpy as np
import pytest
from scipy import sparse

from transferkit.ops.components import component_space, subsample


def test_component_space_keeps_distances_where_it_keeps_all_components():
    X = np.random.default_rng(0).normal(size=(20, 6)) * np.arange(1, 7)
    (Z,) = component_space(X, n_components=6)
    (R,) = component_space(X, n_components=5)
    assert Z.std(axis=0) == pytest.approx(np.ones(6))
    assert R.shape == (20, 5)
    assert np.sort(R.var(axis=0))[::-1] == pytest.approx(np.linalg.eigvalsh(np.cov(Z.T, bias=True))[::-1][:5])


def test_samples_share_one_space_and_sparse_is_dense():
    X, Y = np.random.default_rng(0).normal(size=(2, 15, 8))
    A, B = component_space(X, Y, n_components=3, scale=False)
    C, D = component_space(sparse.csr_matrix(X), Y, n_components=3, scale=False)
    assert A.shape == B.shape == (15, 3)
    np.testing.assert_allclose(np.r_[A, B], np.r_[C, D])
    assert np.r_[A, B].mean(axis=0) == pytest.approx(np.zeros(3))


def test_constant_columns_stay_silent():
    (Z,) = component_space(np.c_[np.full(6, 0.1), np.arange(6.0)], n_components=5)
    assert np.abs(Z[:, 0]).max() == 0.0
    assert Z[:, 1].std() == pytest.approx(1.0)


def test_subsample():
    assert subsample(3, 5, 0).tolist() == [0, 1, 2]
    rows = subsample(100, 10, 0)
    assert len(set(rows)) == 10
    assert (np.diff(rows) > 0).all()
