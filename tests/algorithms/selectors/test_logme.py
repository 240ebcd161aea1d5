"""LogME: equals the Gaussian marginal likelihood at its maximum over alpha and beta."""

import numpy as np
import pytest
from scipy import optimize
from scipy.stats import multivariate_normal
from sklearn.preprocessing import FunctionTransformer

from transferkit import Domain, LogME
from transferkit.core.errors import DomainError, ParamError

AS_GIVEN = FunctionTransformer()


def brute_force(F, y):
    """max over alpha, beta of log N(y; 0, I / beta + F F' / alpha) / n, straight from the density."""
    n = len(y)

    def negative(logs):
        alpha, beta = np.exp(np.clip(logs, -25, 25))
        return -multivariate_normal.logpdf(y, np.zeros(n), np.eye(n) / beta + F @ F.T / alpha) / n

    starts = [(a, b) for a in (-2.0, 1.0, 4.0) for b in (0.0, 3.0)]
    return -min(
        optimize.minimize(negative, s, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10}).fun
        for s in starts
    )


def numbers(seed, n, d):
    rng = np.random.default_rng(seed)
    F = rng.normal(size=(n, d)) * rng.uniform(0.2, 3, d)
    return F, F[:, 0] - 0.5 * F[:, 1] + rng.normal(size=n)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n", "d"), [(25, 4), (15, 15), (12, 30)])
def test_regression_is_the_maximum_of_the_marginal_likelihood(seed, n, d):
    F, y = numbers(seed, n, d)
    assert LogME(tol=1e-12, max_iter=5000).score(AS_GIVEN, None, Domain(F, y)) == pytest.approx(
        brute_force(F, y), abs=2e-6
    )


@pytest.mark.parametrize("d", [3, 30])
def test_classes_are_the_mean_over_one_hot_columns(d):
    rng = np.random.default_rng(0)
    y = np.arange(21) % 3
    F = rng.normal(size=(21, d)) + 2 * np.eye(3, d)[y]
    found = LogME(tol=1e-12, max_iter=5000).score(AS_GIVEN, None, Domain(F, np.array(["a", "b", "c"])[y]))
    assert found == pytest.approx(np.mean([brute_force(F, (y == c).astype(float)) for c in range(3)]), abs=2e-6)


def test_default_steps_are_enough():
    F, y = numbers(0, 200, 10)
    assert LogME().score(AS_GIVEN, None, Domain(F, y)) == pytest.approx(
        LogME(tol=1e-13, max_iter=10000).score(AS_GIVEN, None, Domain(F, y)), abs=1e-5
    )


def test_rotation_and_scale_of_the_features_change_nothing():
    F, y = numbers(0, 40, 6)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    first = LogME().score(AS_GIVEN, None, Domain(F, y))
    for other in (F @ turn, F * 1e4, F * 1e-4, np.c_[F, np.zeros((40, 3))]):
        assert LogME().score(AS_GIVEN, None, Domain(other, y)) == pytest.approx(first, rel=1e-9)


def test_features_without_a_word_score_as_noise_of_the_labels_own_size():
    y = np.random.default_rng(0).normal(size=30)
    alone = -0.5 * (np.log(2 * np.pi * (y**2).mean()) + 1)
    assert LogME().score(AS_GIVEN, None, Domain(np.zeros((30, 4)), y)) == pytest.approx(alone)
    deaf = np.random.default_rng(1).normal(size=30)
    deaf -= y * (deaf @ y) / (y @ y)
    assert LogME().score(AS_GIVEN, None, Domain(deaf[:, None], y)) == pytest.approx(alone)


def test_an_exact_fit_is_finite_and_above_all_else():
    y = np.arange(40) % 2
    noisy = np.eye(2)[y] + 1e-3 * np.random.default_rng(0).normal(size=(40, 2))
    exact, near = (LogME().score(AS_GIVEN, None, Domain(F, y)) for F in (np.eye(2)[y], noisy))
    assert np.isfinite(exact)
    assert exact > near > 0


def test_whole_numbers_are_numbers_where_the_user_says_so():
    F, y = numbers(0, 40, 4)
    whole = np.round(4 * y)
    said = LogME(task="regression").score(AS_GIVEN, None, Domain(F, whole.astype(int)))
    assert said == LogME(task="regression").score(AS_GIVEN, None, Domain(F, whole))
    assert said != LogME().score(AS_GIVEN, None, Domain(F, whole))
    with pytest.raises(DomainError, match=r"known labels of target must be numbers\. Got dtype <U"):
        LogME(task="regression").score(AS_GIVEN, None, Domain(F, whole.astype(str)))


def test_a_candidate_without_transform_is_named():
    F, y = numbers(0, 10, 2)
    with pytest.raises(ParamError, match=r"LogME\.score: candidate must have transform\. Got int"):
        LogME().score(3, None, Domain(F, y))


def test_only_known_rows_reach_the_candidate():
    F, y = numbers(0, 30, 4)
    known = np.arange(30) < 12
    seen = []
    watch = FunctionTransformer(lambda X: (seen.append(X), X)[1])
    score = LogME().score(watch, None, Domain(F, y, known))
    np.testing.assert_array_equal(seen[0], F[:12])
    assert score == LogME().score(AS_GIVEN, None, Domain(F[:12], y[:12]))
