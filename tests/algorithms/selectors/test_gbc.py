"""GBC: overlaps of Gaussians in closed form."""

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import norm
from sklearn.preprocessing import FunctionTransformer

from transferkit import GBC, Domain
from transferkit.core.errors import DomainError

AS_GIVEN = FunctionTransformer()


def gaussian_rows(means, deviations, n=50):
    """Classes whose sample means and (population) deviations are exactly those given, column by column."""
    rng = np.random.default_rng(0)
    parts = []
    for m, s in zip(means, deviations):
        Z = rng.normal(size=(n, len(m)))
        Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
        parts.append(Z * s + m)
    return Domain(np.concatenate(parts), np.repeat(np.arange(len(means)), n))


def coefficient(m1, v1, m2, v2):
    """Of two Gaussians with diagonal covariance: exp(-D), with D written out with matrices."""
    S1, S2 = np.diag(v1), np.diag(v2)
    S, gap = (S1 + S2) / 2, np.subtract(m1, m2)
    D = (
        gap @ np.linalg.solve(S, gap) / 8
        + np.log(np.linalg.det(S) / np.sqrt(np.linalg.det(S1) * np.linalg.det(S2))) / 2
    )
    return np.exp(-D)


def test_one_feature_is_the_integral_of_the_geometric_mean_of_densities():
    target = gaussian_rows([[0.0], [1.5]], [[1.0], [2.0]])
    overlap, _ = integrate.quad(lambda x: np.sqrt(norm.pdf(x, 0, 1) * norm.pdf(x, 1.5, 2)), -30, 30)
    for covariance in ("spherical", "diagonal"):
        assert GBC(covariance).score(AS_GIVEN, None, target) == pytest.approx(-2 * overlap, rel=1e-7)


def test_closed_form_of_three_classes():
    means, deviations = np.array([[0, 0, 0], [1, 0, 2], [0, 2, 1.0]]), np.array([[1, 2, 1], [2, 1, 0.5], [1, 1, 3.0]])
    target = gaussian_rows(means, deviations)
    pairs = [(0, 1), (0, 2), (1, 2)]
    V = deviations**2
    expected = -2 * sum(coefficient(means[i], V[i], means[j], V[j]) for i, j in pairs)
    assert GBC("diagonal", n_components=None).score(AS_GIVEN, None, target) == pytest.approx(expected, rel=1e-9)
    V = np.repeat(V.mean(axis=1, keepdims=True), 3, axis=1)
    expected = -2 * sum(coefficient(means[i], V[i], means[j], V[j]) for i, j in pairs)
    for n_components in (None, 3, 64):  # spherical Gaussians do not care for a rotation
        found = GBC(n_components=n_components).score(AS_GIVEN, None, target)
        assert found == pytest.approx(expected, rel=1e-9)


def test_bounds():
    rows = gaussian_rows([[0.0, 0.0]], [[1.0, 1.0]]).X
    same, far = (Domain(np.r_[rows, rows + gap], np.repeat([0, 1], 50)) for gap in (0, 1e3))
    assert GBC().score(AS_GIVEN, None, same) == pytest.approx(-2)
    assert GBC().score(AS_GIVEN, None, far) == 0.0


def test_scale_rotation_and_offset_change_nothing():
    target = gaussian_rows([[0, 0, 0], [1, 0, 2]], [[1, 2, 1], [2, 1, 0.5]])
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    other = Domain(1e4 * target.X @ turn + 9, target.y)
    assert GBC().score(AS_GIVEN, None, other) == pytest.approx(GBC().score(AS_GIVEN, None, target), rel=1e-8)


def test_a_class_of_one_row_and_more_features_than_rows():
    rng = np.random.default_rng(0)
    y = np.r_[np.zeros(10, int), np.ones(10, int), 2]
    for covariance in ("spherical", "diagonal"):
        found = GBC(covariance).score(AS_GIVEN, None, Domain(rng.normal(size=(21, 200)) + y[:, None], y))
        assert np.isfinite(found)
        assert -6 <= found <= 0


def test_classes_that_do_not_vary_are_refused():
    with pytest.raises(DomainError, match=r"GBC\.score: known labels of target must have classes within which"):
        GBC().score(AS_GIVEN, None, Domain(np.eye(2)[[0, 0, 1, 1]], [0, 0, 1, 1]))
