"""The steps of boosting across domains, by hand."""

import numpy as np
import pytest
from scipy.special import logsumexp

from transferkit.core.boosting import mean_one, weighted_median
from transferkit.ops.trees.transfer_boosting import adaboost_r2, discount_source, relative_errors


class Says:
    """Predicts what it was given."""

    def __init__(self, values, weights):
        self.values, self.weights = values, weights

    def predict(self, X):
        return self.values[: len(X)]


def test_relative_errors():
    r = np.array([1.0, -2.0, 0.0])
    np.testing.assert_allclose(relative_errors(r, "linear"), [0.5, 1, 0])
    np.testing.assert_allclose(relative_errors(r, "square"), [0.25, 1, 0])
    np.testing.assert_allclose(relative_errors(r, "exponential"), [1 - np.exp(-0.5), 1 - np.exp(-1), 0])
    assert relative_errors(np.zeros(2), "linear").tolist() == [0, 0]


def test_adaboost_r2_by_hand_leaves_the_source_alone():
    """Errors 1, 0 (source) and 1, 0 (target)."""
    seen = []

    def fit(weights):
        seen.append(weights.copy())
        return Says(np.array([1.0, 0.0, 1.0, 0.0]), weights)

    start = np.log([1.0, 3.0, 1.0, 3.0])
    models, votes = adaboost_r2(fit, np.zeros((4, 1)), np.zeros(4), start, 2, 2, "linear")
    # Error 2/8, beta 1/3. The right target row is multiplied by beta: 1 and 1; scaled back to a mass of 4: 2 and 2.
    second = np.array([1.0, 3.0, 2.0, 2.0])
    np.testing.assert_allclose(seen[1], second / second.mean())
    np.testing.assert_allclose(votes, [np.log(3), np.log((5 / 8) / (3 / 8))])
    assert len(models) == 2
    # Without source rows it is AdaBoost.R2: the next iteration has an error of 1/2 with the same model.
    _, votes = adaboost_r2(fit, np.zeros((4, 1)), np.zeros(4), start, 0, 9, "linear")
    np.testing.assert_allclose(votes[0], np.log(3))
    np.testing.assert_allclose(votes[1:], 0, atol=1e-9)


def test_a_perfect_model_ends_it_and_a_first_one_that_is_bad_is_kept():
    good = adaboost_r2(lambda w: Says(np.ones(3), w), np.zeros((3, 1)), np.ones(3), np.zeros(3), 1, 9, "linear")
    assert len(good[0]) == 1
    assert good[1][0] > 20
    bad = adaboost_r2(lambda w: Says(np.ones(3), w), np.zeros((3, 1)), np.zeros(3), np.zeros(3), 1, 9, "linear")
    assert bad[1].tolist() == [1.0]


@pytest.mark.parametrize("part", [0.9, 0.3, 1e-6])
def test_discount_reaches_the_mass_by_one_beta(part):
    rng = np.random.default_rng(0)
    start, errors = rng.normal(size=20), rng.uniform(0.05, 1, size=20)
    mass = np.log(part) + logsumexp(start)
    found = discount_source(start, errors, mass)
    assert logsumexp(found) == pytest.approx(mass, abs=1e-9)
    log_beta = (found - start) / errors
    np.testing.assert_allclose(log_beta, log_beta[0])
    assert log_beta[0] < 0


def test_discount_at_its_ends():
    start, errors = np.zeros(3), np.array([0.0, 0.5, 1.0])
    np.testing.assert_array_equal(discount_source(start, errors, np.log(3.1)), start)
    # The row without error has a mass of 1 whatever beta is.
    assert discount_source(start, errors, np.log(0.5)).tolist() == [0, -np.inf, -np.inf]
    assert np.isneginf(discount_source(start, np.ones(3), -np.inf)).all()


def test_weighted_median_and_mean_one():
    values = np.array([[1.0, 5.0], [2.0, 3.0], [9.0, 4.0]])
    assert weighted_median(values, np.ones(3)).tolist() == [2, 4]
    assert weighted_median(values, np.array([1.0, 1.0, 5.0])).tolist() == [9, 4]
    assert weighted_median(values, np.array([1.0, 0.0, 1.0])).tolist() == [1, 4]  # the lower one of two
    np.testing.assert_allclose(mean_one(np.array([-1e6, 0.0, 0.0])), [0, 1.5, 1.5])
