"""gap_profile: the documented keys, strict JSON, and findings that fit what was done to the data."""

import json
from dataclasses import fields

import numpy as np
import pytest

from transferkit import Domain
from transferkit.core.errors import DomainError
from transferkit.pipeline.gap import gap_profile
from transferkit.pipeline.gap.shares import Shares

KEYS = {
    "auc", "auc_p", "mmd2", "mmd_p", "proxy_a_distance", "columns", "label_shift", "findings", "kind", "evidence",
    "linear_auc", "linear_p", "auc_standardised", "support", "columns_moved", "value_shift", "sources", "uncovered",
    "performance", "rows",
}  # fmt: skip
KINDS = {"none", "covariate", "label", "both", "concept", "unclear"}

FULL_FORESTS = True  # what it finds is what is tested


def domains(seed=0, n=200, d=4, shares=(0.5, 0.5)):
    rng = np.random.default_rng(seed)
    ys, yt = np.arange(n) % 2, (np.arange(n) < shares[1] * n).astype(int)
    X, Z = (rng.normal(size=(n, d)) + 3 * y[:, None] * (np.arange(d) == 1) for y in (ys, yt))
    return X, np.array(["no", "yes"])[ys], Z


def profile(X, y, Z, **options):
    target = Domain(Z, *options.pop("labels", ()))
    found = gap_profile(Domain(X, y), target, random_state=0, **options)
    assert set(found) == KEYS
    assert found["kind"] in KINDS
    assert found["evidence"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for f in found["findings"]:
        assert set(f) == {"says", "number", "fits", "avoid", "why"}
        assert f["number"]
        assert f["says"].endswith(".")
    return found


def said(found, word):
    return [f for f in found["findings"] if word in f["says"]]


@pytest.mark.parametrize("seed", range(3))
def test_without_a_shift(seed):
    found = profile(*domains(seed))
    assert found["auc"] < 0.6
    assert found["proxy_a_distance"] < 0.4
    assert found["kind"] == "none"
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
    assert said(found, "(volts). Look at those first: a changed unit, code or sensor")
    assert found["columns_moved"] == 1
    assert not any("label_shift" in f["fits"] for f in found["findings"])
    assert found["support"]["outside"] > 0.9


@pytest.mark.parametrize(
    ("tv", "moved", "seem"),
    [(0.6, True, "may have moved"), (0.6, False, "cannot be told from equal ones"), (0.05, False, "seem about equal")],
)
def test_shares_that_are_hardly_known_are_not_called_equal(tv, moved, seem):
    unknown = {f.name: None for f in fields(Shares)}
    assert Shares(**{**unknown, "tv": tv, "moved": moved}).seem == seem


def test_nobody_is_sent_to_mend_columns_that_a_network_made():
    X, y, Z = domains()
    (few,) = said(profile(X, y, Z + np.array([0, 0, 0, 20]), own_columns=False), "few columns carry the shift")
    assert "sensor" not in few["says"]


def test_a_shift_of_the_correlation_only():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    Z = rng.multivariate_normal([0, 0], [[1, 0.95], [0.95, 1]], 300)
    found = profile(X, np.arange(300) % 2, Z)
    assert said(found, "No single column moved")
    assert said(found, "does not explain")


@pytest.mark.parametrize("seed", range(3))
def test_moved_class_shares(seed):
    found = profile(*domains(seed, n=400, shares=(0.9, 0.1)))
    shift = found["label_shift"]
    assert found["kind"] == "label"
    assert shift["classes"] == ["no", "yes"]
    assert shift["target"] == pytest.approx([0.9, 0.1], abs=0.05)
    for true, low, high in zip((0.9, 0.1), shift["low"], shift["high"]):
        assert low <= true <= high
    assert shift["auc_matched"] < 0.6 < found["auc"]
    assert said(found, "A label shift")[0]["fits"] == ["label_shift"]


@pytest.mark.parametrize("seed", range(3))
def test_a_moved_irrelevant_column_is_a_covariate_shift(seed):
    X, y, Z = domains(seed, n=300)
    found = profile(X, y, Z + 1.5 * np.eye(4)[3])
    assert found["kind"] == "covariate"
    assert not found["label_shift"]["moved"]
    assert said(found, "A covariate shift")


def test_shares_and_rows_that_moved_are_not_called_one_of_them():
    X, y, Z = domains(n=400, shares=(0.9, 0.1))
    assert profile(X, y, Z + 1.5 * np.eye(4)[3])["kind"] in ("both", "unclear")


def test_an_offset_of_the_column_that_tells_the_classes():
    """It looks like other shares as it stands; that the offset explains everything speaks for the offset."""
    X, y, Z = domains(n=400)
    Z[:, 1] += 1.5
    found = profile(X, y, Z)
    assert found["label_shift"]["moved"]
    assert not found["label_shift"]["agree"]
    assert found["kind"] == "covariate"
    Z[:, 3] = np.abs(Z[:, 3])  # with a change of shape beside it nothing explains everything
    found = profile(X, y, Z)
    assert found["kind"] == "unclear"
    assert said(found, "cannot be told without labels")


def labelled(seed, n=400, flip=0.0):
    """Classes that overlap; a share of the target's labels is turned round where column 0 is high."""
    rng = np.random.default_rng(seed)
    X, Z = rng.normal(size=(n, 3)), rng.normal(size=(n, 3))
    ys, yt = (rng.random(n) < 1 / (1 + np.exp(-3 * rows[:, 1])) for rows in (X, Z))
    return X, ys.astype(int), Z, np.where((Z[:, 0] > 0) & (rng.random(n) < flip), 1 - yt, yt).astype(int)


def test_labels_that_differ_on_the_same_rows_are_a_concept_shift():
    X, y, Z, yt = labelled(0, flip=0.9)
    found = profile(X, y, Z, labels=(yt, np.arange(400) < 200))
    assert found["kind"] == "concept"
    split = found["performance"]
    assert split["concept"] > 0.15 > abs(split["harder"] + split["unseen"])
    assert split["harder"] + split["concept"] + split["unseen"] == pytest.approx(split["target"] - split["source"])
    assert said(found, "A concept shift")[0]["fits"] == ["parameter"]
    assert profile(X, y, Z)["kind"] == "none"  # without labels nothing shows, and nothing is claimed
    assert profile(X, y, Z)["performance"] is None


def test_few_labels_claim_nothing():
    X, y, Z, yt = labelled(0, flip=0.9)
    found = profile(X, y, Z, labels=(yt, np.arange(400) < 6))
    assert found["performance"]["enough"] is False
    assert found["kind"] == "none"
    assert said(found, "do not tell why")


def test_hidden_labels_change_nothing():
    X, y, Z, yt = labelled(0)
    known = np.arange(400) < 60
    other = np.where(known, yt, 1 - yt)
    assert profile(X, y, Z, labels=(yt, known)) == profile(X, y, Z, labels=(other, known))


def test_sources_are_ranked_and_near_is_first():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(120, 4)) + shift for shift in (3, 0, 1)])
    groups = np.repeat(["far", "near", "middle"], 120)
    found = profile(X, np.arange(360) % 2, rng.normal(size=(150, 4)), groups=groups)
    assert [s["name"] for s in found["sources"]] == ["near", "middle", "far"]
    assert found["sources"][0]["outside"] < 0.1 < 0.8 < found["sources"][2]["outside"]
    assert said(found, "near is most like the target and far least")


@pytest.mark.parametrize("d", [2, 20])
def test_a_group_that_no_source_covers_is_found_with_its_marks(d):
    rng = np.random.default_rng(0)
    X, Z = rng.normal(size=(400, d)), rng.normal(size=(400, d))
    Z[30:70, 1] += 8
    found = profile(X, np.arange(400) % 2, Z)
    (group,) = found["uncovered"]
    assert group["rows"] == pytest.approx(40, abs=3)
    assert set(group["examples"]) <= set(range(30, 70))
    assert group["columns"][0]["name"] == "x1"
    assert said(found, "A group of target rows")


def test_a_target_that_moved_as_a_whole_has_no_such_group():
    rng = np.random.default_rng(0)
    X, Z = rng.normal(size=(300, 4)), rng.normal(size=(300, 4)) + 1
    assert profile(X, np.arange(300) % 2, Z)["uncovered"] == []


def test_a_regression_whose_values_moved():
    rng = np.random.default_rng(0)
    ys, yt = rng.uniform(0, 1, 400), np.where(rng.random(400) < 0.7, rng.uniform(0.8, 1, 400), rng.uniform(0, 0.2, 400))
    X, Z = (np.c_[3 * y + 0.1 * rng.normal(size=400), rng.normal(size=(400, 2))] for y in (ys, yt))
    found = profile(X, ys, Z, task="regression")
    assert found["kind"] == "label"
    assert found["value_shift"]["target"][-1] > 0.5
    assert profile(X, ys, X[rng.permutation(400)], task="regression")["kind"] == "none"
    moved = profile(X, ys, X + 2 * np.eye(3)[2], task="regression", labels=(ys, np.arange(400) < 100))
    assert moved["kind"] == "covariate"


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
    with pytest.raises(DomainError, match="groups must have 200 entries"):
        gap_profile(Domain(X, y), Domain(Z), groups=np.zeros(3))
    with pytest.raises(DomainError, match="feature_names must name 4 columns"):
        gap_profile(Domain(X, y), Domain(Z), feature_names=["a"])
