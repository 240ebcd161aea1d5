"""Class-wise matching with weights: its closed form and its programme against general solvers."""

import numpy as np
import pytest
from scipy.optimize import minimize

from transferkit.ops.landmarks import LandmarkMatching

RNG = np.random.default_rng(0)


def matching(share, n_unlabelled=6):
    L, U = RNG.normal(size=(4, 3)), RNG.normal(size=(n_unlabelled, 3))
    return LandmarkMatching(
        L, U, np.array([0, 0, 1, 1, 1, 2, 2]), np.array([0, 0, 1, 2]), np.arange(n_unlabelled) % 2, share
    )


def by_hand(m, Z, a, b):
    """The objective with every sum written out."""
    d = m.share
    total = 0.0
    for c in (None, 0, 1, 2):
        z, k, u = (
            np.ones(len(of), bool) if c is None else of == c for of in (m.of_source, m.of_labelled, m.of_unlabelled)
        )
        source = (a[z, None] * Z[z]).sum(axis=0) / (d * z.sum())
        target = (m.L[k].sum(axis=0) + (b[u, None] * m.U[u]).sum(axis=0)) / (k.sum() + d * u.sum())
        total += ((source - target) ** 2).sum()
        if c is not None:
            e = d * z.sum() * k.sum() + d * k.sum() * u.sum() + d * d * u.sum() * z.sum()
            pairs = 0.0
            for i in np.flatnonzero(z):
                pairs += sum(((a[i] * Z[i] - m.L[j]) ** 2).sum() for j in np.flatnonzero(k))
                pairs += sum(((a[i] * Z[i] - b[j] * m.U[j]) ** 2).sum() for j in np.flatnonzero(u))
            pairs += sum(((m.L[i] - b[j] * m.U[j]) ** 2).sum() for i in np.flatnonzero(k) for j in np.flatnonzero(u))
            total += pairs / e
    return total


def test_the_objective_is_the_papers():
    m = matching(0.4)
    Z, a, b = RNG.normal(size=(7, 3)), RNG.uniform(size=7), RNG.uniform(size=6)
    assert m.objective(Z, a, b) == pytest.approx(by_hand(m, Z, a, b))


@pytest.mark.parametrize("n_unlabelled", [6, 0])
def test_the_map_is_the_minimum(n_unlabelled):
    m, X = matching(0.5, n_unlabelled), RNG.normal(size=(7, 5))
    a, b = RNG.uniform(size=7), RNG.uniform(size=n_unlabelled)
    found = minimize(lambda A: m.objective(X @ A.reshape(5, 3), a, b) + 0.3 * A @ A, np.zeros(15)).x
    np.testing.assert_allclose(m.source_map(X, a, b, 0.3).ravel(), found, atol=1e-4)


def test_the_weights_are_the_minimum():
    m, Z = matching(0.5), RNG.normal(size=(7, 3))
    of = np.concatenate([m.of_source, m.of_unlabelled + 3])
    sums = [{"type": "eq", "fun": lambda w, g=g: w[of == g].mean() - 0.5} for g in range(5)]
    best = minimize(
        lambda w: m.objective(Z, w[:7], w[7:]), np.full(13, 0.5), method="SLSQP", bounds=[(0, 1)] * 13, constraints=sums
    )
    a, b = m.weights(Z)
    assert m.objective(Z, a, b) == pytest.approx(best.fun, rel=1e-6)
    np.testing.assert_allclose(np.concatenate([a, b]), best.x, atol=1e-3)


def test_a_class_without_target_rows_is_left_out():
    m = LandmarkMatching(
        RNG.normal(size=(2, 3)), np.empty((0, 3)), np.array([0, 1, 2]), np.array([0, 1]), np.empty(0, int), 1.0
    )
    Z = RNG.normal(size=(3, 3))
    overall = ((Z.mean(axis=0) - m.L.mean(axis=0)) ** 2).sum()
    expected = overall + 2 * sum(((Z[c] - m.L[c]) ** 2).sum() for c in (0, 1))
    assert m.objective(Z, np.ones(3), np.ones(0)) == pytest.approx(expected)
