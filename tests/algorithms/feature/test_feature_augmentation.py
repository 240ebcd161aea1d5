import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge

from transferkit import Domain, FeatureAugmentation
from transferkit.core.errors import DomainError, ParamError
from transferkit.ops.kernels.gaussian import rbf


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


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_the_kernel_form_doubles_the_kernel_within_a_domain(data, convert):
    """Section 3.2 for a kernel: 2 k(x, z) within a domain, k(x, z) across; exact where all rows are landmarks."""
    X, y, Xt, yt, known = data
    model = FeatureAugmentation(kernel="rbf", gamma=0.3, n_landmarks=110)
    model.fit(convert(X), y, target=Domain(convert(Xt), yt, known))
    S, T = model.transform(convert(X), domain="source"), model.transform(convert(Xt))
    np.testing.assert_allclose(S @ S.T, 2 * rbf(X, X, 0.3), atol=1e-6)
    np.testing.assert_allclose(T @ T.T, 2 * rbf(Xt, Xt, 0.3), atol=1e-6)
    np.testing.assert_allclose(S @ T.T, rbf(X, Xt, 0.3), atol=1e-6)
    few = FeatureAugmentation(kernel="rbf", n_landmarks=20).fit(X, y, target=Domain(Xt, yt, known))
    assert len(few.landmarks_) <= 20
    assert few.transform(Xt).shape == (50, 3 * len(few.landmarks_))


def test_agreement_makes_the_domains_models_one(data):
    """EA++: with much weight the source's and the target's scores are the same on the target's rows."""
    X, y, Xt, yt, known = data
    gaps = []
    for agreement in (0.0, 1.0, 1000.0):
        model = FeatureAugmentation(agreement).fit(X, y, target=Domain(Xt, yt, known))
        _, source, target = np.split(model.estimator_.coef_[0], 3)
        gaps.append(np.abs(Xt @ (source - target)).mean())
    assert gaps[0] > 2 * gaps[1] > 20 * gaps[2]


def test_agreement_is_ridge_regression_on_the_difference(data):
    """For numbers of mean 0 and no intercept: the normal equations of the three blocks."""
    X, _, Xt, _, known = data
    y, yt = X[:, 0] - X[:, 0].mean(), Xt[:, 1]
    model = FeatureAugmentation(0.5, estimator=Ridge(fit_intercept=False)).fit(X, y, target=Domain(Xt, yt, known))
    mean = np.concatenate([y, yt[known]]).mean()
    apart = np.hstack([0 * Xt[~known], Xt[~known], -Xt[~known]])
    Z = np.vstack([np.hstack([X, X, 0 * X]), np.hstack([Xt[known], 0 * Xt[known], Xt[known]]), apart])
    weights = np.repeat([1.0, 0.5], [80, 30])
    labels = np.concatenate([y, yt[known], np.full(30, mean)])
    expected = np.linalg.solve(Z.T @ (weights[:, None] * Z) + np.eye(9), Z.T @ (weights * labels))
    np.testing.assert_allclose(model.estimator_.coef_, expected, atol=1e-8)


def test_agreement_with_several_sources_and_sparse_rows(data):
    X, y, Xt, yt, known = data
    groups, target = np.arange(60) % 2, Domain(sparse.csr_matrix(Xt), yt, known)
    dense = FeatureAugmentation(1.0).fit(X, y, target=Domain(Xt, yt, known), groups=groups)
    rows = FeatureAugmentation(1.0).fit(sparse.csr_matrix(X), y, target=target, groups=groups)
    np.testing.assert_allclose(rows.estimator_.coef_, dense.estimator_.coef_, atol=1e-3)
    row = dense._difference(Xt[:1])
    np.testing.assert_allclose(row, np.hstack([0 * Xt[:1], Xt[:1] / 2, Xt[:1] / 2, -Xt[:1]]))
    everything = FeatureAugmentation(1.0).fit(X, y, target=Domain(Xt, yt))
    np.testing.assert_array_equal(
        everything.estimator_.coef_, FeatureAugmentation().fit(X, y, target=Domain(Xt, yt)).estimator_.coef_
    )
