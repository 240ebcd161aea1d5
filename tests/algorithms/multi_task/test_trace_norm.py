"""Trace norm: optimality, and tasks of one direction recover it together."""

import numpy as np

from transferkit import Domain, TraceNorm


def problem(n=30, d=8, m=5):
    rng = np.random.default_rng(0)
    W = np.outer(rng.normal(size=d), rng.normal(size=m))
    given = []
    for k in range(m):
        X = rng.normal(size=(n, d))
        given.append(Domain(X, X @ W[:, k] + 0.3 * rng.normal(size=n), name=f"t{k}"))
    return given


def coefficients(model, given):
    return np.column_stack([model.coef_[t.name][0] / np.std(t.y) for t in given])


def test_optimality():
    """The losses' gradient is reg times a subgradient: norm at most 1, and -U V^T on the singular vectors that are left."""
    given, reg = problem(), 0.2
    W = coefficients(TraceNorm(reg=reg, tol=1e-10, max_iter=20000).fit(given), given)
    slope = np.column_stack(
        [
            (t.X - t.X.mean(0)).T @ ((t.X - t.X.mean(0)) @ w - (t.y - t.y.mean()) / t.y.std()) / len(t.y)
            for t, w in zip(given, W.T)
        ]
    )
    U, s, Vt = np.linalg.svd(W, full_matrices=False)
    rank = int((s > 1e-8).sum())
    assert 1 <= rank < 5
    assert np.linalg.norm(slope, 2) <= reg + 1e-6
    np.testing.assert_allclose(U[:, :rank].T @ slope @ Vt[:rank].T, -reg * np.eye(rank), atol=1e-6)


def test_a_common_direction_is_found_together():
    given = problem(n=10)
    joint = coefficients(TraceNorm(reg=0.1).fit(given), given)
    alone = np.column_stack([coefficients(TraceNorm(reg=1e-6, max_iter=20000).fit([t]), [t]) for t in given])

    def first_share(W):
        s = np.linalg.svd(W, compute_uv=False) ** 2
        return s[0] / s.sum()

    assert first_share(joint) > first_share(alone) + 0.05
