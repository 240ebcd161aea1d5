"""Models of several tasks, of a stream of tasks, and that learn to learn: what predict, export and serve do with each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import transferkit
from transferkit import Domain, ParamError, StreamingLDA, TraceNorm
from transferkit.cli.app import app
from transferkit.core.task_pipelines import ContinualPipeline, MetaPipeline, MultiTaskPipeline
from transferkit.data.encode import TableEncoder, columns_of
from transferkit.export import OnnxModel, export_onnx
from transferkit.serve import open_model

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
ROWS = pl.DataFrame({"a": RNG.normal(size=60) + 5 * Y, "b": RNG.normal(size=60) - 5 * (Y == 1)})
TASK = Domain(ROWS, np.array(["elm", "fir", "oak"])[Y], name="kind")
KINDS = {"a": "number", "b": "number"}
NO_LEARNER = r"MetaPipeline, a learner that has to learn a task first: `transferkit meta \.\.\. --support FILE`"
TOLD = "MultiTaskPipeline, which has to be told the task, as by `transferkit predict --task`"


def learner():
    pytest.importorskip("torch")
    from transferkit import PrototypicalNetworks, Training

    few = PrototypicalNetworks(
        n_way=2, k_shot=2, n_query=2, n_episodes=8, training=Training(n_epochs=1, progress=False), random_state=0
    )
    return MetaPipeline(TableEncoder(), few).fit([TASK])


def called(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def files(tmp_path):
    ROWS.write_csv(tmp_path / "rows.csv")
    ROWS.write_parquet(tmp_path / "rows.parquet")
    return tmp_path


@pytest.mark.parametrize("kind", ["stream", "adapted"])
def test_a_model_that_answers_for_one_task_is_predicted_served_and_exported(files, kind):
    pytest.importorskip("onnxruntime")
    model = (
        ContinualPipeline(TableEncoder(), StreamingLDA()).fit([TASK, replace(TASK, name="again")])
        if kind == "stream"
        else learner().adapt(TASK)
    )
    expected = model.predict(ROWS).tolist()
    assert columns_of(model) == KINDS
    transferkit.save(model, files / "model")
    served = open_model(files / "model")
    assert (served.kind, served.columns, served.has_proba) == ("table", KINDS, True)
    labels, proba = served.predict(ROWS)
    assert labels.tolist() == expected
    assert proba.shape == (60, 3)
    facts = export_onnx(model, files / "m.onnx", rows=ROWS)
    assert facts["check"]["labels_differ"] == 0
    assert OnnxModel(files / "m.onnx").predict(ROWS).tolist() == expected
    for more in (("rows.csv", "-o", files / "p.csv"), ("rows.parquet", "-o", files / "p.parquet", "--chunk-rows", 25)):
        said = called("predict", files / "model", files / more[0], *more[1:])
        assert said.exit_code == 0, said.output
    assert pl.read_csv(files / "p.csv")["prediction"].to_list() == expected
    assert pl.read_parquet(files / "p.parquet")["prediction"].to_list() == expected


@pytest.mark.parametrize(
    ("kind", "says"), [pytest.param("several", TOLD, id="several"), pytest.param("learner", NO_LEARNER, id="learner")]
)
def test_a_model_that_cannot_answer_alone_says_what_can_be_done(files, kind, says):
    several = [TASK, Domain(ROWS, ROWS["a"].to_numpy(), name="size")]
    model = MultiTaskPipeline(TableEncoder(), TraceNorm()).fit(several) if kind == "several" else learner()
    transferkit.save(model, files / "model")
    with pytest.raises(ParamError, match=f"serve: model must .*{says}"):
        open_model(files / "model")
    with pytest.raises(ParamError, match=f"export: model must .*{says}"):
        export_onnx(model, files / "m.onnx")
    predict = ("predict", files / "model", files / "rows.parquet", "-o", files / "p.parquet", "--chunk-rows", 25)
    with pytest.raises(ParamError, match=f"predict: model must .*{says}"):
        raise called(*predict).exception
    if kind == "several":
        assert columns_of(model) == KINDS
        says = r"predict: task must be one of kind, size \(--task NAME\)"
    with pytest.raises(ParamError, match=says):
        raise called("predict", files / "model", files / "rows.csv", "-o", files / "p.csv").exception
