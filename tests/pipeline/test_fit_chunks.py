"""A method fitted on Parquet folders in chunks, from the command line to the file of predictions."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from transferkit import CORAL, DataError, Domain, ParamError, TransferPipeline, store
from transferkit.cli.app import app
from transferkit.core.chunks import ArrayChunks
from transferkit.pipeline.fit_chunks import fit_on_files, predict_to_file


@pytest.fixture
def folders(tmp_path):
    """Two folders of Parquet files, and their rows; the columns of the target stand in another order."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=60)
    X = rng.normal(size=(60, 3)) + 2 * y[:, None]
    frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "ill": [["no", "yes"][k] for k in y]})
    moved = frame.select("c", (pl.col("b") * 3 + pl.col("c")), "ill", "a")
    for name, whole in (("lab", frame), ("clinic", moved)):
        (tmp_path / name).mkdir()
        whole[:25].write_parquet(tmp_path / name / "1.parquet", row_group_size=9)
        whole[25:].write_parquet(tmp_path / name / "2.parquet")
    return tmp_path / "lab", tmp_path / "clinic", frame, moved


def test_it_is_the_fit_in_memory(folders, tmp_path):
    lab, clinic, frame, moved = folders
    facts = fit_on_files(lab, clinic, "coral", {"reg": 0.5}, tmp_path / "fit", label="ill", chunk_rows=7)
    names = ["a", "b", "c"]
    inner = CORAL(reg=0.5, estimator=LogisticRegression(max_iter=1000))
    model = TransferPipeline([("scale", StandardScaler())], inner, fit_on="each")
    model.fit(frame[names].to_numpy(), frame["ill"].to_numpy(), target=Domain(moved[names].to_numpy()))
    saved = store.load(tmp_path / "fit" / "model")
    assert_allclose(saved.method_.coupling_, model.method_.coupling_, rtol=1e-8, atol=1e-12)
    rows = moved[names].to_numpy()
    assert_allclose(saved.predict_proba(rows), model.predict_proba(rows), atol=1e-6)
    assert facts["columns"] == names
    assert facts["score"] == np.mean(model.predict(rows) == moved["ill"].to_numpy())
    assert (facts["n_source"], facts["n_target"], facts["n_held_back"]) == (60, 60, 60)
    assert json.loads((tmp_path / "fit" / "fit.json").read_text()) == facts

    n = predict_to_file(tmp_path / "fit" / "model", clinic, tmp_path / "out.parquet", chunk_rows=11)
    written = pl.read_parquet(tmp_path / "out.parquet")
    assert n == written.height == 60
    assert written.columns == ["prediction", "probability_no", "probability_yes"]
    assert_array_equal(written["prediction"].to_numpy(), model.predict(rows))
    assert_allclose(written["probability_yes"], model.predict_proba(rows)[:, 1], atol=1e-6)


@pytest.mark.parametrize("fit_on", ["source", "pooled", "each"])
def test_transformers_before_a_method_learn_from_chunks(folders, fit_on):
    _, _, frame, moved = folders
    X, y, Xt = frame["a", "b"].to_numpy(), (frame["ill"] == "yes").to_numpy(), moved["a", "b"].to_numpy()
    made = TransferPipeline([("scale", StandardScaler())], CORAL(), fit_on=fit_on)
    memory = made.fit(X, y, target=Domain(Xt)).transform(Xt)
    chunks = made.fit(ArrayChunks(X, 7), y, target=Domain(ArrayChunks(Xt, 5))).transform(Xt)
    assert_allclose(chunks, memory, rtol=1e-8)


def test_numbers_are_a_regression(folders, tmp_path):
    frame = folders[2]
    frame.select("a", "b", y=pl.col("a") + 0.5 * pl.col("b")).write_parquet(tmp_path / "numbers.parquet")
    numbers = tmp_path / "numbers.parquet"
    facts = fit_on_files(numbers, numbers, "linear_monge", {}, tmp_path / "fit", label="y")
    assert facts["metric"] == "r2"
    assert facts["score"] > 0.99
    predict_to_file(tmp_path / "fit" / "model", numbers, tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet").columns == ["prediction"]


def test_what_does_not_fit_is_named(folders, tmp_path):
    lab, clinic, frame, _ = folders
    with pytest.raises(ParamError, match=r"as source_only, .*coral.* do\. Got 'tca'"):
        fit_on_files(lab, clinic, "tca", {}, tmp_path / "fit", label="ill")
    with pytest.raises(ParamError, match="kind must be one of"):
        fit_on_files(lab, clinic, "coral", {}, tmp_path / "fit", label="ill", kind="guess")
    with pytest.raises(ParamError, match="has the parameters reg"):
        fit_on_files(lab, clinic, "coral", {"magic": 1}, tmp_path / "fit", label="ill")
    (tmp_path / "fit" / "model").mkdir(parents=True)
    with pytest.raises(DataError, match="holds a model already"):
        fit_on_files(lab, clinic, "coral", {}, tmp_path / "fit", label="ill")
    frame.with_columns(ill=pl.lit(None, dtype=pl.String)).write_parquet(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="60 rows without"):
        fit_on_files(tmp_path / "none.parquet", clinic, "coral", {}, tmp_path / "new", label="ill")
    fit_on_files(lab, clinic, "coral", {}, tmp_path / "new", label="ill")
    frame.drop("b").write_parquet(tmp_path / "less.parquet")
    with pytest.raises(DataError, match="'b'"):
        predict_to_file(tmp_path / "new" / "model", tmp_path / "less.parquet", tmp_path / "out.parquet")
    frame.with_columns(a=pl.lit("much")).write_parquet(tmp_path / "text.parquet")
    frame.with_columns(a=pl.when(pl.col("a") > 0).then("a")).write_parquet(tmp_path / "hole.parquet")
    for name in ("text", "hole"):
        with pytest.raises(DataError, match=rf"{name}\.parquet: column 'a' must (be filled with|hold) numbers"):
            predict_to_file(tmp_path / "new" / "model", tmp_path / f"{name}.parquet", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_the_commands(folders, tmp_path):
    lab, clinic, *_ = folders
    run = CliRunner().invoke
    done = run(
        app, ["fit", "coral", str(lab), str(clinic), "-l", "ill", "--chunk-rows", "7", "-o", str(tmp_path / "f")]
    )
    assert done.exit_code == 0, done.output
    assert "on 60 held-back rows" in done.output
    out = tmp_path / "out.parquet"
    done = run(app, ["predict", str(tmp_path / "f"), str(clinic), "-o", str(out), "--chunk-rows", "7"])
    assert done.exit_code == 0, done.output
    assert pl.read_parquet(out).height == 60
    for wrong in (
        ["fit", "coral", str(lab), "--chunk-rows", "7"],
        ["fit", "coral", str(lab), str(clinic), "--shots", "1"],
    ):
        assert run(app, [*wrong, "--chunk-rows", "7"]).exit_code == 2


def test_a_model_that_was_fitted_in_memory_predicts_in_chunks(folders, tmp_path):
    """With its encoding of tables: a batch is a table with the same columns."""
    lab, clinic, _, moved = folders
    run = CliRunner().invoke
    done = run(app, ["fit", "coral", str(lab), str(clinic), "-l", "ill", "-o", str(tmp_path / "m")])
    assert done.exit_code == 0, done.output
    n = predict_to_file(tmp_path / "m" / "model", clinic, tmp_path / "out.parquet", chunk_rows=7)
    model = store.load(tmp_path / "m" / "model")
    assert_array_equal(pl.read_parquet(tmp_path / "out.parquet")["prediction"], model.predict(moved.drop("ill")))
    assert n == 60
