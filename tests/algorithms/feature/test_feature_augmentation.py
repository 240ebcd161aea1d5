import numpy as np
import pytest
from scipy import sparse

from transferkit import Domain, FeatureAugmentation
from transferkit.core.errors import DomainError, ParamError


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(60, 3)), rng.normal(size=(50, 3))
    return X, (X[:, 0] > 0).astype(int), Xt, (Xt[:, 0] + Xt[:, 1] > 0).astype(int), np.arange(50) < 20


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_the_kernel_doubles_within_a_domain(data, convert):
    """Section 3.2: 2 <x, z> within a domain, <x, z> across."""
    X, y, Xt, yt, known = data
    model = FeatureAugmentation().fit(convert(X), y, target=Domain(convert(Xt), yt, known))
    S, T = model.transform(convert(X), domain="source"), model.transform(convert(Xt))
    if sparse.issparse(S):
        S, T = S.toarray(), T.toarray()
    np.testing.assert_allclose(S @ S.T, 2 * X @ X.T, atol=1e-12)
    np.testing.assert_allclose(T @ T.T, 2 * Xt @ Xt.T, atol=1e-12)
    np.testing.assert_allclose(S @ T.T, X @ Xt.T, atol=1e-12)


def test_one_copy_a_source_domain(data):
    X, y, Xt, yt, known = data
    groups = np.array(["b", "a"])[np.arange(60) % 2]
    model = FeatureAugmentation().fit(X, y, target=Domain(Xt, yt, known), groups=groups)
    assert model.groups_.tolist() == ["a", "b"]
    Z = model.transform(X, domain="source", groups=groups)
    assert Z.shape == (60, 12)
    same = groups[:, None] == groups
    np.testing.assert_allclose(Z @ Z.T, (1 + same) * (X @ X.T), atol=1e-12)
    np.testing.assert_allclose(Z @ model.transform(Xt).T, X @ Xt.T, atol=1e-12)
    unnamed = model.transform(X, domain="source")
    np.testing.assert_array_equal(unnamed, np.hstack([X, np.zeros((60, 9))]))
    with pytest.raises(ParamError, match="groups must name one of"):
        model.transform(X, domain="source", groups=np.full(60, "c"))


def test_learns_what_the_target_does_differently(data):
    X, y, Xt, yt, known = data
    model = FeatureAugmentation().fit(X, y, target=Domain(Xt, yt, known))
    shared, source, target = np.split(model.estimator_.coef_[0], 3)
    assert (shared + target)[1] > 3 * abs((shared + source)[1])
    assert min((shared + target)[0], (shared + source)[0]) > 1


def test_needs_known_labels(data):
    X, y, Xt, _, _ = data
    with pytest.raises(DomainError, match=r"FeatureAugmentation\.fit: target must have known labels"):
        FeatureAugmentation().fit(X, y, target=Domain(Xt))
