"""Known class shares: probabilities brought to them, and what labels with other shares give away."""

import numpy as np
import pytest

from transferkit.ops.label_shift.known_shares import apply_factors, share_factors, share_gap, share_noise

rng = np.random.default_rng(0)
PROBA = rng.dirichlet([1.0, 2.0, 3.0], size=(4, 80))  # four models
SHARES = np.array([0.5, 0.2, 0.3])


def test_the_mean_becomes_the_shares_for_every_model():
    factors = share_factors(PROBA, SHARES, tol=1e-10)
    moved = apply_factors(PROBA, factors)
    np.testing.assert_allclose(moved.mean(axis=1), np.tile(SHARES, (4, 1)), atol=1e-8)
    np.testing.assert_allclose(moved.sum(axis=2), 1)
    np.testing.assert_allclose(np.log(factors).mean(axis=1), 0, atol=1e-12)
    for one, together in zip(PROBA, factors):
        np.testing.assert_allclose(share_factors(one, SHARES, tol=1e-10), together, rtol=1e-6)


def test_the_factors_are_the_only_ones_that_do_it():
    """Sinkhorn: whatever class factors were on before, the moved probabilities are the same."""
    before = apply_factors(PROBA, np.tile([5.0, 0.1, 2.0], (4, 1)))
    moved = [apply_factors(P, share_factors(P, SHARES, tol=1e-12)) for P in (PROBA, before)]
    np.testing.assert_allclose(*moved, atol=1e-5)  # probabilities are held above a millionth


def test_two_classes_have_a_closed_form():
    """Of two rows with odds a and b, means 1/2 each need the factor (a b)^(-1/2) on the odds."""
    a, b = 3.0, 0.5
    proba = np.array([[a / (1 + a), 1 / (1 + a)], [b / (1 + b), 1 / (1 + b)]])
    w = share_factors(proba, np.array([0.5, 0.5]), tol=1e-12)
    assert w[0] / w[1] == pytest.approx((a * b) ** -0.5, rel=1e-4)


def test_shares_that_hold_already_move_nothing():
    np.testing.assert_allclose(share_factors(PROBA[0], PROBA[0].mean(axis=0)), 1, atol=1e-3)


def test_a_class_of_share_zero_gets_next_to_nothing_and_sure_models_stay_finite():
    shares = np.array([0.0, 0.4, 0.6])
    moved = apply_factors(PROBA, share_factors(PROBA, shares))
    assert moved[..., 0].mean() < 1e-3
    sure = np.eye(3)[rng.integers(0, 3, 50)]
    factors = share_factors(sure, SHARES)
    assert np.isfinite(factors).all()
    assert (factors > 0).all()
    np.testing.assert_allclose(apply_factors(sure, factors).mean(axis=0), SHARES, atol=1e-3)


@pytest.mark.parametrize("n_classes", [2, 3, 12])
def test_the_gap_is_a_lower_bound_of_the_error(n_classes):
    """With the true shares: a theorem, so no random labelling breaks it."""
    draw = np.random.default_rng(n_classes)
    for _ in range(200):
        truth = draw.integers(0, n_classes, 60)
        guess = np.where(draw.random(60) < draw.random(), truth, draw.integers(0, n_classes, 60))
        shares = np.bincount(truth, minlength=n_classes) / 60
        assert share_gap(guess, shares) <= (guess != truth).mean() + 1e-12


def test_the_gap_is_the_error_where_all_mistakes_go_one_way():
    truth, guess = np.repeat([0, 1], 50), np.repeat([0, 1], [70, 30])
    assert share_gap(guess, np.array([0.5, 0.5])) == pytest.approx((guess != truth).mean())
    assert share_gap(np.array([0, 0, 0]), np.array([0.0, 0.0, 1.0])) == 1.0
    assert share_gap(truth, np.array([0.5, 0.5, 0.0])) == 0.0


@pytest.mark.parametrize("n", [100, 1000])
def test_the_noise_is_what_sampling_alone_brings(n):
    draws = np.random.default_rng(n).multinomial(n, SHARES, size=4000) / n
    simulated = np.abs(draws - SHARES).sum(axis=1).mean() / 2
    assert share_noise(SHARES, n) == pytest.approx(simulated, rel=0.03)


def test_shares_that_cannot_vary_have_no_noise():
    assert share_noise(np.array([1.0, 0.0]), 10) == 0.0
