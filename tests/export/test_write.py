"""Estimators, tables, votes: the graph says what the model says, and a graph that does not is never written."""

import datetime
import json

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from transferkit import (
    CORAL,
    TCA,
    DataError,
    Domain,
    ParamError,
    SimplifiedGraphConvolution,
    SourceOnly,
    TargetPrototypes,
    TransferPipeline,
)  # fmt: skip
from transferkit.core.distil import distil
from transferkit.core.scaling import NormScaler
from transferkit.core.vote import Vote
from transferkit.data.encode import TableEncoder
from transferkit.export import OnnxModel, export_onnx, write
from transferkit.export.answer import Answer
from transferkit.export.graph import Graph

onnx = pytest.importorskip("onnx")
pytest.importorskip("skl2onnx")
pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
N = 90
CODES = np.arange(N) % 3
Y = np.array(["ash", "elm", "oak"])[CODES]
X = RNG.normal(size=(N, 4))
X[np.arange(N), CODES] += 2
TARGET = 1.3 * X + 0.5


def coral(estimator=None, y=Y):
    return CORAL(estimator=estimator).fit(X, y, target=Domain(TARGET))


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(NormScaler(), LogisticRegression(C=100)),
        make_pipeline(StandardScaler(), LogisticRegression()),
        ExtraTreesClassifier(20, min_samples_leaf=2, random_state=0),
        KNeighborsClassifier(1),
        LinearSVC(),
        SVC(),
        GaussianNB(),
        LinearDiscriminantAnalysis(),
        RidgeClassifier(),
    ],
    ids=lambda e: type(e[-1] if isinstance(e, Pipeline) else e).__name__,
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifiers(estimator, n_classes, tmp_path):
    model = coral(estimator, Y if n_classes == 3 else np.where(CODES > 0, "elm", "ash"))
    facts = export_onnx(model, tmp_path / "m.onnx", rows=TARGET)
    assert facts["check"]["largest_difference"] < 1e-6
    exported = OnnxModel(tmp_path / "m.onnx")
    rows = RNG.normal(size=(11, 4))
    assert (exported.predict(rows) == model.predict(rows)).all()
    assert hasattr(exported, "predict_proba") == hasattr(model, "predict_proba")


@pytest.mark.parametrize(
    "estimator",
    [make_pipeline(NormScaler(), Ridge()), ExtraTreesRegressor(20, random_state=0), KNeighborsRegressor(5)],
    ids=["ridge", "trees", "neighbours"],
)
def test_regressors(estimator, tmp_path):
    model = coral(estimator, 100 * X[:, 0])
    export_onnx(model, tmp_path / "m.onnx")
    exported = OnnxModel(tmp_path / "m.onnx")
    np.testing.assert_allclose(exported.predict(TARGET), model.predict(TARGET), rtol=1e-5)
    assert not hasattr(exported, "classes_")


@pytest.mark.parametrize("y", [CODES, CODES * 1.0, CODES > 0, Y.astype(object)], ids=["int", "float", "bool", "object"])
def test_labels_keep_their_type(y, tmp_path):
    model = coral(y=y)
    export_onnx(model, tmp_path / "m.onnx")
    labels = OnnxModel(tmp_path / "m.onnx").predict(TARGET)
    assert (labels == model.predict(TARGET)).all()
    assert labels.dtype == model.predict(TARGET).dtype


def test_one_number_is_not_rounded_into_a_product(tmp_path):
    """onnxruntime folds ``(x A) / s`` into one node with 1/s in single precision; one number a column is left alone."""
    model = coral(make_pipeline(NormScaler(), LogisticRegression(C=1e4, max_iter=1000)))
    assert export_onnx(model, tmp_path / "m.onnx", rows=TARGET)["check"]["largest_difference"] < 1e-12


def vote(**options):
    members = [coral(), SourceOnly(ExtraTreesClassifier(10, random_state=0)).fit(X, Y, target=Domain(TARGET))]
    two = SourceOnly(LinearSVC()).fit(X[CODES > 0], Y[CODES > 0], target=Domain(TARGET))  # knows no ash
    return Vote([*members, two, TargetPrototypes().fit(X, Y, target=Domain(TARGET))], [1, 2, 3, 1], **options)


@pytest.mark.parametrize("factors", [None, [[0.5, 1, 2]] * 4])
def test_a_vote_is_one_graph(factors, tmp_path):
    model = vote(factors=factors)
    export_onnx(model, tmp_path / "m.onnx", rows=TARGET)
    exported = OnnxModel(tmp_path / "m.onnx")
    rows = RNG.normal(size=(20, 4))
    np.testing.assert_allclose(exported.predict_proba(rows), model.predict_proba(rows), atol=1e-6)
    assert list(exported.classes_) == ["ash", "elm", "oak"]


def test_members_share_what_is_in_front(tmp_path):
    encoder = TableEncoder().fit(X, target=Domain(TARGET))
    front, Z = Pipeline([("encode", encoder)]), encoder.transform(X)
    methods = [m.fit(Z, Y, target=Domain(encoder.transform(TARGET))) for m in (CORAL(), TCA(kernel="rbf"))]
    model = Vote([TransferPipeline.from_fitted(front, m) for m in methods])
    facts = export_onnx(model, tmp_path / "m.onnx", rows=TARGET)
    assert list(facts["inputs"]) == ["numbers"]
    nodes = [n.op_type for n in onnx.load(tmp_path / "m.onnx").graph.node]
    assert nodes.count("IsNaN") == 1
    assert facts["check"]["largest_difference"] < 1e-9


@pytest.mark.parametrize("student", ["linear", "kernel", "forest"])
def test_every_student_of_a_distillation(student, tmp_path):
    from transferkit.core.distil import _students

    plain = _students(None, np.unique(Y), TARGET, 0)[student]
    found = distil(coral(), TARGET, estimator=plain.set_params(n_estimators=10) if student == "forest" else plain)
    assert export_onnx(found.model, tmp_path / "m.onnx", rows=TARGET)["check"]["largest_difference"] < 1e-6


def table(seed, shift=0.0):
    rng = np.random.default_rng(seed)
    start = datetime.datetime(1890, 1, 1)  # before 1970, and over a century that is no leap year
    days = [start + datetime.timedelta(days=float(d), seconds=int(s)) for d, s in zip(rng.random(N) * 60_000, range(N))]
    ages = rng.normal(40 + shift, 10, N)
    cities = rng.choice(["Bern", "Rom", "Oslo", "Wien"], N)
    return pl.DataFrame(
        {
            "id": [f"p{seed}{k}" for k in range(N)],
            "age": [None if k % 11 == 0 else float(a) for k, a in enumerate(ages)],
            "city": [None if k % 17 == 0 else str(c) for k, c in enumerate(cities)],
            "smokes": [None if k % 13 == 0 else bool(b) for k, b in enumerate(rng.random(N) < 0.5)],
            "day": days,
            "ward": [f"w{int(v)}" for v in rng.exponential(3, N)],
            "constant": [1.0] * N,
            "count": rng.integers(0, 9, N),
        }
    )


def on_tables():
    source, target = table(0), table(1, 5.0)
    encoder = TableEncoder(max_levels=4).fit(source, target=Domain(target))
    method = CORAL().fit(encoder.transform(source), Y, target=Domain(encoder.transform(target)))
    return TransferPipeline.from_fitted(Pipeline([("encode", encoder)]), method), target


def test_a_table_with_all_that_a_table_may_have(tmp_path):
    """Missing values, levels, rare levels, booleans, dates with year, month, weekday and hour: all in the graph."""
    model, target = on_tables()
    facts = export_onnx(model, tmp_path / "m.onnx", rows=target)
    assert facts["check"]["largest_difference"] < 1e-12
    assert facts["inputs"]["texts"]["columns"] == ["city", "ward"]
    assert facts["inputs"]["numbers"]["kinds"] == ["number", "bool", "date", "number", "number"]
    assert export_onnx(model, tmp_path / "made_up.onnx")["check"]["made_up"]
    exported = OnnxModel(tmp_path / "m.onnx")
    assert exported.columns == ["age", "smokes", "day", "constant", "count", "city", "ward"]
    shuffled = target.select(target.columns[::-1])
    np.testing.assert_allclose(exported.predict_proba(shuffled), model.predict_proba(target), atol=1e-12)
    new = target.with_columns(city=pl.lit("Paris"), ward=pl.lit("new"))
    np.testing.assert_allclose(exported.predict_proba(new), model.predict_proba(new), atol=1e-12)
    for bad, said in [
        (target.drop("age"), "'age'"),
        (target.with_columns(age=pl.lit("old")), "must hold number"),
        (target.with_columns(age=pl.lit(float("inf"))), "finite"),
    ]:
        with pytest.raises(DataError, match=said):
            exported.predict(bad)


def test_no_text_and_an_empty_text_are_two_things(tmp_path):
    rows = pl.DataFrame({"a": X[:, 0], "t": [["x", "x", "y", "z", None][k % 5] for k in range(N)]})
    encoder = TableEncoder(max_levels=2).fit(rows, target=Domain(rows))
    Z = encoder.transform(rows)
    model = TransferPipeline.from_fitted(Pipeline([("encode", encoder)]), CORAL().fit(Z, Y, target=Domain(Z)))
    export_onnx(model, tmp_path / "m.onnx", rows=rows)
    for text in ("", None, "new"):
        new = rows.with_columns(t=pl.lit(text, pl.String))
        np.testing.assert_allclose(
            OnnxModel(tmp_path / "m.onnx").predict_proba(new), model.predict_proba(new), atol=1e-12
        )
    rows = rows.with_columns(pl.col("t").fill_null(""))
    encoder = TableEncoder().fit(rows, target=Domain(rows))
    Z = encoder.transform(rows)
    model = TransferPipeline.from_fitted(Pipeline([("encode", encoder)]), CORAL().fit(Z, Y, target=Domain(Z)))
    with pytest.raises(DataError, match="empty text"):
        export_onnx(model, tmp_path / "n.onnx", rows=rows)


def test_an_estimator_that_knows_its_columns_by_name(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, Y)
    assert export_onnx(model, tmp_path / "m.onnx")["check"]["rows"] == 200
    other = frame.astype("float32")[list("dcba")]
    assert (OnnxModel(tmp_path / "m.onnx").predict(other) == model.predict(frame)).all()


def test_sparse_rows_behind_a_reduction(tmp_path):
    rows = sparse.random(N, 50, 0.2, format="csr", random_state=0)
    encoder = TableEncoder().fit(rows, target=Domain(rows))
    reduce = TruncatedSVD(5, random_state=0).fit(encoder.transform(rows))
    Z = reduce.transform(encoder.transform(rows))
    steps = Pipeline([("encode", encoder), ("reduce", reduce)])
    model = TransferPipeline.from_fitted(steps, CORAL().fit(Z, Y, target=Domain(Z + 0.1)))
    assert export_onnx(model, tmp_path / "m.onnx", rows=rows)["check"]["largest_difference"] < 1e-12


def test_the_file_says_what_it_is_and_its_bytes_do_not_change(tmp_path):
    model = coral()
    facts = export_onnx(model, tmp_path / "a.onnx", metadata={"verdict": "Adapt – gut"})
    assert export_onnx(model, tmp_path / "b.onnx", metadata={"verdict": "Adapt – gut"})["bytes"] == facts["bytes"]
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    said = json.loads({p.key: p.value for p in onnx.load(tmp_path / "a.onnx").metadata_props}["transferkit"])
    assert said["metadata"] == {"verdict": "Adapt – gut"}
    assert said["check"]["rows"] == 200
    assert said["classes"] == ["ash", "elm", "oak"]


def test_classes_find_their_columns_also_among_unsorted_ones():
    """An open-set method's class for the unknown stands last, whatever its name."""
    from onnxruntime import InferenceSession

    graph = Graph()
    own = Answer(np.array(["a", "z"]), proba=graph.constant(np.eye(2)), code=graph.constant([0, 1]))
    found = own.among(graph, np.array(["c", "z", "a"]))
    outputs = {"p": (found.proba, np.float64, (None, 3)), "code": (found.code, np.int64, (None,))}
    proba, code = InferenceSession(graph.model(outputs, {}).SerializeToString()).run(None, {})
    assert proba.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert code.tolist() == [2, 1]


def test_a_graph_that_differs_is_not_written(tmp_path, monkeypatch):
    class Off(OnnxModel):
        def answer(self, X):
            labels, proba = super().answer(X)
            return labels, proba + 1e-3

    monkeypatch.setattr(write, "OnnxModel", Off)
    with pytest.raises(DataError, match=r"by at most 1e-06\. Got 1\.00e-03 in 90 rows"):
        export_onnx(coral(), tmp_path / "m.onnx", rows=TARGET)
    assert export_onnx(coral(), tmp_path / "loose.onnx", rows=TARGET, tolerance=0.01)
    assert [p.name for p in tmp_path.iterdir()] == ["loose.onnx"]
    monkeypatch.setattr(Off, "answer", lambda self, X: (np.full(len(X), "ash"), OnnxModel.answer(self, X)[1]))
    with pytest.raises(DataError, match="labels"):
        export_onnx(coral(), tmp_path / "m.onnx", rows=TARGET)


def test_nodes_of_a_graph_are_no_rows_by_themselves(tmp_path):
    edges = np.stack([np.arange(N), (np.arange(N) + 3) % N])
    model = SimplifiedGraphConvolution().fit(X, Y, target=Domain(TARGET, edges=edges), edges=edges)
    steps = TransferPipeline.from_fitted(Pipeline([("scale", StandardScaler().fit(X))]), model)
    for part in (model, steps):
        with pytest.raises(DataError, match="must answer for rows by themselves"):
            export_onnx(part, tmp_path / "m.onnx")


def test_bad_arguments(tmp_path):
    model = coral()
    with pytest.raises(ParamError, match="fitted"):
        export_onnx(CORAL(), tmp_path / "m.onnx")
    with pytest.raises(ParamError, match="tolerance"):
        export_onnx(model, tmp_path / "m.onnx", tolerance=0)
    with pytest.raises(ParamError, match="JSON"):
        export_onnx(model, tmp_path / "m.onnx", metadata={"a": object()})
    with pytest.raises(DataError, match="folder"):
        export_onnx(model, tmp_path / "none/m.onnx")
    assert not list(tmp_path.iterdir())
    export_onnx(model, tmp_path / "m.onnx")
    with pytest.raises(DataError, match="there already"):
        export_onnx(model, tmp_path / "m.onnx")
    export_onnx(model, tmp_path / "m.onnx", overwrite=True)
    with pytest.raises(DataError, match="missing"):
        OnnxModel(tmp_path / "m.onnx").predict(np.full((1, 4), np.nan))
    with pytest.raises(DataError, match="at least one row"):
        OnnxModel(tmp_path / "m.onnx").predict(TARGET[:0])
    with pytest.raises(DataError, match=r"4 columns\. Got 5"):
        OnnxModel(tmp_path / "m.onnx").predict(np.ones((1, 5)))
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    with pytest.raises(DataError, match="ONNX model"):
        OnnxModel(tmp_path / "bad.onnx")
    with pytest.raises(DataError, match="cannot be read"):
        OnnxModel(tmp_path / "nothing.onnx")
