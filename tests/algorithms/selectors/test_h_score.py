"""H-score: the trace formulas written out, and the canonical correlations that the original one equals."""

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf, ledoit_wolf_shrinkage
from sklearn.cross_decomposition import CCA
from sklearn.preprocessing import FunctionTransformer

from transferkit import Domain, HScore
from transferkit.algorithms.selectors.h_score import _ledoit_wolf

AS_GIVEN = FunctionTransformer()


def case(n, d, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    y[:3] = [0, 1, 2]
    return (rng.normal(size=(n, d)) + np.eye(3, d)[y]) * rng.uniform(0.5, 2, d) + 5, y


def score(F, y, **params):
    return HScore(**params).score(AS_GIVEN, None, Domain(F, y))


def between(F, y):
    means = np.stack([F[y == c].mean(axis=0) for c in range(3)])[y]
    return np.cov(means.T, bias=True)


@pytest.mark.parametrize(("n", "d"), [(60, 5), (20, 40)])
def test_without_shrinkage_it_is_the_trace_of_the_paper(n, d):
    F, y = case(n, d)
    expected = np.trace(np.linalg.pinv(np.cov(F.T, bias=True), rcond=1e-12) @ between(F, y))
    assert score(F, y, shrinkage=0) == pytest.approx(expected, rel=1e-8)
    if d >= n:
        assert expected == pytest.approx(2)  # as many features as rows separate anything


@pytest.mark.parametrize(("n", "d"), [(60, 5), (20, 40)])
def test_with_shrinkage_it_is_the_trace_of_the_regularised_paper(n, d):
    F, y = case(n, d)
    shrunk, a = ledoit_wolf(F)
    assert 0 < a < 1
    expected = np.trace(np.linalg.solve(shrunk, (1 - a) * between(F, y)))
    assert score(F, y) == pytest.approx(expected, rel=1e-8)
    assert score(F, y, shrinkage=float(a)) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("n", "d"), [(30, 6), (10, 25), (50, 1)])
def test_the_shrinkage_is_ledoit_and_wolfs(n, d):
    F, _ = case(n, d)
    Z = F - F.mean(axis=0)
    variances = np.linalg.svd(Z, compute_uv=False) ** 2 / n
    assert _ledoit_wolf(Z, variances) == pytest.approx(ledoit_wolf_shrinkage(F), rel=1e-9)


def test_is_the_sum_of_squared_canonical_correlations():
    F, y = case(80, 4)
    cca = CCA(n_components=2, max_iter=5000, tol=1e-12).fit(F, np.eye(3)[y][:, :2])
    pairs = cca.transform(F, np.eye(3)[y][:, :2])
    squared = [np.corrcoef(a, b)[0, 1] ** 2 for a, b in zip(pairs[0].T, pairs[1].T)]
    assert score(F, y, shrinkage=0) == pytest.approx(sum(squared), rel=1e-6)


def test_invariances():
    F, y = case(50, 5)
    mix = np.random.default_rng(1).normal(size=(5, 5))
    assert score(F @ mix + 3, y, shrinkage=0) == pytest.approx(score(F, y, shrinkage=0), rel=1e-8)
    turn = np.linalg.qr(mix)[0]
    assert score(1e3 * F @ turn - 7, y) == pytest.approx(score(F, y), rel=1e-8)


def test_extremes():
    y = np.arange(30) % 3
    assert score(np.eye(3)[y], y, shrinkage=0) == pytest.approx(2)
    assert score(np.ones((30, 4)), y) == 0.0
    assert score(case(30, 4)[0], y, shrinkage=1) == 0.0
