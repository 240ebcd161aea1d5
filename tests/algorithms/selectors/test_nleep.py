"""N-LEEP: LEEP on the posterior of scikit-learn's mixture."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import FunctionTransformer

from transferkit import LEEP, NLEEP, Domain
from transferkit.core.errors import DomainError

AS_GIVEN = FunctionTransformer()


def case(gap=3.0, n=90, d=6):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    return rng.normal(size=(n, d)) * np.linspace(1, 2, d) + gap * np.eye(3, d)[y], y


class Says:
    classes_ = None

    def __init__(self, proba):
        self.proba = proba

    def predict_proba(self, X):
        return self.proba


def test_is_leep_with_mixture_components_for_source_classes():
    F, y = case()
    kept = PCA(n_components=0.8, svd_solver="full").fit_transform(F)
    assert kept.shape[1] < 6
    mixture = GaussianMixture(6, covariance_type="diag", random_state=0).fit(kept / kept.std())
    found = NLEEP(2, covariance="diag", random_state=0).score(AS_GIVEN, None, Domain(F, y))
    expected = LEEP().score(Says(mixture.predict_proba(kept / kept.std())), None, Domain(F, y))
    assert found == pytest.approx(expected, rel=1e-6)


def test_clear_clusters_lose_nothing():
    F, y = case(gap=60)
    assert NLEEP(1, random_state=0).score(AS_GIVEN, None, Domain(F, y)) == pytest.approx(0, abs=1e-6)


def test_scale_and_offset_change_nothing():
    F, y = case()
    nleep = NLEEP(2, covariance="diag", random_state=0)
    first = nleep.score(AS_GIVEN, None, Domain(F, y))
    assert nleep.score(AS_GIVEN, None, Domain(1e3 * F + 5, y)) == pytest.approx(first, rel=1e-6)


def test_more_features_than_rows():
    F, y = case(n=30, d=100)
    assert NLEEP(2, covariance="diag", random_state=0).score(AS_GIVEN, None, Domain(F, y)) <= 0


def test_what_cannot_be_used_is_named():
    F, y = case()
    with pytest.raises(DomainError, match=r"target must have a known label for each of 15 Gaussians\. Got 12"):
        NLEEP().score(AS_GIVEN, None, Domain(F, y, np.arange(90) < 12))
    with pytest.raises(DomainError, match=r"candidate must give features that vary"):
        NLEEP().score(AS_GIVEN, None, Domain(np.ones((90, 2)), y))
