"""IWCV: the weighted risk by hand, the target risk it estimates, and what it cannot see."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyRegressor

from transferkit import IWCV, Domain, SourceOnly
from transferkit.core.base import FeatureTransfer
from transferkit.core.errors import DomainError, ParamError


class TrueOdds(BaseEstimator):
    """The Bayes domain classifier of N(0, 1) and N(shift, 1), in equal numbers of rows."""

    def __init__(self, shift=0.8):
        self.shift = shift

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        odds = np.exp(self.shift * X[:, 0] - self.shift**2 / 2)
        return np.column_stack([1 / (1 + odds), odds / (1 + odds)])


def gaussians(n=4000):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 1)), rng.normal(size=(n, 1)) + 0.8


def constant(value, X, y, Xt):
    return SourceOnly(DummyRegressor(strategy="constant", constant=value)).fit(X, y, target=Domain(Xt))


def test_by_hand():
    """A constant 0 has the loss y^2, whatever the fold; the weights are those of the true odds."""
    X, Xt = gaussians(200)
    y = X[:, 0] + 0.25
    weights = np.exp(0.8 * X[:, 0] - 0.32)
    selector = IWCV(domain_estimator=TrueOdds(), random_state=0)
    score = selector.score(constant(0.0, X, y, Xt), Domain(X, y), Domain(Xt))
    assert score == pytest.approx(-(weights * y**2).mean(), rel=1e-9)


@pytest.mark.parametrize("estimator", [None, TrueOdds()])
def test_it_estimates_the_target_risk(estimator):
    """y = x: the constant c has the target risk 1 + (0.8 - c)^2, and the source risk 1 + c^2."""
    X, Xt = gaussians()
    source, target = Domain(X, X[:, 0]), Domain(Xt)
    selector = IWCV(domain_estimator=estimator, random_state=0)
    found = {c: selector.score(constant(c, X, X[:, 0], Xt), source, target) for c in (0.0, 0.8)}
    assert found[0.0] == pytest.approx(-1.64, abs=0.2)
    assert found[0.8] == pytest.approx(-1.0, abs=0.15)


class Flipped(FeatureTransfer):
    """Leaves the source as it is, and turns every target row to the other side."""

    _constraints = {"estimator": SourceOnly._constraints["estimator"]}

    def __init__(self, estimator=None):
        self.estimator = estimator

    def _fit_map(self, data):
        return data.Xs

    def _map(self, X, domain):
        return X if domain == "source" else -X


def test_what_happens_to_the_target_alone_is_not_seen():
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(200, 2)), rng.normal(size=(200, 2))
    y, yt = (X[:, 0] > 0).astype(int), (Xt[:, 0] > 0).astype(int)
    source, target = Domain(X, y), Domain(Xt)
    plain, flipped = (cls().fit(X, y, target=target) for cls in (SourceOnly, Flipped))
    assert plain.score(Xt, yt) > 0.9 > 0.1 > flipped.score(Xt, yt)
    selector = IWCV(random_state=0)
    assert selector.score(flipped, source, target) == selector.score(plain, source, target)


def test_log_loss_and_features():
    X, Xt = gaussians(300)
    source, target = Domain(X, (X[:, 0] > 0).astype(int)), Domain(Xt)
    model = SourceOnly().fit(source.X, source.y, target=target)
    log = IWCV(loss="log", random_state=0).score(model, source, target)
    assert -0.6 < log < IWCV(random_state=0).score(model, source, target) <= 0
    # Source-only has no transform: its features are the rows.
    in_features = IWCV(space="features", random_state=0).score(model, source, target)
    assert in_features == IWCV(random_state=0).score(model, source, target)


def test_refusals():
    X, Xt = gaussians(30)
    numbers = constant(0.0, X, X[:, 0], Xt)
    with pytest.raises(ParamError, match=r"^IWCV\.score: loss must be 'error'"):
        IWCV(loss="log").score(numbers, Domain(X, X[:, 0]), Domain(Xt))
    with pytest.raises(DomainError, match=r"^IWCV\.score: source must be labelled"):
        IWCV().score(numbers, Domain(X), Domain(Xt))
