"""Weights reach the estimator that learns, in a pipeline too, and where another library has switched metadata routing on."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from transferkit import KMM, Domain
from transferkit.algorithms.selectors.iwcv import IWCV
from transferkit.core.weighted_fit import fit_weighted, takes_weights
from transferkit.ops.evidence.held_out import held_out_predictions


def rows(n=80):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    return X, (X[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(int), rng.integers(1, 4, size=n)


def pipeline():
    return make_pipeline(StandardScaler(), LogisticRegression())


def test_who_takes_weights():
    assert takes_weights(LogisticRegression())
    assert takes_weights(pipeline())
    assert not takes_weights(KNeighborsClassifier())
    assert not takes_weights(make_pipeline(LogisticRegression(), KNeighborsClassifier()))


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("inner", [LogisticRegression(tol=1e-8), make_pipeline(LogisticRegression(tol=1e-8))])
def test_a_weight_is_as_many_copies(inner, routing):
    X, y, w = rows()
    with config_context(enable_metadata_routing=routing):
        weighted = fit_weighted(inner, X, y, w).predict_proba(X)
    copied = inner.fit(np.repeat(X, w, axis=0), np.repeat(y, w)).predict_proba(X)
    np.testing.assert_allclose(weighted, copied, atol=1e-5)


@pytest.mark.parametrize("inner", [pipeline(), CalibratedClassifierCV(LogisticRegression())])
def test_routing_changes_nothing_for_a_method(inner):
    X, y, _ = rows()
    target = Domain(X + 0.5)
    plain = KMM(estimator=inner).fit(X, y, target=target).predict_proba(X)
    with config_context(enable_metadata_routing=True):
        np.testing.assert_array_equal(KMM(estimator=inner).fit(X, y, target=target).predict_proba(X), plain)


def test_a_pipeline_is_refitted_with_its_weights():
    X, y, _ = rows()
    bare, piped = (
        KMM(estimator=e).fit(X, y, target=Domain(X + 0.5))
        for e in (LogisticRegression(), make_pipeline(LogisticRegression()))
    )
    said = [held_out_predictions(IWCV(), model, Domain(X, y), random_state=0).proba for model in (bare, piped)]
    np.testing.assert_allclose(*said)
