"""Two-sample tests: calibrated without a shift, powerful with one, equal to the formulas."""

import numpy as np
import pytest
from scipy import stats

from transferkit.ops.evidence.two_sample import (
    benjamini_hochberg,
    classifier_two_sample,
    column_tests,
    mmd2_unbiased,
    mmd_linear_test,
    mmd_test,
    proxy_a_distance,
)


def two(seed, shift=0.0, n=60, m=50, d=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m, d)) + shift


def rings(seed, n=150):
    """Same mean, same covariance, another shape: no linear classifier sees it."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    return rng.normal(size=(n, 2)), np.sqrt(2) * np.c_[np.cos(angle), np.sin(angle)]


def test_classifier_test_sees_a_non_linear_shift():
    found = classifier_two_sample(*rings(0), random_state=0)
    assert found.auc > 0.75
    assert found.p == 0.001
    assert found.error < 0.3


def test_level_without_a_shift_over_40_seeds():
    """P-values are about uniform for trees and for the linear model: not more than a tenth of them is below 0.05."""
    for linear in (False, True):
        draws = (two(s, n=40, m=40) for s in range(40))
        p = np.array(
            [classifier_two_sample(*d, linear=linear, n_permutations=99, random_state=s).p for s, d in enumerate(draws)]
        )
        assert np.mean(p <= 0.05) <= 0.10
        assert stats.kstest(p, "uniform").pvalue > 0.01


def test_a_linear_classifier_sees_means_and_is_blind_to_shape():
    assert classifier_two_sample(*two(0, 1.0), linear=True, random_state=0).auc > 0.8
    assert classifier_two_sample(*rings(0), linear=True, random_state=0).auc < 0.6


def test_linear_time_mmd_is_the_quadratic_one_in_expectation():
    values = [
        (mmd_linear_test(X, Y, bandwidth=1.5, random_state=0)[0], mmd2_unbiased(X, Y, bandwidth=1.5))
        for X, Y in (two(s, 0.5, n=60, m=60) for s in range(200))
    ]
    linear, quadratic = np.array(values).T
    assert linear.mean() == pytest.approx(quadratic.mean(), abs=3 * linear.std() / np.sqrt(len(linear)))


def test_classifier_test_is_the_same_for_the_same_seed():
    X, Y = two(0, 0.5)
    assert classifier_two_sample(X, Y, random_state=3) == classifier_two_sample(X, Y, random_state=3)


def test_weights_undo_a_change_of_shares():
    rng = np.random.default_rng(0)
    ys, yt = rng.random(600) < 0.5, rng.random(600) < 0.9
    X, Y = (rng.normal(size=(600, 2)) + 5 * y[:, None] for y in (ys, yt))
    weight = np.where(ys, 0.9 / 0.5, 0.1 / 0.5)
    assert classifier_two_sample(X, Y, random_state=0).auc > 0.62
    assert classifier_two_sample(X, Y, weight=weight, random_state=0).auc < 0.56


@pytest.mark.parametrize("shape", [(2, 2, 1), (3, 9, 2), (1, 5, 2)])
def test_tiny_and_constant_samples(shape):
    n, m, d = shape
    found = classifier_two_sample(np.ones((n, d)), np.ones((m, d)), random_state=0)
    assert found.auc == 0.5
    assert found.p == 1.0
    assert mmd_test(np.ones((n, d)), np.ones((m, d)))[0] == pytest.approx(0.0, abs=1e-12)


def naive_mmd2(X, Y, s):
    def k(a, b):
        return np.exp(-((a - b) ** 2).sum() / (2 * s * s))

    n, m = len(X), len(Y)
    xx = sum(k(X[i], X[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(Y[i], Y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(k(a, b) for a in X for b in Y) / (n * m)


def test_mmd_is_the_double_sum():
    X, Y = two(1, 0.7, n=13, m=9)
    assert mmd2_unbiased(X, Y, bandwidth=1.3) == pytest.approx(naive_mmd2(X, Y, 1.3), abs=1e-12)


def test_mmd_permutation_is_calibrated_and_has_power():
    p = np.array([mmd_test(*two(s), n_permutations=99, random_state=s)[1] for s in range(100)])
    assert 0.02 <= np.mean(p <= 0.10) <= 0.20
    assert stats.kstest(p, "uniform").pvalue > 0.001
    assert mmd_test(*two(0, 0.7), random_state=0)[1] <= 0.01


def test_linear_time_mmd_is_calibrated_has_power_and_estimates_the_same():
    p = np.array([mmd_linear_test(*two(s, n=300, m=300), random_state=s)[1] for s in range(100)])
    assert 0.02 <= np.mean(p <= 0.10) <= 0.20
    X, Y = two(0, 0.5, n=4000, m=4000)
    value, small = mmd_test(X, Y, bandwidth=2.0, random_state=0)
    assert small < 1e-6
    assert value == pytest.approx(mmd2_unbiased(X[:900], Y[:900], bandwidth=2.0), abs=0.03)


def test_benjamini_hochberg_by_hand():
    # Sorted p times 5/rank: .005*5, .02*5/2, .03*5/3, .04*5/4, .6 -> .025, then .05 for the next three (running minimum).
    p = np.array([0.04, 0.005, 0.6, 0.03, 0.02])
    assert benjamini_hochberg(p) == pytest.approx([0.05, 0.025, 0.6, 0.05, 0.05])
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
    assert len(benjamini_hochberg(np.empty(0))) == 0


def test_column_tests_are_those_of_scipy():
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(size=80), rng.integers(0, 40, 80) / 4, rng.integers(0, 3, 80), np.zeros(80)]
    Y = np.c_[rng.normal(size=60) + 1, rng.integers(0, 30, 60) / 4, rng.integers(0, 2, 60), np.zeros(60)]
    found = column_tests(X, Y)
    assert found.kind.tolist() == ["numeric", "numeric", "few", "few"]
    for j in (0, 1):
        expected = stats.ks_2samp(X[:, j], Y[:, j], method="asymp")
        assert found.statistic[j] == pytest.approx(expected.statistic)
        assert found.p[j] == pytest.approx(expected.pvalue)
    table = np.stack([[(Z[:, 2] == v).sum() for v in range(3)] for Z in (X, Y)])
    expected = stats.chi2_contingency(table, correction=False)
    assert found.statistic[2] == pytest.approx(expected.statistic)
    assert found.p[2] == pytest.approx(expected.pvalue)
    assert found.effect[2] == pytest.approx(stats.contingency.association(table, method="cramer"))
    assert (found.p[3], found.effect[3]) == (1.0, 0.0)
    pooled = np.sqrt((X[:, 0].var() + Y[:, 0].var()) / 2)
    assert found.effect[0] == pytest.approx((Y[:, 0].mean() - X[:, 0].mean()) / pooled)


def test_column_tests_find_the_moved_column_only():
    X, Y = two(0, n=300, m=300, d=30)
    Y[:, 7] += 1
    assert np.flatnonzero(column_tests(X, Y).q < 0.01).tolist() == [7]


def test_two_constants_apart_have_a_finite_effect():
    found = column_tests(np.zeros((20, 1)), np.ones((20, 1)))
    assert found.effect[0] == pytest.approx(1.0)
    assert found.p[0] < 1e-6


def test_proxy_a_distance():
    assert [proxy_a_distance(e) for e in (0.5, 0.25, 0.0, 0.6)] == [0.0, 1.0, 2.0, 0.0]
