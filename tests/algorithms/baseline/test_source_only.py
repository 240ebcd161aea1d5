import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from transferkit import Domain, SourceOnly


@pytest.fixture
def source():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    return X, (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_is_the_inner_estimator_on_the_source(source, convert):
    X, y = source
    model = SourceOnly().fit(convert(X), y, target=Domain(convert(X + 1)))
    plain = LogisticRegression(max_iter=1000).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(convert(X)), plain.predict_proba(X), atol=1e-8)


def test_known_target_labels_change_nothing(source):
    X, y = source
    plain = SourceOnly().fit(X, y, target=Domain(X))
    labelled = SourceOnly().fit(X, y, target=Domain(X, np.where(y == 1, 0, 7)))
    np.testing.assert_array_equal(plain.estimator_.coef_, labelled.estimator_.coef_)


def test_regression_by_the_labels(source):
    X, _ = source
    assert isinstance(SourceOnly().fit(X, X[:, 0] + 0.5, target=Domain(X)).estimator_, Ridge)
