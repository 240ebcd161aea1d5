"""`transferkit fit` and `predict` on graphs in folders."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from transferkit import store
from transferkit.cli.app import app
from transferkit.data.readers import read


def graph(folder, seed, n=60):
    """Two classes that edges tell apart and features hardly do."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    one, other = np.nonzero(np.triu(rng.random((n, n)) < np.where(y[:, None] == y, 0.3, 0.02), 1))
    X = 0.5 * y[:, None] + rng.normal(size=(n, 4))
    folder.mkdir()
    names = [f"paper {k}" for k in rng.permutation(n)]
    nodes = pl.DataFrame({"id": names, **{f"x{j}": X[:, j] for j in range(4)}, "kind": ["ab"[c] for c in y]})
    nodes.write_csv(folder / "nodes.csv")
    pl.DataFrame({"source": [names[k] for k in one], "target": [names[k] for k in other]}).write_parquet(
        folder / "edges.parquet"
    )
    return str(folder)


@pytest.mark.parametrize(("method", "least"), [("simplified_graph_convolution", 0.85), ("coral", 0.5)])
def test_fit_and_predict_take_graphs(tmp_path, method, least):
    first, second, third = (graph(tmp_path / name, seed) for seed, name in enumerate("abc"))
    out = str(tmp_path / "run")
    done = CliRunner().invoke(app, ["fit", method, first, second, "--label", "kind", "-o", out, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["score"] > least
    for place in (second, third):
        done = CliRunner().invoke(app, ["predict", out, place, "-o", str(tmp_path / "p.csv"), "--json"])
        assert done.exit_code == 0, done.output
        truth = read(place, label="kind").y
        assert (pl.read_csv(tmp_path / "p.csv")["prediction"].to_numpy() == truth).mean() > least
    done = CliRunner().invoke(app, ["predict", out, str(tmp_path / "b" / "nodes.csv"), "-o", str(tmp_path / "q.csv")])
    assert (done.exit_code == 0) == (method == "coral")  # a model of rows takes them; one of graphs asks for the folder
    assert method == "coral" or "must be a graph for this model" in str(done.exception)
    target = read(second, label="kind")
    model = store.load(tmp_path / "run" / "model")
    more = {"edges": target.edges} if method != "coral" else {}
    assert (model.predict(target.X.drop("kind", strict=False), **more) == target.y).mean() > least


def test_rows_without_edges_are_refused(tmp_path):
    first = graph(tmp_path / "a", 0)
    table = str(tmp_path / "a" / "nodes.csv")
    done = CliRunner().invoke(app, ["fit", "simplified_graph_convolution", first, table, "--label", "kind"])
    assert done.exit_code
    assert "must be a graph for simplified_graph_convolution" in " ".join((done.output + str(done.exception)).split())
