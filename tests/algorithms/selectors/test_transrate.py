"""TransRate: log-determinants written out, classes in orthogonal subspaces."""

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from transferkit import Domain, TransRate

AS_GIVEN = FunctionTransformer()


def rate(Z, eps):
    return np.linalg.slogdet(np.eye(Z.shape[1]) + Z.T @ Z / (len(Z) * eps))[1] / 2


@pytest.mark.parametrize(("n", "d"), [(60, 5), (12, 30)])
def test_is_the_difference_of_coding_rates(n, d):
    rng = np.random.default_rng(0)
    y = np.sort(rng.integers(0, 3, n))
    y[:3], y[-3:] = 0, [1, 2, 2]
    Z = rng.normal(size=(n, d)) + 2 * np.eye(3, d)[y] + 7
    centred = Z - Z.mean(axis=0)
    parts = sum((y == c).mean() * rate(centred[y == c], 1e-2) for c in range(3))
    found = TransRate(eps=1e-2).score(AS_GIVEN, None, Domain(Z, y))
    assert found == pytest.approx(rate(centred, 1e-2) - parts, rel=1e-9)


def test_orthogonal_classes_in_closed_form():
    """Two classes of +-a e_1 and +-b e_2: the whole has variances a^2 / 2 and b^2 / 2, each class its own."""
    a, b, eps = 2.0, 3.0, 0.1
    Z = np.array([[a, 0], [-a, 0], [0, b], [0, -b]])
    both = (np.log1p(a**2 / (2 * eps)) + np.log1p(b**2 / (2 * eps))) / 2
    each = (np.log1p(a**2 / eps) + np.log1p(b**2 / eps)) / 4
    found = TransRate(eps=eps).score(AS_GIVEN, None, Domain(Z, [0, 0, 1, 1]))
    assert found == pytest.approx(both - each, rel=1e-12)
    tilted = Z + 0.9 * np.array([[0, a], [0, -a], [0, 0], [0, 0]])  # the first class turns towards the second
    assert TransRate(eps=eps).score(AS_GIVEN, None, Domain(tilted, [0, 0, 1, 1])) < found


@pytest.mark.parametrize("seed", range(5))
def test_is_a_mutual_information(seed):
    """At least 0 for any shares of classes, and 0 for a class that repeats the whole."""
    rng = np.random.default_rng(seed)
    Z, y = rng.normal(size=(50, 4)), (rng.uniform(size=50) < 0.15).astype(int)
    y[:2] = [0, 1]
    assert TransRate().score(AS_GIVEN, None, Domain(Z, y)) >= 0
    twice = Domain(np.r_[Z, Z], np.repeat([0, 1], 50))
    assert TransRate().score(AS_GIVEN, None, twice) == pytest.approx(0, abs=1e-9)


def test_rotation_and_offset_change_nothing_and_scale_only_without_normalize():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    Z = rng.normal(size=(40, 5)) + y[:, None]
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    first, relative = (TransRate(normalize=n).score(AS_GIVEN, None, Domain(Z, y)) for n in (False, True))
    assert TransRate().score(AS_GIVEN, None, Domain(Z @ turn + 3, y)) == pytest.approx(first, rel=1e-9)
    assert TransRate().score(AS_GIVEN, None, Domain(0.01 * Z, y)) != pytest.approx(first, rel=1e-3)
    assert TransRate(normalize=True).score(AS_GIVEN, None, Domain(0.01 * Z, y)) == pytest.approx(relative, rel=1e-9)


def test_constant_features():
    for normalize in (False, True):
        assert TransRate(normalize=normalize).score(AS_GIVEN, None, Domain(np.ones((6, 3)), [0, 1] * 3)) == 0.0
