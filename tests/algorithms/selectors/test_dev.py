"""DEV: its risk from weights and losses, DEVN as a rescaling, what equal losses and a mirrored target show."""

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor

from transferkit import CORAL, DEV, IWCV, Domain, SourceOnly
from transferkit.ops.evidence.importance import importance_weights


def gaussians(n=300, shift=0.8):
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) + shift
    return Domain(X, X[:, 0] + 0.3 * rng.normal(size=n)), Domain(Xt)


def constant(value, source, target):
    return SourceOnly(DummyRegressor(strategy="constant", constant=value)).fit(source.X, source.y, target=target)


def test_algorithm_1():
    source, target = gaussians()
    w = importance_weights(source.X, target.X, random_state=0)
    loss = (source.y - 0.5) ** 2
    eta = -np.cov(w * loss, w)[0, 1] / w.var(ddof=1)
    expected = (w * loss).mean() + eta * w.mean() - eta
    assert DEV(random_state=0).score(constant(0.5, source, target), source, target) == pytest.approx(-expected)


def test_devn_divides_the_weights_by_the_largest():
    """With c the largest weight: (mean(w l) + eta (mean(w) - c)) / c, the same eta."""
    source, target = gaussians()
    w = importance_weights(source.X, target.X, random_state=0)
    loss = (source.y - 0.5) ** 2
    eta, c = -np.cov(w * loss, w)[0, 1] / w.var(ddof=1), w.max()
    expected = ((w * loss).mean() + eta * (w.mean() - c)) / c
    score = DEV(normalize="max", random_state=0).score(constant(0.5, source, target), source, target)
    assert score == pytest.approx(-expected)


def test_equal_losses_are_their_own_risk():
    """IWCV is off by the weights' mean, DEV is not."""
    source, target = gaussians()
    source = Domain(source.X, np.full(300, 2.5))
    model = constant(0.0, source, target)
    assert DEV(random_state=0).score(model, source, target) == pytest.approx(-6.25)
    assert IWCV(random_state=0).score(model, source, target) != pytest.approx(-6.25, abs=1e-3)


def test_weights_are_taken_in_the_candidates_features():
    """CORAL puts the source onto the target: no weight is needed there, and the risk is that of the source."""
    source, target = gaussians(shift=5.0)
    source = Domain(source.X, (source.y > 0).astype(int))
    moved = CORAL(centre=True).fit(source.X, source.y, target=target)
    w = importance_weights(moved.transform(source.X, domain="source"), target.X, random_state=0)
    assert np.abs(w - 1).max() < 0.2
    assert DEV(random_state=0).score(moved, source, target) > -0.2


def test_it_follows_the_target_risk_under_covariate_shift():
    """y = x: the constant 0.8 is right for the target, 0 for the source."""
    source, target = gaussians(2000)
    at_source, at_target = (DEV(random_state=0).score(constant(c, source, target), source, target) for c in (0.0, 0.8))
    assert at_target > at_source


def test_labels_that_moved_against_the_rows_are_not_seen():
    """The target's labels are turned round; no rows show it, so the score cannot."""
    source, target = gaussians(shift=0.0)
    source = Domain(source.X, (source.y > 0).astype(int))
    model = SourceOnly().fit(source.X, source.y, target=target)
    right, wrong = (Domain(target.X, sign * (target.X[:, 0] > 0).astype(int)) for sign in (1, -1))
    assert DEV(random_state=0).score(model, source, right) == DEV(random_state=0).score(model, source, wrong) > -0.3
