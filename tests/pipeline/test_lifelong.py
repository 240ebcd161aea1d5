"""Tasks from files: tables are encoded by the first, the model predicts raw rows, a stopped stream goes on, errors."""

import json
import pathlib

import numpy as np
import polars as pl
import pytest

import transferkit
from transferkit import DataError, DomainError, ParamError
from transferkit.core.task_pipelines import ContinualPipeline
from transferkit.pipeline.lifelong import _split, learn_files


@pytest.fixture
def tables(tmp_path):
    """Three seasons: the species of each differ in a number, a text column tells nothing."""
    rng = np.random.default_rng(0)
    for k, (name, species) in enumerate(
        {"spring": ["elm", "oak"], "summer": ["ash", "fir"], "autumn": ["oak", "yew"]}.items()
    ):
        y = np.arange(40) % 2
        frame = pl.DataFrame(
            {
                "height": 10.0 * k + 4 * y + rng.normal(size=40) * 0.5 + (10 if k == 2 else 0) * y,
                "age": rng.normal(size=40),
                "soil": rng.choice(["clay", "sand"], size=40),
                "species": np.array(species)[y],
            }
        )
        frame.write_csv(tmp_path / f"{name}.csv")
    return [str(tmp_path / f"{name}.csv") for name in ("spring", "summer", "autumn")]


def test_tables(tables, tmp_path):
    rows = []
    facts = learn_files(
        "streaming_lda", tables, tmp_path / "run", label="species", tell=lambda k, row: rows.append(row.tolist())
    )
    assert facts["tasks"] == ["spring", "summer", "autumn"]
    assert facts["matrix"] == np.round(rows, 6).tolist()
    assert facts["rows"] == [28] * 3
    assert facts["held_back"] == [12] * 3
    assert facts["learning_accuracy"] > 0.5
    assert json.loads((tmp_path / "run/lifelong.json").read_text()) == facts
    assert (tmp_path / "run/matrix.svg").read_text().startswith("<svg")
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "lifelong.json",
        "matrix.svg",
        "model",
        "report.html",
    ]
    model = transferkit.load(tmp_path / "run/model")
    assert isinstance(model, ContinualPipeline)
    predicted = model.predict(pl.read_csv(tables[1]).drop("species"), task="summer")
    assert set(predicted) <= {"ash", "fir"}
    assert model.classes_.tolist() == ["ash", "elm", "fir", "oak", "yew"]


def test_a_stopped_stream_goes_on(tables, tmp_path):
    def stop(k, row):
        if k == 1:
            raise KeyboardInterrupt

    whole = learn_files("streaming_ridge", tables, tmp_path / "whole", label="species", told=True, params={"reg": 2.0})
    given = {"label": "species", "told": True, "params": {"reg": 2.0}}
    with pytest.raises(KeyboardInterrupt):
        learn_files("streaming_ridge", tables, tmp_path / "cut", tell=stop, **given)
    assert (tmp_path / "cut/stream/model-1").is_dir()
    rows = pathlib.Path(tables[2]).read_text()
    pathlib.Path(tables[2]).write_text(rows.replace("clay", "loam"))
    with pytest.raises(DataError, match="must hold this very stream"):  # labels are the same, rows are not
        learn_files("streaming_ridge", tables, tmp_path / "cut", **given)
    pathlib.Path(tables[2]).write_text(rows)
    assert learn_files("streaming_ridge", tables, tmp_path / "cut", **given) == whole
    assert whole["matrix"][0][1] is None


def test_networks_get_their_settings(tables, tmp_path):
    pytest.importorskip("torch")
    facts = learn_files(
        "replay", tables[:2], tmp_path / "run", label="species", told=True, epochs=1, params={"memory_size": 9}, seed=4
    )
    model = transferkit.load(tmp_path / "run/model").method_
    assert (model.heads, model.training.n_epochs, model.random_state) == ("separate", 1, 4)
    assert facts["memory"] == 9


def test_what_does_not_fit(tables, tmp_path):
    def refused(error, words, method="streaming_lda", sources=tables, **options):
        with pytest.raises(error, match=words):
            learn_files(method, sources, tmp_path / "run", **{"label": "species", **options})

    refused(DomainError, r"at least two tasks\. Got 1", sources=tables[:1])
    refused(ParamError, "'coral' follows Transfer", method="coral")
    refused(ParamError, r"StreamingLDA has the parameters reg, priors\. Got 'regs'", params={"regs": 1})
    refused(ParamError, r"share must be a number in \(0, 1\)", share=1.0)
    refused(ParamError, "reg must be a number", params={"reg": -1.0})
    learn_files("streaming_lda", tables[:2], tmp_path / "done", label="species", share=0.999)  # a row is left to learn
    with pytest.raises(DataError, match="holds a model already"):
        learn_files("streaming_lda", tables, tmp_path / "done", label="species")


@pytest.mark.parametrize("n", [0, 1])
def test_a_task_has_rows_to_learn_and_to_judge(n):
    task = transferkit.Domain(np.zeros((3, 2)), np.array([0, 1, 0]), known=np.arange(3) < n, name="few")
    with pytest.raises(DomainError, match=f"few: a task must have two labelled rows at least. Got {n}"):
        _split(task, 0.3, 0)
