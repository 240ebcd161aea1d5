import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge

from transferkit import Domain, Pooled
from transferkit.core.errors import DomainError


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    return X, X[:, 0] + 0.1, Xt, 2 * Xt[:, 1] + 0.1, np.arange(30) < 8


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize(("target_weight", "times"), [(1.0, 1), (3.0, 3), ("balanced", 5)])
def test_a_weight_is_that_many_copies(data, convert, target_weight, times):
    X, y, Xt, yt, known = data
    model = Pooled(target_weight, Ridge(solver="cholesky", fit_intercept=False))
    model.fit(convert(X), y, target=Domain(convert(Xt), yt, known))
    copies = Ridge(solver="cholesky", fit_intercept=False).fit(
        np.vstack([X] + [Xt[known]] * times), np.concatenate([y] + [yt[known]] * times)
    )
    np.testing.assert_allclose(model.estimator_.coef_, copies.coef_, rtol=1e-8)


def test_needs_known_labels(data):
    X, y, Xt, _, _ = data
    with pytest.raises(DomainError, match=r"Pooled\.fit: target must have known labels"):
        Pooled().fit(X, y, target=Domain(Xt))
