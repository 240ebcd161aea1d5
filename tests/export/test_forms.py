"""Votes with their ties, medians with weights and scores passed on by neighbours: the graph decides as the model does."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from transferkit import Domain, LabelPropagation, TrAdaBoost, TrAdaBoostR2
from transferkit.export import OnnxModel, export_onnx

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
Y = np.array(["ash", "elm", "oak"])[np.arange(90) % 3]
X = RNG.normal(size=(90, 3)) + 2 * np.eye(3)[np.arange(90) % 3]
TARGET = Domain(1.2 * X + 0.3, Y, known=np.arange(90) < 12)


def exported(model, tmp_path, rows=None):
    facts = export_onnx(model, tmp_path / "m.onnx", rows=rows, overwrite=True)
    assert facts["check"]["labels_differ"] == 0
    return OnnxModel(tmp_path / "m.onnx")


def on_thresholds(labels):
    """Says one label left of 0 and another right of it."""
    return DecisionTreeClassifier(max_depth=1).fit(np.array([[-1.0], [1.0]]), list(labels))


def test_a_tie_of_votes_goes_to_the_last_class(tmp_path):
    x = np.array([[-1.0], [1.0]] * 6)
    model = TrAdaBoost(2).fit(x, ["a", "b"] * 6, target=Domain(x, ["a", "b"] * 6))
    model.classes_ = np.array(["a", "b", "c"])
    model.estimators_ = [on_thresholds(v) for v in ("ab", "ba", "cb", "cb")]
    for votes, expected in (([1, 1, 0, 0], "bb"), ([1, 1, 1, 0], "cb"), ([2, 1, 1, 1], "cb"), ([3, 1, 1, 1], "ab")):
        model.votes_ = np.array(votes, dtype=float)
        rows = np.array([[-0.5], [0.5]])
        assert "".join(model.predict(rows)) == expected
        found = exported(model, tmp_path, rows)
        assert "".join(found.predict(rows)) == expected
        np.testing.assert_allclose(found.predict_proba(rows), model.predict_proba(rows), atol=1e-15)


def test_a_learner_that_knows_fewer_classes_votes_for_those(tmp_path):
    model = TrAdaBoost(6).fit(X, Y, target=TARGET)
    few = Y != "elm"
    model.estimators_[-1] = LogisticRegression().fit(X[few], Y[few])
    np.testing.assert_allclose(exported(model, tmp_path).predict_proba(X), model.predict_proba(X), atol=1e-15)


@pytest.mark.parametrize(
    ("votes", "expected"), [([1, 1, 1], 2), ([1, 1, 2], 2), ([1, 1, 2.1], 4), ([0, 1, 1], 1), ([5, 1, 1], 2)]
)
def test_the_median_is_the_lower_of_two(votes, expected, tmp_path):
    x = np.arange(6.0)[:, None]
    model = TrAdaBoostR2(2).fit(x, x[:, 0], target=Domain(x, x[:, 0]))
    model.estimators_ = [LinearRegression().fit(x, np.full(6, value)) for value in (2.0, 1.0, 4.0)]
    model.votes_ = np.array(votes, dtype=float)
    assert model.predict(x[:1]) == expected
    np.testing.assert_allclose(exported(model, tmp_path).predict(x), np.full(6, expected), atol=1e-12)


@pytest.mark.parametrize(
    "params",
    [{}, {"belief": 0.0, "alpha": 0.9}, {"class_mass": True, "n_bridges": 2}, {"n_neighbors": 1000, "n_bridges": 1000}],
    ids=str,
)
def test_labels_are_passed_on_to_new_rows(params, tmp_path):
    model = LabelPropagation(**params).fit(X, Y, target=TARGET)
    found = exported(model, tmp_path, TARGET.X)
    new = RNG.normal(size=(9, 3))
    for rows in (TARGET.X, X, new, TARGET.X[:1], 1e3 * new):  # of the fit, of the source, new, one, far
        np.testing.assert_allclose(found.predict_proba(rows), model.predict_proba(rows), atol=1e-9)


def test_neighbours_that_are_there_several_times(tmp_path):
    """Equal rows lie equally near; they are in the graph as often as in the model."""
    twice, labels = np.repeat(X[:30], 2, axis=0), np.repeat(Y[:30], 2)
    model = LabelPropagation(n_neighbors=6, n_bridges=4).fit(
        twice, labels, target=Domain(np.repeat(TARGET.X[:30], 2, axis=0))
    )
    rows = RNG.normal(size=(50, 3))
    np.testing.assert_allclose(
        exported(model, tmp_path, rows).predict_proba(rows), model.predict_proba(rows), atol=1e-9
    )


def test_neighbours_that_are_all_in_one_place(tmp_path):
    """Their distance is 0 in the graph too, and not what rounding leaves, which is another in each."""
    places = RNG.normal(size=(60, 33)) + 9
    often, labels = np.repeat(places[:30], 8, axis=0), np.repeat(Y[:30], 8)
    model = LabelPropagation(n_neighbors=6, n_bridges=4).fit(
        often, labels, target=Domain(np.repeat(places[30:], 8, axis=0))
    )
    found = exported(model, tmp_path, places)
    np.testing.assert_allclose(found.predict_proba(places), model.predict_proba(places), atol=1e-9)
