"""gap_profile: the documented keys, strict JSON, and findings that fit what was done to the data."""

import json

import numpy as np
import pytest

from transferkit import Domain
from transferkit.core.errors import DomainError
from transferkit.pipeline.gap import gap_profile

KEYS = {"auc", "auc_p", "mmd2", "mmd_p", "proxy_a_distance", "columns", "label_shift", "findings"}


def domains(seed=0, n=200, d=4, shares=(0.5, 0.5)):
    rng = np.random.default_rng(seed)
    ys, yt = np.arange(n) % 2, rng.choice(2, n, p=shares)
    X, Z = (rng.normal(size=(n, d)) + 3 * y[:, None] * (np.arange(d) == 1) for y in (ys, yt))
    return X, np.array(["no", "yes"])[ys], Z


def profile(X, y, Z, **options):
    found = gap_profile(Domain(X, y), Domain(Z), random_state=0, **options)
    assert set(found) == KEYS
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for f in found["findings"]:
        assert set(f) == {"says", "number", "fits", "avoid"}
        assert f["says"].endswith(".")
    return found


def said(found, word):
    return [f for f in found["findings"] if word in f["says"]]


@pytest.mark.parametrize("seed", range(3))
def test_without_a_shift(seed):
    found = profile(*domains(seed))
    assert found["auc"] < 0.6
    assert found["proxy_a_distance"] < 0.4
    assert said(found, "No covariate shift")
    assert said(found, "shares seem about equal")
    assert found["label_shift"]["tv"] < 0.15


def test_a_moved_column_is_named_and_explained():
    X, y, Z = domains()
    Z = Z * [1, 1, 1, 5] + [0, 0, 0, 20]
    found = profile(X, y, Z, feature_names=["a", "b", "c", "volts"])
    assert found["auc"] > 0.95
    assert found["mmd_p"] < 0.01
    assert found["columns"][0]["name"] == "volts"
    assert found["columns"][0]["q"] < 1e-6
    assert said(found, "constant offset and scale")
    (strong,) = said(found, "barely overlap")
    assert strong["avoid"] == ["instance"]
    assert not said(found, "shares")[0]["fits"]


def test_a_shift_of_the_correlation_only():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    Z = rng.multivariate_normal([0, 0], [[1, 0.95], [0.95, 1]], 300)
    found = profile(X, np.arange(300) % 2, Z)
    assert said(found, "No single column moved")
    assert said(found, "does not explain")


def test_moved_class_shares():
    found = profile(*domains(n=500, shares=(0.95, 0.05)))
    assert found["label_shift"]["classes"] == ["no", "yes"]
    assert found["label_shift"]["target"] == pytest.approx([0.95, 0.05], abs=0.05)


def test_regression_and_no_labels_have_no_shares():
    X, _, Z = domains()
    assert profile(X, X[:, 0], Z, task="regression")["label_shift"] is None
    assert profile(X, None, Z)["label_shift"] is None


def test_is_the_same_for_the_same_seed_and_changes_nothing():
    X, y, Z = domains()
    before = X.copy(), Z.copy()
    assert profile(X, y, Z) == profile(X, y, Z)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Z, before[1])


@pytest.mark.parametrize("n", [2, 5])
def test_tiny_and_constant(n):
    X = np.ones((n, 2))
    X[:, 0] = np.arange(n)
    found = profile(X, np.arange(n) % 2, X)
    assert said(found, "fewer than 50 rows")


def test_lists_the_twenty_strongest_columns():
    X, y, Z = domains(d=30)
    assert len(profile(X, y, Z)["columns"]) == 20


def test_bad_input_is_named():
    X, y, Z = domains()
    with pytest.raises(DomainError, match="same columns"):
        gap_profile(Domain(X, y), Domain(Z[:, :2]))
    with pytest.raises(DomainError, match="feature_names must name 4 columns"):
        gap_profile(Domain(X, y), Domain(Z), feature_names=["a"])
