"""The loss split: its terms sum to the whole, vanish where they should, and are those of the theory on a known shift."""

import numpy as np
import pytest

from transferkit.ops.evidence.performance_shift import domain_posterior, split_loss


def test_the_terms_sum_to_the_total_difference():
    rng = np.random.default_rng(0)
    losses = rng.random(70), rng.random(40) + 0.3
    found = split_loss(*losses, rng.random(70), rng.random(40), n_bootstrap=50, random_state=0)
    assert found.source == pytest.approx(losses[0].mean())
    assert found.target == pytest.approx(losses[1].mean())
    assert found.harder + found.concept + found.unseen == pytest.approx(found.target - found.source, abs=1e-12)
    for name in ("harder", "concept", "unseen"):
        low, high = found.intervals[name]
        assert low <= getattr(found, name) <= high


def test_weights_are_those_of_the_shared_distribution():
    """On three values with known shares, E_s is a sum by hand: s is proportional to p q / (p + q)."""
    p, q = np.array([0.5, 0.4, 0.1]), np.array([0.1, 0.4, 0.5])
    risk_p, risk_q = np.array([0.1, 0.2, 0.9]), np.array([0.3, 0.2, 0.8])
    s = p * q / (p + q)
    s /= s.sum()
    xs, xt = np.repeat(np.arange(3), (500, 400, 100)), np.repeat(np.arange(3), (10, 40, 50))
    pi = q / (p + q)
    found = split_loss(risk_p[xs], risk_q[xt], pi[xs], pi[xt], n_bootstrap=20, random_state=0)
    assert found.harder == pytest.approx(s @ risk_p - p @ risk_p)
    assert found.concept == pytest.approx(s @ risk_q - s @ risk_p)
    assert found.unseen == pytest.approx(q @ risk_q - s @ risk_q)


def two(seed, shift, flipped, n=600):
    """One column that says how hard a row is; the domains differ in it, in the labels, or in both."""
    rng = np.random.default_rng(seed)
    X, Z = rng.normal(size=(n, 1)), rng.normal(size=(n, 1)) + shift
    risk = [1 / (1 + np.exp(-2 * rows[:, 0])) for rows in (X, Z)]
    losses = [(rng.random(n) < r).astype(float) for r in risk]
    if flipped:
        losses[1] = 1 - losses[1] * 0.2
    return split_loss(*losses, *domain_posterior(X, Z, random_state=seed), n_bootstrap=300, random_state=seed)


@pytest.mark.parametrize("seed", range(3))
def test_a_shift_of_the_rows_is_not_one_of_the_labels(seed):
    found = two(seed, 1.0, False)
    rows, labels = found.harder + found.unseen, found.concept
    assert found.intervals["rows"][0] > 0
    assert rows > 3 * abs(labels)


@pytest.mark.parametrize("seed", range(3))
def test_a_shift_of_the_labels_is_not_one_of_the_rows(seed):
    found = two(seed, 0.0, True)
    assert found.intervals["concept"][0] > 0
    assert found.concept > 3 * abs(found.harder + found.unseen)


def test_few_shared_rows_have_a_small_effective_number():
    near, far = np.zeros((100, 1)), np.full((100, 1), 9.0)
    far[0] = 0
    pi = domain_posterior(near + np.arange(100)[:, None] / 100, far, random_state=0)
    assert split_loss(np.zeros(100), np.ones(100), *pi, n_bootstrap=10).effective_target < 20


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (2, 2)])
def test_tiny_domains_have_a_posterior(n, m):
    pi = domain_posterior(np.ones((n, 2)), np.ones((m, 2)), random_state=0)
    assert [len(part) for part in pi] == [n, m]
    assert np.concatenate(pi) == pytest.approx(0.5)
