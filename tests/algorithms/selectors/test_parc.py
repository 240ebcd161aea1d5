"""PARC: against scipy's spearmanr on the distances written out."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from transferkit import PARC, Domain
from transferkit.core.errors import DomainError

AS_GIVEN = FunctionTransformer()


def case(n=40, d=50):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, n)
    return rng.normal(size=(n, d)) + np.eye(4, d)[y] * 2, y


def straight(F, y):
    pairs = np.triu_indices(len(y), 1)
    features = 1 - np.corrcoef(StandardScaler().fit_transform(F))[pairs]
    labels = 1 - np.corrcoef(np.eye(y.max() + 1)[y])[pairs]
    return spearmanr(features, np.round(labels, 12))[0]


def test_is_spearmans_correlation_of_the_two_sets_of_distances():
    F, y = case()
    assert PARC(None).score(AS_GIVEN, None, Domain(F, y)) == pytest.approx(straight(F, y), abs=1e-9)
    reduced = PCA(8, svd_solver="full").fit_transform(F)
    reduced *= np.sign(reduced[np.abs(reduced).argmax(axis=0), np.arange(8)])
    assert PARC(8).score(AS_GIVEN, None, Domain(F, y)) == pytest.approx(straight(reduced, y), abs=1e-9)


def test_two_classes_and_a_perfect_order():
    y = np.arange(20) % 2
    F = np.eye(2)[y] @ np.array([[1, 2, 3, 4], [4, 3, 2, 1.0]])
    assert PARC(None).score(AS_GIVEN, None, Domain(F, y)) == pytest.approx(1)


def test_scale_and_offset_of_columns_change_nothing_without_components():
    F, y = case()
    first = PARC(None).score(AS_GIVEN, None, Domain(F, y))
    moved = F * np.linspace(0.1, 9, 50) - 3
    assert PARC(None).score(AS_GIVEN, None, Domain(moved, y)) == pytest.approx(first, abs=1e-6)


def test_rotation_changes_nothing_with_components():
    F, y = case()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(50, 50)))[0]
    first = PARC(8).score(AS_GIVEN, None, Domain(F, y))
    assert PARC(8).score(AS_GIVEN, None, Domain(F @ turn + 3, y)) == pytest.approx(first, abs=1e-6)


def test_the_probe_set_is_drawn_before_the_candidate_sees_the_rows():
    F, y = case(400)
    seen = []
    watch = FunctionTransformer(lambda X: (seen.append(X), X)[1])
    found = PARC(max_rows=100, random_state=0).score(watch, None, Domain(F, y))
    assert seen[0].shape == (100, 50)
    assert found == PARC(max_rows=100, random_state=0).score(AS_GIVEN, None, Domain(F, y))
    assert found == pytest.approx(PARC().score(AS_GIVEN, None, Domain(F, y)), abs=0.05)


def test_rows_without_direction_and_constant_features():
    y = np.arange(12) % 3
    assert PARC().score(AS_GIVEN, None, Domain(np.ones((12, 4)), y)) == 0.0


def test_one_feature_is_refused():
    with pytest.raises(DomainError, match=r"PARC\.score: candidate must give two features or more"):
        PARC().score(AS_GIVEN, None, Domain(np.arange(6.0)[:, None], [0, 1] * 3))
