"""HeMap: the spectral solution of its objective, what the similarity does, and source rows where the target has none."""

import numpy as np
import pytest

import spaces
from transferkit import Domain, DomainError, HeMap

PAIRS = np.column_stack([np.arange(20), np.arange(20)])


@pytest.mark.parametrize("b", [0.0, 1.0, 3.0])
def test_the_papers_eigenproblem(b):
    world = spaces.seen_twice(0)
    model = HeMap(3, similarity=b, random_state=0).fit(world.X, world.y, target=Domain(world.Xt), pairs=PAIRS)
    S, T = (X[:20] - X[:20].mean(axis=0) for X in (world.X, world.Xt))
    A = np.block([
        [2 * T @ T.T + b**2 / 2 * S @ S.T, b * (S @ S.T + T @ T.T)], [b * (S @ S.T + T @ T.T), b**2 / 2 * T @ T.T + 2 * S @ S.T]
    ])  # fmt: skip
    values, vectors = np.linalg.eigh(A)
    B = np.sqrt(2) * vectors[:, :-4:-1]
    P_T, P_S = (2 * B[:20] + b * B[20:]).T @ T / (2 + b), (2 * B[20:] + b * B[:20]).T @ S / (2 + b)
    np.testing.assert_allclose(np.abs(model.target_loadings_), np.abs(P_T), atol=1e-8)
    np.testing.assert_allclose(np.abs(model.source_loadings_), np.abs(P_S), atol=1e-8)
    # With them, what is minimised is the domains' size less what the loadings explain: the trace of B'AB.
    explained = (2 + b) / 2 * ((P_T**2).sum() + (P_S**2).sum())
    assert explained == pytest.approx(np.trace(B.T @ A @ B) / (2 + b))
    assert explained == pytest.approx(2 * values[-3:].sum() / (2 + b))
    rng = np.random.default_rng(0)
    for _ in range(5):
        other = np.sqrt(2) * np.linalg.qr(rng.normal(size=(40, 3)))[0]
        assert np.trace(other.T @ A @ other) < np.trace(B.T @ A @ B)


def test_identical_domains_are_projected_alike():
    """S = T: the projections are one, and the objective is what the leading principal components leave."""
    world = spaces.seen_twice(1)
    both = np.column_stack([np.arange(60)] * 2)
    model = HeMap(2, similarity=2.0, n_clusters=1).fit(world.X, world.y, target=Domain(world.X), pairs=both)
    np.testing.assert_allclose(model.source_map_, model.target_map_, atol=1e-8)
    s = np.linalg.svd(world.X - world.X.mean(axis=0), compute_uv=False)
    assert model.objective_ == pytest.approx(2 * 2 * (s[2:] ** 2).sum())
    Z = model.transform(world.X)
    np.testing.assert_allclose(Z.T @ Z / 60, np.eye(2), atol=1e-8)


def test_source_rows_far_from_the_target_are_left_out():
    """A third of the source is another matter, with labels that mislead."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    hidden = np.column_stack([4 * y, np.zeros(120)]) + rng.normal(size=(120, 2))
    odd = np.arange(120) >= 80
    shown = hidden + np.array([-4.0, 40.0]) * odd[:, None]
    labels = np.where(odd, 1 - y, y)
    Xt, pairs = hidden @ rng.normal(size=(2, 4)), np.column_stack([np.arange(30)] * 2)
    fitted = {
        k: HeMap(2, n_clusters=k, random_state=0).fit(shown, labels, target=Domain(Xt), pairs=pairs) for k in (1, 4)
    }
    assert fitted[1].selected_.all()
    np.testing.assert_array_equal(fitted[4].selected_, ~odd)
    assert fitted[4].score(Xt, y) > 0.9


def test_numbers_need_pairs():
    world = spaces.seen_twice(0)
    target = Domain(world.Xt, world.X[:, 0])
    assert (
        HeMap(3, n_clusters=1).fit(world.X, world.X[:, 0], target=target, pairs=PAIRS).score(world.Xt, world.X[:, 0])
        > 0
    )
    with pytest.raises(DomainError, match=r"^HeMap\.fit: y must hold classes where no pairs"):
        HeMap().fit(world.X, world.X[:, 0], target=target)
