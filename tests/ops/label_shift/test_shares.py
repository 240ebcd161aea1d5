"""Class shares: the EM fixed point, calibration, and recovery of a known change."""

import numpy as np
import pytest

from transferkit.ops.label_shift.shares import (
    class_shares,
    em_prior,
    match_shares,
    share_interval,
    temper,
    temperature,
    total_variation,
)


def test_em_recovers_shares_from_exact_posteriors():
    rng = np.random.default_rng(0)
    prior, shares = np.array([0.5, 0.5]), np.array([0.85, 0.15])
    y = (rng.random(20_000) < shares[1]).astype(int)
    x = rng.normal(size=20_000) + 2 * y
    likelihood = np.exp(-((x[:, None] - [0.0, 2.0]) ** 2) / 2)
    proba = likelihood * prior / (likelihood * prior).sum(axis=1, keepdims=True)
    assert em_prior(proba, prior) == pytest.approx(shares, abs=0.01)


def test_em_ends_at_a_fixed_point():
    rng = np.random.default_rng(1)
    proba, prior = rng.dirichlet(np.ones(4), size=300), np.array([0.1, 0.2, 0.3, 0.4])
    found = em_prior(proba, prior, tol=1e-13, max_iter=100_000)
    joint = proba * found / prior
    assert (joint / joint.sum(axis=1, keepdims=True)).mean(axis=0) == pytest.approx(found, abs=1e-9)
    assert found.sum() == pytest.approx(1.0)


def test_em_leaves_uninformative_posteriors_at_the_prior():
    prior = np.array([0.3, 0.7])
    assert em_prior(np.tile(prior, (50, 1)), prior) == pytest.approx(prior)


def test_a_class_without_source_rows_gets_no_share():
    assert em_prior(np.full((9, 3), 1 / 3), np.array([0.5, 0.5, 0.0]))[2] == 0.0


def test_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.ones(3), size=5000)
    codes = np.array([rng.choice(3, p=p) for p in true])
    sharp = temper(true, 0.4)
    assert temperature(sharp, codes) == pytest.approx(2.5, rel=0.1)
    assert temper(sharp, 2.5) == pytest.approx(true, abs=1e-6)


def test_total_variation():
    assert total_variation([0.5, 0.5], [0.9, 0.1]) == pytest.approx(0.4)


def test_class_shares_of_a_pure_label_shift():
    rng = np.random.default_rng(0)
    ys, yt = np.arange(600) % 3, rng.choice(3, 600, p=[0.7, 0.2, 0.1])
    X, Y = (rng.normal(size=(600, 4)) + 3 * np.eye(3)[y] @ np.eye(3, 4) for y in (ys, yt))
    found = class_shares(X, ys, Y, random_state=0)
    assert found.target == pytest.approx(np.bincount(yt) / 600, abs=0.03)
    assert found.tv == pytest.approx(total_variation(found.source, np.bincount(yt) / 600), abs=0.04)
    assert (found.guess_target == yt).mean() > 0.8


@pytest.mark.parametrize("codes", [[0, 1, 1, 1], [0, 0, 2, 2]])
def test_class_shares_with_single_rows_and_missing_classes(codes):
    X = np.arange(8.0).reshape(4, 2)
    found = class_shares(X, np.array(codes), X, n_classes=3, random_state=0)
    assert found.target.sum() == pytest.approx(1.0)
    assert set(found.guess_target) <= set(codes)


def three(seed, shares, n=300):
    rng = np.random.default_rng(seed)
    ys, yt = rng.choice(3, n), rng.choice(3, n, p=shares)
    X, Y = (rng.normal(size=(n, 4)) + 2 * np.eye(3)[y] @ np.eye(3, 4) for y in (ys, yt))
    return X, ys, Y


def test_em_with_weights_is_em_on_repeated_rows_from_any_start():
    rng = np.random.default_rng(0)
    proba, prior, weight = rng.dirichlet(np.ones(3), size=60), np.array([0.2, 0.3, 0.5]), rng.integers(0, 4, 60)
    repeated = em_prior(np.repeat(proba, weight, axis=0), prior, tol=1e-12, max_iter=20_000)
    start = np.array([0.8, 0.1, 0.1])
    assert em_prior(proba, prior, weight=weight, start=start, tol=1e-12, max_iter=20_000) == pytest.approx(
        repeated, abs=1e-6
    )


def test_the_interval_covers_the_true_shares_and_without_a_shift_the_source():
    true, covered, moved = np.array([0.7, 0.2, 0.1]), [], []
    for seed in range(8):
        X, ys, Y = three(seed, true)
        found = class_shares(X, ys, Y, random_state=seed)
        interval = share_interval(found, ys, n_bootstrap=60, random_state=seed)
        assert (interval.low <= found.target).all()
        assert (found.target <= interval.high).all()
        covered.append((interval.low <= true) & (true <= interval.high))
        assert found.tv > interval.radius
        X, ys, Y = three(seed, None)
        found = class_shares(X, ys, Y, random_state=seed)
        moved.append(found.tv > share_interval(found, ys, n_bootstrap=60, random_state=seed).radius)
    assert np.mean(covered) >= 0.8
    assert np.mean(moved) <= 0.25


def test_matched_rows_have_the_target_shares():
    codes = np.random.default_rng(0).choice(3, 20_000)
    source, target = np.bincount(codes) / 20_000, np.array([0.6, 0.4, 0.0])
    rows = match_shares(codes, source, target, 0)
    assert len(set(rows)) == len(rows) > 8000
    assert np.bincount(codes[rows], minlength=3) / len(rows) == pytest.approx(target, abs=0.01)
    assert len(match_shares(codes, source, source, 0)) == pytest.approx(20_000, rel=0.03)
