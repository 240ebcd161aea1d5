"""Proximal maps against their own definition, and the descent against closed forms."""

import numpy as np
import pytest
from scipy.optimize import minimize

from transferkit.ops.linear.proximal import descend, shrink_clusters, shrink_rows, shrink_singular_values


def penalty_clusters(W, reg, eta, k):
    """By brute force over the eigenvalues of M."""
    s = np.linalg.svd(W, compute_uv=False)
    start = np.full(len(s), min(1.0, k / len(s)))
    rule = {"type": "ineq", "fun": lambda g: k - g.sum()}
    found = minimize(
        lambda g: (s**2 / (eta + g)).sum(), start, bounds=[(0, 1)] * len(s), constraints=rule, tol=1e-12, method="SLSQP"
    )
    return reg * found.fun


PENALTIES = {
    "rows": (lambda V: shrink_rows(V, 0.6, 0.3), lambda W: 0.6 * np.linalg.norm(W, axis=1).sum() + 0.15 * (W**2).sum()),
    "trace": (lambda V: shrink_singular_values(V, 0.6), lambda W: 0.6 * np.linalg.svd(W, compute_uv=False).sum()),
    "clusters": (lambda V: shrink_clusters(V, 0.3, 0.2, 1), lambda W: penalty_clusters(W, 0.3, 0.2, 1)),
}


@pytest.mark.parametrize("name", PENALTIES)
def test_a_map_is_the_minimiser_of_its_definition(name):
    shrink, penalty = PENALTIES[name]
    rng = np.random.default_rng(0)
    V = rng.normal(size=(4, 3))
    W = shrink(V)
    value = ((W - V) ** 2).sum() / 2 + penalty(W)
    for scale in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(15):
            other = W + scale * rng.normal(size=W.shape)
            assert ((other - V) ** 2).sum() / 2 + penalty(other) >= value - 1e-7
    assert not shrink(0 * V).any()


def test_as_many_clusters_as_columns_are_ridge():
    V = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(shrink_clusters(V, 0.4, 0.25, 3), V / (1 + 2 * 0.4 / 1.25))


def test_descent_finds_ridge():
    rng = np.random.default_rng(0)
    A, b = rng.normal(size=(20, 6)), rng.normal(size=(20, 2))
    gram = A.T @ A
    W, n, converged = descend(
        lambda W: gram @ W - A.T @ b, lambda V, step: V / (1 + step * 2.0), np.zeros((6, 2)), np.linalg.norm(gram, 2), 3000,
        1e-10,
    )  # fmt: skip
    assert converged
    assert n < 3000
    np.testing.assert_allclose(W, np.linalg.solve(gram + 2 * np.eye(6), A.T @ b), atol=1e-7)
    assert not descend(lambda W: gram @ W - A.T @ b, lambda V, step: V, np.zeros((6, 2)), 1e3, 2, 1e-10)[2]
