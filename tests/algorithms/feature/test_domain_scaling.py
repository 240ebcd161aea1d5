"""Domain scaling: the first two moments of every column agree afterwards, and affine changes of columns are undone."""

import numpy as np
import pytest

from transferkit import Domain, DomainScaling, SourceOnly

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(80, 3)) * [1, 5, 0.1] + [0, 3, -2], np.arange(80) % 2


@pytest.mark.parametrize("moments", ["both", "mean"])
def test_the_moments_agree(moments):
    Xt = rng.gamma(2.0, size=(50, 3)) * 4 + 1
    model = DomainScaling(moments=moments).fit(X, Y, target=Domain(Xt))
    Z = model.transform(Xt)
    np.testing.assert_allclose(Z.mean(axis=0), X.mean(axis=0))
    if moments == "both":
        np.testing.assert_allclose(Z.std(axis=0), X.std(axis=0))
    np.testing.assert_array_equal(model.transform(X, domain="source"), X)


def test_another_offset_and_gain_of_each_column_change_nothing():
    """The theorem behind it: predictions are those of source-only before the columns were changed."""
    before = SourceOnly().fit(X, Y, target=Domain(X)).predict_proba(X)
    moved = X * [2.0, 0.3, 7.0] + [5.0, -1.0, 100.0]
    np.testing.assert_allclose(DomainScaling().fit(X, Y, target=Domain(moved)).predict_proba(moved), before, atol=1e-9)


def test_a_constant_target_column_is_moved_and_not_stretched():
    Xt = X.copy()
    Xt[:, 1] = 0.1 + 0.2
    Z = DomainScaling().fit(X, Y, target=Domain(Xt)).transform(Xt)
    np.testing.assert_allclose(Z[:, 1], X[:, 1].mean())
