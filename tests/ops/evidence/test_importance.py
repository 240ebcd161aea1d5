"""Importance weights: a closed form of two Gaussians; the control variate takes away what it promises."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from transferkit.core.errors import DomainError
from transferkit.ops.evidence.importance import control_variate_risk, importance_weights


@pytest.mark.parametrize("estimator", [None, LogisticRegression()])
def test_two_gaussians_have_an_exponential_ratio(estimator):
    """p_t / p_s of N(a, 1) over N(0, 1) is exp(a x - a^2 / 2); the logistic model holds it."""
    rng = np.random.default_rng(0)
    X, Xt, a = rng.normal(size=(3000, 1)), rng.normal(size=(1500, 1)) + 0.8, 0.8
    weights = importance_weights(X, Xt, estimator=estimator, random_state=0)
    true = np.exp(a * X[:, 0] - a**2 / 2)
    inside = np.abs(X[:, 0]) < 2
    np.testing.assert_allclose(weights[inside], true[inside], rtol=0.25)
    assert weights.mean() == pytest.approx(1, abs=0.1)


def test_domains_alike_weigh_alike():
    rng = np.random.default_rng(0)
    weights = importance_weights(rng.normal(size=(300, 20)), rng.normal(size=(300, 20)), random_state=0)
    assert np.abs(weights - 1).max() < 0.5


def test_rows_are_weighed_by_a_model_that_has_not_seen_them():
    """A nearest neighbour would be certain of every row it knows."""
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(0)
    weights = importance_weights(
        rng.normal(size=(100, 2)), rng.normal(size=(100, 2)), estimator=KNeighborsClassifier(1), random_state=0
    )
    assert (weights > 1).sum() > 25


def test_one_row_is_no_domain():
    with pytest.raises(DomainError, match="two rows or more"):
        importance_weights(np.zeros((1, 2)), np.zeros((5, 2)))


def test_control_variate_by_hand():
    """w = (0, 1, 2), l = (1, 0, 1): cov(w l, w) = 1 = var(w), so eta = -1 and the risk is 2/3 - (1 - 1)."""
    assert control_variate_risk(np.array([0.0, 1, 2]), np.array([1.0, 0, 1])) == pytest.approx(2 / 3)
    # With w = (0, 1, 5): mean(w l) = 5/3, var = 7, cov(w l, w) = 15/2, so eta = -15/14 and mean(w) - 1 = 1.
    assert control_variate_risk(np.array([0.0, 1, 5]), np.array([1.0, 0, 1])) == pytest.approx(5 / 3 - 15 / 14)


def test_equal_losses_have_their_risk_whatever_the_weights():
    """With l = c the estimate is exactly c: the variance is all the weights' own."""
    weights = np.random.default_rng(0).exponential(size=50)
    assert control_variate_risk(weights, np.full(50, 0.3)) == pytest.approx(0.3)


def test_weights_that_are_all_alike_leave_the_mean():
    assert control_variate_risk(np.full(4, 1.0), np.array([0.0, 1, 1, 0])) == 0.5
    assert control_variate_risk(np.array([1.0]), np.array([0.25])) == 0.25


def test_it_takes_away_variance():
    rng = np.random.default_rng(0)
    plain, controlled = [], []
    for _ in range(300):
        x = rng.normal(size=100)
        weights, losses = np.exp(0.8 * x - 0.32), 0.5 + 0.1 * rng.normal(size=100)
        plain.append((weights * losses).mean())
        controlled.append(control_variate_risk(weights, losses))
    assert np.var(controlled) < np.var(plain) / 3
    assert np.mean(controlled) == pytest.approx(0.5, abs=0.02)
