import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from transferkit.ops.linear.biased_logistic import fit_biased, label_losses, log_loss_left_out
from transferkit.ops.linear.biased_ridge import PriorRows


@pytest.mark.parametrize("k", [2, 3])
def test_on_logits_of_zero_it_is_logistic_regression(k):
    rng = np.random.default_rng(0)
    A, codes = rng.normal(size=(30, 4)), np.arange(30) % k
    theta, c = fit_biased(A, np.zeros((30, 1 if k == 2 else k)), codes, 0.1, free=True, tol=1e-9)
    plain = LogisticRegression(C=1 / 3, tol=1e-10, max_iter=1000).fit(A, codes)
    np.testing.assert_allclose(theta, plain.coef_, atol=1e-5)
    np.testing.assert_allclose(c - c.mean() * (k > 2), plain.intercept_ - plain.intercept_.mean() * (k > 2), atol=1e-5)


def test_an_infinite_penalty_leaves_the_logits_alone():
    A, codes, logits = np.eye(4), np.arange(4) % 2, np.ones((4, 2))
    theta, c = fit_biased(A, logits, codes, np.inf, free=False, tol=1e-9)
    assert not theta.any()
    assert not c.any()
    c = fit_biased(A, np.zeros((4, 1)), np.array([0, 1, 1, 1]), np.inf, free=True, tol=1e-9)[1]
    np.testing.assert_allclose(c, np.log(3), atol=1e-6)


def test_held_out_losses_are_those_of_fits_without_the_fold():
    rng = np.random.default_rng(0)
    X, codes, logits = rng.normal(size=(12, 3)), np.arange(12) % 3, rng.normal(size=(12, 3))
    rows, folds, regs = PriorRows.of(X, True), np.arange(12) % 4, np.array([0.1, 1.0, np.inf])
    losses = log_loss_left_out(rows, logits, codes, regs, folds, 1e-9)
    held = 0.0
    for f in range(4):
        k = folds == f
        theta, _ = fit_biased(rows.rows[~k], logits[~k], codes[~k], 1.0, free=False, tol=1e-9)
        held += label_losses(logits[k] + rows.rows[k] @ theta.T, codes[k]).sum()
    np.testing.assert_allclose(losses[1], held / 12, rtol=1e-6)
    np.testing.assert_allclose(losses[2], label_losses(logits, codes).mean())
