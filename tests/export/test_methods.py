"""Every method on vectors goes into a graph without a word about graphs in its file."""

import warnings

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline

from transferkit import CORAL, DataError, Domain, OpenSetRejection, SourceOnly, TransferPipeline, catalogue
from transferkit.core.base import ProbabilityTransfer
from transferkit.core.vote import Vote
from transferkit.data.encode import TableEncoder
from transferkit.export import OnnxModel, export_onnx

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
Y = np.array(["ash", "elm", "oak"])[np.arange(60) % 3]
X = RNG.normal(size=(60, 4))
X[np.arange(60), np.arange(60) % 3] += 2
TARGET = 1.3 * X + 0.5
KNOWN = np.arange(60) < 24
CARDS = [
    c
    for c in catalogue.cards().values()
    if c.protocol == "Transfer" and c.cost != "epochs" and not c.needs and "vectors" in c.data
]
MODELS = {
    "classification": {
        "linear": LogisticRegression(),
        "nearest": KNeighborsClassifier(1),
        "forest": ExtraTreesClassifier(5, min_samples_leaf=2, random_state=0),
    },
    "regression": {
        "linear": Ridge(),
        "nearest": KNeighborsRegressor(5),
        "forest": ExtraTreesRegressor(5, min_samples_leaf=2, random_state=0),
    },
}


def fitted(card, params, X=X, target=TARGET, task=None):
    task = task or ("classification" if "classification" in card.tasks else "regression")
    y = Y if task == "classification" else np.arange(60) % 7 * 1.0
    unlabelled = "unsupervised" in card.settings or "label_shift" in card.settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = Domain(target) if unlabelled else Domain(target, y, known=KNOWN)
        return catalogue.load(card.name)(**params).fit(X, y, target=given)


@pytest.mark.parametrize("card", CARDS, ids=lambda c: c.name)
def test_a_method_on_vectors(card, tmp_path):
    model, file = fitted(card, getattr(catalogue.load(card.name), "_test_params", {})), tmp_path / "model.onnx"
    facts = export_onnx(model, file, rows=TARGET[:40] * 1.1)
    assert facts["check"]["largest_difference"] < 1e-6
    assert not facts["check"]["labels_differ"]
    other = RNG.normal(size=(7, 4))
    if hasattr(model, "predict_proba"):
        np.testing.assert_allclose(OnnxModel(file).predict_proba(other), model.predict_proba(other), atol=1e-6)
    if hasattr(model, "classes_"):
        assert (OnnxModel(file).predict(other) == model.predict(other)).all()
    else:
        np.testing.assert_allclose(OnnxModel(file).predict(other), model.predict(other), rtol=1e-6)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_vote_of_all_that_run_tries_on_a_table(task, tmp_path):
    """Every setting that `run` tries by itself, behind the encoder of tables: gaps, texts and rows that are there twice."""
    table = pl.DataFrame(
        {f"x{k}": [None if (i + k) % 13 == 0 else float(v) for i, v in enumerate(X[:, k])] for k in range(4)}
        | {"city": [["Bern", "Rom", None, "Wien"][k % 4] for k in range(60)]}
    )
    target = table.with_columns(x0=pl.col("x0") * 2 + 1)
    target = pl.concat([target[:59], target[:1]])
    encoder = TableEncoder().fit(table, target=Domain(target))
    Zs, Zt = encoder.transform(table), encoder.transform(target)
    members = []
    for card in CARDS:
        for setting in card.portfolio if task in card.tasks else ():
            inner = MODELS[task][setting.get("estimator", "linear")]
            least = {"n_components": min(3, setting["n_components"])} if "n_components" in setting else {}
            members.append(fitted(card, setting | least | {"estimator": inner}, Zs, Zt, task))
    assert len(members) > 20
    front = Pipeline([("encode", encoder)])
    vote = Vote([TransferPipeline.from_fitted(front, m) for m in members])
    facts = export_onnx(vote, tmp_path / "m.onnx", rows=target)
    assert facts["check"]["largest_difference"] < 1e-6
    assert facts["check"]["labels_differ"] == 0
    new = target.with_columns(city=pl.lit("Oslo"), x1=None)
    said = "predict_proba" if task == "classification" else "predict"
    np.testing.assert_allclose(getattr(OnnxModel(tmp_path / "m.onnx"), said)(new), getattr(vote, said)(new), atol=1e-6)


def test_a_rejected_row_is_unknown_in_the_graph_too(tmp_path):
    model = OpenSetRejection(estimator=CORAL(), threshold=0.6).fit(X, Y, target=Domain(TARGET))
    facts = export_onnx(model, tmp_path / "m.onnx", rows=TARGET)
    assert facts["check"]["largest_difference"] < 1e-9
    assert "unknown" in OnnxModel(tmp_path / "m.onnx").predict(TARGET)


class Ranked(ProbabilityTransfer):
    """Says of a row what depends on the rows beside it."""

    def _fit(self, data):
        self.inner_ = SourceOnly().fit(data.Xs, data.ys, target=Domain(data.Xt))

    def _proba(self, X):
        return self.inner_.predict_proba(X - X.mean(axis=0))


def test_what_depends_on_the_rows_beside_it_is_said_and_not_exported(tmp_path):
    model = Ranked().fit(X, Y, target=Domain(TARGET))
    Ranked.__module__ = "transferkit.algorithms.feature.ranked"
    with pytest.raises(DataError, match=r"Ranked: a sum over all rows\..*--distil"):
        export_onnx(model, tmp_path / "m.onnx", rows=TARGET)
    assert not list(tmp_path.iterdir())
