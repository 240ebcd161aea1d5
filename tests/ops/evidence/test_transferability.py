"""Features against labels without forming a basis; principal components; lazy rows."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer

from transferkit import Domain, LogME
from transferkit.core.errors import DomainError
from transferkit.ops.evidence.transferability import principal_scores, spectrum


@pytest.mark.parametrize(("n", "d", "rank"), [(30, 5, 5), (30, 8, 3), (5, 30, 5), (10, 10, 10), (6, 20, 2)])
def test_spectrum_is_that_of_the_singular_value_decomposition(n, d, rank):
    rng = np.random.default_rng(0)
    Z, Y = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d)), rng.normal(size=(n, 2))
    U, s, _ = np.linalg.svd(Z, full_matrices=False)
    found, coordinates, rest = spectrum(Z, Y)
    np.testing.assert_allclose(found, s[:rank], rtol=1e-9)
    np.testing.assert_allclose(np.abs(coordinates), np.abs(U[:, :rank].T @ Y), atol=1e-9)
    np.testing.assert_allclose(rest, ((Y - U[:, :rank] @ U[:, :rank].T @ Y) ** 2).sum(axis=0), atol=1e-9)


def test_spectrum_keeps_small_directions():
    """The Gram matrix of these features has lost its smallest direction altogether."""
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(50, 3)))[0]
    scales = np.array([1, 1e-3, 1e-10])
    s, coordinates, rest = spectrum(Q * scales, Q[:, 2:])
    np.testing.assert_allclose(s, scales, rtol=1e-5)
    assert abs(coordinates[2, 0]) == pytest.approx(1, rel=1e-5)
    assert rest[0] < 1e-9


@pytest.mark.parametrize(("n", "d"), [(60, 6), (12, 40)])
@pytest.mark.parametrize("k", [3, 0.8])
def test_principal_scores_are_pcas(n, d, k):
    Z = np.random.default_rng(0).normal(size=(n, d)) * np.linspace(1, 4, d)
    expected = PCA(k, svd_solver="full").fit_transform(Z)
    found = principal_scores(Z, k)
    np.testing.assert_allclose(found.shape, expected.shape)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-6, atol=1e-8)
    assert principal_scores(Z, None) is Z


def test_lists_and_sparse_features_are_taken_and_bad_ones_named():
    y = np.arange(8) % 2
    lengths = FunctionTransformer(lambda texts: np.array([[len(t), 1.0] for t in texts]))
    words = Domain(["a", "bbbb", "aa", "bbbbb", "a", "bbb", "a", "bbbb"], y)
    dense = LogME().score(lengths, None, words)
    thin = FunctionTransformer(lambda texts: sparse.csr_matrix([[len(t), 1.0] for t in texts]))
    assert LogME().score(thin, None, words) == dense
    for bad, got in (
        (lambda t: np.full((8, 2), np.nan), r"shape \(8, 2\)"),
        (lambda t: np.zeros((3, 2)), r"shape \(3, 2\)"),
        (lambda t: np.zeros((8, 0)), r"shape \(8, 0\)"),
    ):
        with pytest.raises(DomainError, match=rf"LogME\.score: candidate must give features.* Got {got}"):
            LogME().score(FunctionTransformer(bad), None, words)
    with pytest.raises(DomainError, match=r"known labels of target must be finite\. Got 1"):
        LogME().score(lengths, None, Domain(words.X, np.r_[np.nan, np.ones(7)]))
