"""Several tasks from files: columns and files as tasks, gains as they are defined, the model predicts raw rows, errors."""

import json
from importlib.util import find_spec

import numpy as np
import polars as pl
import pytest

import transferkit
from transferkit import DataError, DomainError, ParamError
from transferkit.core.task_pipelines import MultiTaskPipeline
from transferkit.pipeline.multi_task import learn_together

pytest.importorskip("torch")


def table(path, n=60, seed=0, missing=10):
    """A floor and a longitude that both follow from two numbers; some longitudes are missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    longitude = X[:, 0] + 2 * X[:, 1]
    frame = pl.DataFrame(
        {
            "a": X[:, 0],
            "b": X[:, 1],
            "phone": rng.choice(["old", "new"], size=n),
            "floor": np.where(X[:, 0] > 0, "up", "down"),
            "longitude": [None if k < missing else v for k, v in enumerate(longitude)],
        }
    )
    frame.write_csv(path)
    return str(path)


def test_columns_of_one_table(tmp_path):
    file = table(tmp_path / "wifi.csv")
    facts = learn_together("trace_norm", [file], tmp_path / "run", labels=["floor", "longitude"], epochs=3)
    assert json.loads((tmp_path / "run/multitask.json").read_text()) == facts
    floor, longitude = facts["tasks"]
    assert (floor["name"], floor["kind"], floor["rows"], floor["held_back"]) == ("floor", "classification", 42, 18)
    assert (longitude["kind"], longitude["metric"]) == ("regression", "root mean squared error")
    assert longitude["rows"] + longitude["held_back"] == 50  # ten are missing
    assert floor["gain"] == pytest.approx((floor["score"] - floor["alone"]) / floor["alone"], abs=1e-5)
    assert longitude["gain"] == pytest.approx((longitude["alone"] - longitude["score"]) / longitude["alone"], abs=1e-5)
    assert longitude["gain"] > 0.5  # a network of three epochs is far from exact, a linear model is not
    assert longitude["clear"]
    assert facts["delta_m"] == pytest.approx((floor["gain"] + longitude["gain"]) / 2, abs=1e-5)
    assert facts["suffer"] == [t["name"] for t in facts["tasks"] if t["gain"] < 0]
    model = transferkit.load(tmp_path / "run/model")
    assert isinstance(model, MultiTaskPipeline)
    assert model.tasks_ == ("floor", "longitude")
    rows = pl.read_csv(file)
    assert set(model.predict(rows, task="floor")) == {"up", "down"}
    assert model.score(rows[10:], rows["longitude"][10:].to_numpy(), task="longitude") > 0.99


def test_files_are_tasks_and_other_files_judge(tmp_path):
    files = [table(tmp_path / f"{name}.csv", seed=k, missing=0) for k, name in enumerate(["spring", "summer"])]
    tests = [table(tmp_path / f"{name}.csv", 20, seed=9, missing=0) for name in ("later", "latest")]
    facts = learn_together("trace_norm", files, tmp_path / "one", labels=["floor"], test=tests, epochs=1)
    assert [(t["name"], t["rows"], t["held_back"]) for t in facts["tasks"]] == [("spring", 60, 20), ("summer", 60, 20)]
    facts = learn_together("trace_norm", files, tmp_path / "two", labels=["floor", "longitude"], epochs=1)
    assert [t["name"] for t in facts["tasks"]] == [
        f"{f} {c}" for f in ("spring", "summer") for c in ("floor", "longitude")
    ]


def test_a_network_gets_its_settings_and_the_networks_alone_have_them_too(tmp_path):
    given = {"labels": ["floor", "longitude"], "model": "small:mlp?hidden=8", "balancing": "pcgrad", "epochs": 1}
    file = table(tmp_path / "wifi.csv")
    facts = learn_together("hard_sharing", [file], tmp_path / "run", params={"dropout": 0.1}, seed=3, **given)
    model = transferkit.load(tmp_path / "run/model").method_
    assert (model.backbone, model.balancing, model.dropout) == ("small:mlp?hidden=8", "pcgrad", 0.1)
    assert (model.training.n_epochs, model.random_state) == (1, 3)
    again = learn_together("hard_sharing", [file], tmp_path / "again", params={"dropout": 0.1}, seed=3, **given)
    assert again == facts
    alone = learn_together("single_task", [file], tmp_path / "alone", labels=["floor", "longitude"], epochs=1)
    assert [t["gain"] for t in alone["tasks"]] == [0, 0]
    assert alone["suffer"] == []
    assert facts["balancing"] == "pcgrad"
    assert facts["affinity"] is None
    assert alone["learning"]["together"] == alone["learning"]["alone"]
    assert [len(v) for v in facts["learning"]["together"].values()] == [1, 1]
    given["balancing"] = "equal"
    measured = learn_together("hard_sharing", [file], tmp_path / "measured", params={"affinity": True}, **given)
    assert measured["affinity"]["tasks"] == ["floor", "longitude"]
    assert np.shape(measured["affinity"]["matrix"]) == (2, 2)
    assert 'id="chart-affinity"' in (tmp_path / "measured/report.html").read_text()


def test_what_does_not_fit(tmp_path):
    file = table(tmp_path / "wifi.csv", 12, missing=0)

    def refused(error, words, method="trace_norm", sources=(file,), **options):
        with pytest.raises(error, match=words):
            learn_together(method, sources, tmp_path / "run", **{"labels": ["floor", "longitude"], **options})
        assert not (tmp_path / "run").exists()

    refused(ParamError, "'coral' follows Transfer", method="coral")
    refused(ParamError, "TraceNorm has the parameters reg, max_iter, tol. Got 'balancing'", balancing="equal")
    refused(ParamError, r"share must be a number in \(0, 1\)", share=1.0)
    refused(ParamError, "share must be left out where test names the rows", share=0.3, test=[file])
    refused(ParamError, "test must name one file for each of the 1 files. Got 2", test=[file, file])
    refused(ParamError, "labels must be columns that differ", labels=["floor", "floor"])
    refused(ParamError, "model must be left out for TraceNorm on a table", model="small:mlp")
    refused(DomainError, "two tasks at least: label columns, or files. Got 1", labels=["floor"])
    refused(DataError, "roof", labels=["floor", "roof"])
    pl.read_csv(file).select("floor", "longitude").write_csv(tmp_path / "bare.csv")
    refused(DataError, "must have columns beside the labels", sources=[str(tmp_path / "bare.csv")])


@pytest.mark.skipif(find_spec("timm") is None, reason="needs timm")
def test_a_linear_method_on_images_is_saved_with_what_makes_their_features(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    for folder in ("one", "two"):
        for k in range(12):
            (tmp_path / folder / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
            pixels = np.full((32, 32, 3), 20 * k, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / "ab"[k % 2] / f"{k}.png")
    sources = [str(tmp_path / folder) for folder in ("one", "two")]
    with pytest.raises(ParamError, match="model must be named for TraceNorm on images"):
        learn_together("trace_norm", sources, tmp_path / "run")
    learn_together("trace_norm", sources, tmp_path / "run", model="timm:test_resnet?pretrained=false", epochs=1)
    model = transferkit.load(tmp_path / "run/model")
    assert set(model.predict(transferkit.read(sources[0]).X, task="two")) <= {"a", "b"}
