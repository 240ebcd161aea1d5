"""RankMe: closed forms, what it does not depend on, and that labels are not in it."""

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from transferkit import Domain, RankMe, SourceOnly


def score(Z):
    return RankMe().score(FunctionTransformer().fit(Z), None, Domain(Z))


def with_spectrum(s, n=20, seed=0):
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.normal(size=(m, len(s))))[0] for m in (n, len(s)))
    return U @ np.diag(s) @ V.T


def test_equal_singular_values_give_the_rank():
    for k in (1, 3, 5):
        assert score(with_spectrum(np.r_[np.full(k, 7.0), np.zeros(5 - k)])) == pytest.approx(k)


def test_by_hand():
    # shares 1/2, 1/4, 1/4: entropy 1.5 log 2
    assert score(with_spectrum(np.array([2.0, 1.0, 1.0]))) == pytest.approx(2**1.5)


def test_scale_rotation_and_order_of_rows_change_nothing():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(30, 4)) * [4, 3, 2, 1]
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    for other in (1e-6 * Z, Z @ turn, Z[::-1]):
        assert score(other) == pytest.approx(score(Z))


def test_features_that_lost_directions_score_lower():
    Z = np.random.default_rng(0).normal(size=(100, 6))
    assert score(Z) > score(Z * [1, 1, 1, 1, 0.1, 0.1]) > score(Z * [1, 1, 1, 1, 0, 0])


def test_no_features_at_all():
    assert score(np.zeros((5, 3))) == 0


def test_noise_fools_it():
    rng = np.random.default_rng(0)
    y = np.arange(99) % 3
    assert score(rng.normal(size=(99, 5))) > score(np.eye(5)[y] + 0.05 * rng.normal(size=(99, 5)))


def test_without_a_map_the_rows_count():
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(20, 3)), rng.normal(size=(30, 3)) * [5, 1, 1]
    model = SourceOnly().fit(X, np.arange(20) % 2, target=Domain(Xt))
    assert RankMe().score(model, Domain(X), Domain(Xt)) == score(Xt)
