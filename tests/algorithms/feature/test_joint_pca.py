"""Joint PCA is the principal component analysis of the pooled rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA

from transferkit import Domain, JointPCA


@pytest.mark.parametrize("n_features", [5, 200, 450])
def test_equals_pca_of_the_pooled_rows(n_features):
    """Narrow, wide, and wide enough for Lanczos iterations."""
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(30, n_features)), rng.normal(size=(420 if n_features > 400 else 20, n_features)) + 1
    model = JointPCA(4).fit(Xs, np.arange(30) % 2, target=Domain(Xt))
    reference = PCA(4, svd_solver="full").fit(np.vstack([Xs, Xt]))
    assert_allclose(np.abs(model.transform(Xt)), np.abs(reference.transform(Xt)), atol=1e-8)
    assert_allclose(model.components_.T @ model.components_, np.eye(4), atol=1e-10)


def test_the_rank_limits_the_components():
    X = np.random.default_rng(0).normal(size=(10, 2))
    model = JointPCA(30).fit(X[:, [0, 1, 1]], np.arange(10) % 2, target=Domain(X[:, [1, 0, 0]] * 0 + 1))
    assert model.n_components_ == 2
