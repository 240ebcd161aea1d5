import numpy as np
import pytest
from scipy import sparse
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from transferkit import Domain, DomainClassifierWeighting
from transferkit.core.errors import DomainError


@pytest.fixture
def gaussians():
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, size=(2000, 1)), np.arange(2000) % 2, rng.normal(0.7, 1, size=(1000, 1))


@pytest.mark.parametrize("cv", [None, 5])
def test_recovers_the_ratio_of_two_gaussians(gaussians, cv):
    """With equal variances the log ratio is linear, so that logistic regression is the right model."""
    Xs, y, Xt = gaussians
    model = DomainClassifierWeighting(cv=cv, clip=None, random_state=0).fit(Xs, y, target=Domain(Xt))
    truth = (norm.pdf(Xs, 0.7) / norm.pdf(Xs)).ravel()
    np.testing.assert_allclose(np.log(model.sample_weight_), np.log(truth), atol=0.25)


def test_odds_by_hand(gaussians):
    Xs, y, Xt = gaussians
    model = DomainClassifierWeighting(LogisticRegression(), cv=None, clip=None).fit(Xs, y, target=Domain(Xt))
    proba = LogisticRegression().fit(np.vstack([Xs, Xt]), np.repeat([0, 1], [2000, 1000])).predict_proba(Xs)
    odds = proba[:, 1] / proba[:, 0]
    np.testing.assert_allclose(model.sample_weight_, odds / odds.mean(), rtol=1e-10)


def test_cross_fitting_does_not_see_its_own_row(gaussians):
    Xs, y, Xt = gaussians
    nearest = KNeighborsClassifier(1)
    seen = DomainClassifierWeighting(nearest, cv=5, random_state=0).fit(Xs, y, target=Domain(Xt))
    assert 0.2 < seen.target_proba_.mean() < 0.5
    with pytest.raises(DomainError, match="overlap"):
        DomainClassifierWeighting(nearest, cv=None).fit(Xs, y, target=Domain(Xt))


def test_clip_bounds_the_weights(gaussians):
    Xs, y, Xt = gaussians
    free = DomainClassifierWeighting(clip=None, random_state=0).fit(Xs, y, target=Domain(Xt)).sample_weight_
    clipped = DomainClassifierWeighting(clip=2.0, random_state=0).fit(Xs, y, target=Domain(Xt)).sample_weight_
    assert free.max() > 5
    expected = np.minimum(free, 2.0)
    np.testing.assert_allclose(clipped, expected / expected.mean())


def test_sparse_rows_and_regression():
    rng = np.random.default_rng(0)
    X = rng.random((60, 5)) * (rng.random((60, 5)) < 0.4)
    target = Domain(sparse.csr_matrix(X[:, ::-1]))
    model = DomainClassifierWeighting(estimator=Ridge(), random_state=0).fit(
        sparse.csr_matrix(X), X[:, 0], target=target
    )
    assert model.predict(target.X).shape == (60,)
