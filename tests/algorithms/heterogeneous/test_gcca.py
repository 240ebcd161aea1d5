"""GCCA: MAXVAR by its own definition, CCA where there are two sets, sources that have never seen the same thing."""

import numpy as np
import pytest

import spaces
from transferkit import CanonicalCorrelation, Domain, DomainError, GeneralizedCCA
from transferkit.algorithms.heterogeneous import gcca

KEPT = np.column_stack([np.arange(60), np.arange(60)])


def views(seed=0, n=60, noise=0.5):
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 3))
    first, second, third = (hidden @ rng.normal(size=(3, d)) + noise * rng.normal(size=(n, d)) for d in (5, 4, 6))
    return first, second, third, (hidden[:, 0] > 0).astype(int)


@pytest.mark.parametrize("reg", [0.0, 1.0])
def test_one_source_is_canonical_correlation(reg):
    world = spaces.seen_twice(0)
    for more in ({"pairs": KEPT[:20]}, {}):
        target = Domain(world.Xt, world.yt, np.arange(60) < 12)
        mine, theirs = (
            m.fit(world.X, world.y, target=target, **more)
            for m in (GeneralizedCCA(reg=reg, n_components=3), CanonicalCorrelation(3, reg=reg))
        )
        k = mine.n_components_
        assert k == theirs.n_components_
        np.testing.assert_allclose(mine.agreements_, theirs.correlations_, atol=1e-9)
        turn = np.sign((mine.target_map_ * theirs.target_map_).sum(axis=0))
        np.testing.assert_allclose(mine.target_map_ * turn, theirs.target_map_, atol=1e-7)
        np.testing.assert_allclose(mine.source_maps_[0] * turn, theirs.source_map_, atol=1e-7)


def test_complete_rows_are_carrolls_problem():
    """The variable nearest to what the sets explain of it is the leading eigenvector of the sum of their projections."""
    *sets, y = views()
    model = GeneralizedCCA([5, 4], n_components=2, reg=0.0).fit(
        np.hstack(sets[:2]), y, target=Domain(sets[2]), pairs=KEPT
    )
    centred = [X - X.mean(axis=0) for X in sets]
    projections = sum(X @ np.linalg.pinv(X) for X in centred)
    values, vectors = np.linalg.eigh(projections)
    np.testing.assert_allclose(1 + 2 * model.agreements_, values[::-1][:2], atol=1e-9)
    together = sum(X @ w for X, w in zip(centred, [*model.source_maps_, model.target_map_]))
    for k in range(2):
        cosine = together[:, k] @ vectors[:, -1 - k] / np.linalg.norm(together[:, k])
        assert abs(cosine) == pytest.approx(1, abs=1e-9)
    # Kettenring's words: the greatest eigenvalue of the projections' correlation matrix.
    found = np.column_stack([X @ w[:, 0] for X, w in zip(centred, [*model.source_maps_, model.target_map_])])
    assert np.linalg.eigvalsh(np.corrcoef(found.T))[-1] == pytest.approx(values[-1], abs=1e-9)


def test_sources_that_share_no_row_help_through_the_target():
    """Each has seen other rows; a block that is not there counts for nothing, whatever the others are."""
    first, second, Xt, y = views(1, noise=0.1)
    X = np.hstack([first, second])
    X[:30, 5:], X[30:, :5] = 0, 0
    pairs = KEPT[[*range(12), *range(30, 42)]]
    model = GeneralizedCCA([5, 4], n_components=3, reg=0.1).fit(X, y, target=Domain(Xt), pairs=pairs)
    assert model.score(Xt, y) > 0.9
    left = model.transform(X[:1], domain="source")
    np.testing.assert_allclose(left, (X[:1, :5] - X[:30, :5].mean(axis=0)) @ model.source_maps_[0])
    # A target row that both have seen ties their columns to each other, too.
    of_both = np.vstack([KEPT[:12], np.column_stack([np.arange(30, 42), np.arange(12)])])
    ties = gcca._source_ties(
        type("Data", (), {"pairs": of_both}), [X[:, :5], X[:, 5:]], np.column_stack([X[:, 0] != 0, X[:, 5] != 0]), 0, 1
    )
    np.testing.assert_allclose(ties, X[:12, :5].T @ X[30:42, 5:] / 12)
    by_class = GeneralizedCCA([5, 4], n_components=3, reg=0.1).fit(X, y, target=Domain(Xt, y, np.arange(60) < 10))
    assert by_class.score(Xt, y) > 0.75


def test_blocks_that_do_not_fit_are_named():
    first, second, Xt, y = views()
    X = np.hstack([first, second])
    for blocks, X_, words in (
        ([5, 5], X, r"blocks together \(10\). Got 9"),
        ([5, 4], X * (np.arange(9) < 5), "zeros in block 1"),
    ):
        with pytest.raises(DomainError, match=rf"^GeneralizedCCA\.fit: X must .*{words}"):
            GeneralizedCCA(blocks).fit(X_, y, target=Domain(Xt, y))
    with pytest.raises(DomainError, match="y must hold classes"):
        GeneralizedCCA().fit(X, Xt[:, 0], target=Domain(Xt, Xt[:, 0]))
