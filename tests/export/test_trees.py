"""scikit-learn's trees as one node: rows on a threshold, gaps, shares and values; and no forest twice."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

from transferkit import Domain, SourceOnly
from transferkit.core.vote import Vote
from transferkit.export import OnnxModel, export_onnx
from transferkit.export.graph import Graph
from transferkit.export.trees import forest_answer

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
CODES = np.arange(120) % 4


def answered(model, rows):
    graph = Graph()
    answer = forest_answer(graph, model, graph.add_input("X", np.float64, (None, rows.shape[1]), {}))
    name, shape = (answer.value, (None,)) if answer.classes is None else (answer.proba, (None, len(answer.classes)))
    proto = graph.model({"Z": (name, np.float64, shape)}, {})
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": rows})[0]


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(7, random_state=0),
        ExtraTreesClassifier(7, min_samples_leaf=3, random_state=0, class_weight="balanced"),
        DecisionTreeClassifier(max_depth=3),
        ExtraTreeClassifier(random_state=0),
        DecisionTreeClassifier(max_leaf_nodes=2),
    ],
    ids=str,
)
def test_shares_of_classes(model, tmp_path):
    model.fit(X, np.array(["a", "b", "c", "d"])[CODES])
    rows = RNG.normal(size=(300, 3))
    np.testing.assert_allclose(answered(model, rows), model.predict_proba(rows), atol=1e-6)


@pytest.mark.parametrize(
    "model", [RandomForestRegressor(7, random_state=0), ExtraTreesRegressor(5), DecisionTreeRegressor()], ids=str
)
def test_values(model):
    model.fit(X, 100 * X[:, 0] + CODES)
    np.testing.assert_allclose(answered(model, X), model.predict(X), rtol=1e-5)


def test_rows_on_a_threshold_and_next_to_it():
    """Thresholds are double, rows are compared in single precision: rounded down, none falls on the wrong side."""
    model = ExtraTreesClassifier(30, random_state=0).fit(X, CODES)
    trees = [t.tree_ for t in model.estimators_]
    on = np.concatenate([t.threshold[t.feature == 0] for t in trees]).astype(np.float32)
    edge = np.concatenate([on, np.nextafter(on, np.float32(np.inf)), np.nextafter(on, np.float32(-np.inf))])
    rows = np.column_stack([edge, np.zeros((len(edge), 2))]).astype(np.float64)
    np.testing.assert_allclose(answered(model, rows), model.predict_proba(rows), atol=1e-6)


def test_missing_values_go_where_the_trees_send_them():
    gaps = np.where(RNG.random(X.shape) < 0.3, np.nan, X)
    model = RandomForestClassifier(9, random_state=0).fit(gaps, CODES)
    np.testing.assert_allclose(answered(model, gaps), model.predict_proba(gaps), atol=1e-6)


def test_a_tree_of_one_leaf_and_shares_of_nothing():
    one = DecisionTreeRegressor().fit(X, np.full(120, 2.5))
    np.testing.assert_array_equal(answered(one, X[:5]), np.full(5, 2.5))
    nothing = DecisionTreeRegressor().fit(X, np.zeros(120))
    np.testing.assert_array_equal(answered(nothing, X[:5]), np.zeros(5))


def test_a_tie_of_pure_leaves_stays_a_tie():
    """Ten trees, five for either class: shares are summed before they are divided, so the graph has exactly one half."""
    models = [DecisionTreeClassifier().fit(np.array([[0.0], [1.0]]), [k % 2, 1 - k % 2]) for k in range(10)]
    forest = RandomForestClassifier(10).fit(np.array([[0.0], [1.0]]), [0, 1])
    forest.estimators_ = models
    np.testing.assert_array_equal(answered(forest, np.array([[0.0]])), [[0.5, 0.5]])


def test_equal_forests_on_equal_rows_are_there_once(tmp_path):
    members = [SourceOnly(ExtraTreesClassifier(5, random_state=s)).fit(X, CODES, target=Domain(X)) for s in (0, 0, 1)]
    export_onnx(Vote(members, [1, 2, 3]), tmp_path / "m.onnx", rows=X)
    nodes = [n.op_type for n in onnx.load(tmp_path / "m.onnx").graph.node]
    assert nodes.count("TreeEnsembleRegressor") == 2
    np.testing.assert_allclose(
        OnnxModel(tmp_path / "m.onnx").predict_proba(X), Vote(members, [1, 2, 3]).predict_proba(X), atol=1e-6
    )
