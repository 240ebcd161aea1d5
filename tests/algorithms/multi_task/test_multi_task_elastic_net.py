"""Multi-task elastic net: with common rows scikit-learn's, and our solver agrees with it; rows of coefficients vanish together."""

import numpy as np
import pytest
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from transferkit import Domain, MultiTaskElasticNet


def problem(n=60, d=8):
    rng = np.random.default_rng(0)
    W = rng.normal(size=(d, 3)) * (np.arange(d) < 3)[:, None]
    X = rng.normal(size=(n, d)) + 1.0
    return X, X @ W + 0.1 * rng.normal(size=(n, 3)) + 5.0


def test_with_common_rows_it_is_scikit_learns_and_the_other_solver_agrees():
    X, Y = problem()
    inner = linear_model.MultiTaskElasticNet(0.1, l1_ratio=0.7, tol=1e-10).fit(X, (Y - Y.mean(0)) / Y.std(0))
    for nudge in (0.0, 1e-13):  # rows that differ by nothing go to our own solver
        given = [Domain(X + nudge * k, Y[:, k], name=f"t{k}") for k in range(3)]
        model = MultiTaskElasticNet(reg=0.1, l1_ratio=0.7, tol=1e-9).fit(given)
        for k in range(3):
            np.testing.assert_allclose(model.coef_[f"t{k}"][0] / Y[:, k].std(), inner.coef_[k], atol=1e-6)
            expected = inner.predict(X)[:, k] * Y[:, k].std() + Y[:, k].mean()
            np.testing.assert_allclose(model.predict(X, task=f"t{k}"), expected, atol=1e-5)


def test_optimality_with_rows_of_their_own():
    """For a feature that is left, the losses' gradient balances the penalty's; for one that is out, it is below reg."""
    X, Y = problem()
    given = [Domain(X[k::3], Y[k::3, k], name=f"t{k}") for k in range(3)]
    model = MultiTaskElasticNet(reg=0.3, l1_ratio=1.0, tol=1e-10, max_iter=20000).fit(given)
    W = np.column_stack([model.coef_[t.name][0] / np.std(t.y) for t in given])
    slope = np.column_stack(
        [
            (t.X - t.X.mean(0)).T @ ((t.X - t.X.mean(0)) @ w - (t.y - t.y.mean()) / t.y.std()) / len(t.y)
            for t, w in zip(given, W.T)
        ]
    )
    norms = np.linalg.norm(W, axis=1)
    kept = norms > 1e-9
    assert 0 < kept.sum() < len(W)
    np.testing.assert_allclose(slope[kept], -0.3 * W[kept] / norms[kept, None], atol=1e-6)
    assert (np.linalg.norm(slope[~kept], axis=1) <= 0.3 + 1e-6).all()


def test_too_few_steps_are_said():
    X, Y = problem()
    with pytest.warns(ConvergenceWarning, match="not converged after 2 steps"):
        MultiTaskElasticNet(max_iter=2, tol=1e-12).fit([Domain(X[k::3], Y[k::3, k], name=f"t{k}") for k in range(3)])
