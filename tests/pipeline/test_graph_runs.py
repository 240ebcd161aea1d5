"""`transferkit run` on graphs: noticed, tried, tested by known labels, and kept at source-only without them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from typer.testing import CliRunner

from transferkit import Domain, DomainError, ParamError, SimplifiedGraphConvolution, TransferTask, run
from transferkit.cli.app import app
from transferkit.pipeline import graph_methods
from transferkit.pipeline.define import define
from transferkit.pipeline.graph_methods import GRAPH_ANCHOR
from transferkit.pipeline.prepare import prepare

N = 60
QUICK = ["a2gnn", "simplified_graph_convolution"]


def graph(seed, n=N, several=False):
    """Two classes that edges tell apart and features hardly do; in a table beside their opposite, where nodes have several."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    one, other = np.nonzero(np.triu(rng.random((n, n)) < np.where(y[:, None] == y, 0.3, 0.02), 1))
    X = y[:, None] + rng.normal(size=(n, 4))
    labels = np.column_stack([y, 1 - y, rng.random(n) < 0.9]).astype(int) if several else np.where(y, "new", "old")
    return Domain(X, labels, edges=np.stack([one, other]), name=f"graph{seed}")


def folder(place, domain):
    place.mkdir()
    table = {"id": np.arange(N), **{f"x{j}": domain.X[:, j] for j in range(4)}, "age": domain.y}
    pl.DataFrame(table).write_csv(place / "nodes.csv")
    pl.DataFrame({"source": domain.edges[0], "target": domain.edges[1]}).write_csv(place / "edges.csv")
    return str(place)


def quick(**more):
    return TransferTask(sources=[graph(0)], target=graph(1), epochs=4, **{"methods": QUICK, **more})


def test_without_labels_source_only_stays_and_rows_in_dispute_are_asked_for(tmp_path):
    args = [folder(tmp_path / name, graph(k)) for k, name in enumerate("ab")]
    options = ["--label", "age", "--epochs", "3", "-m", "a2gnn"]
    said = CliRunner().invoke(app, ["run", *args, *options, "-o", str(tmp_path / "r")])
    assert said.exit_code == 0, said.output
    facts = json.loads((tmp_path / "r/run.json").read_text())
    assert facts["task"]["way"] == "graphs"
    assert facts["task"]["edges"]["source"] == graph(0).edges.shape[1]
    guard = facts["guard"]
    assert (guard["anchor"], guard["proposal"], guard["state"]) == (GRAPH_ANCHOR, "a2gnn-1", "keep")
    assert "has collapsed" in guard["reason"], "three epochs are too few for it, and that shows"
    assert "no independent rows" in guard["checks"][1]["says"]
    assert [c["id"] for c in facts["candidates"]] == ["gcn-1", "gcn-2", "a2gnn-1"]
    assert all(0 <= c["macro_f1"] <= 1 and c["status"] == "fitted" for c in facts["candidates"])
    assert "Only a2gnn-1 is held against source-only" in (tmp_path / "r/report.html").read_text()
    # New graphs, with the edges of their own.
    third = folder(tmp_path / "c", graph(2))
    said = CliRunner().invoke(app, ["predict", str(tmp_path / "r"), third, "-o", str(tmp_path / "p.csv")])
    assert said.exit_code == 0, said.output
    assert len(pl.read_csv(tmp_path / "p.csv")) == N
    # Labels of rows on which the two differ settle it.
    asked = guard["disputed"]["label_next"]
    truth = graph(1).y
    pl.DataFrame({"row": [r["row"] for r in asked], "label": [truth[r["row"]] for r in asked]}).write_csv(
        tmp_path / "l.csv"
    )
    if asked:
        said = CliRunner().invoke(app, ["run", "--resume", str(tmp_path / "r"), "--labels", str(tmp_path / "l.csv")])
        assert said.exit_code == 0, said.output
        assert "labels" in json.loads((tmp_path / "r/run.json").read_text())["guard"]


def test_known_labels_test_the_proposal(tmp_path):
    """Reversed features: the source's network is wrong, what learns from the target's labels is right."""
    source, target = graph(0), graph(1)
    target = Domain(1 - target.X, target.y, edges=target.edges, name="reversed")
    task = TransferTask(
        sources=[source], target=target, epochs=30, methods=["graph_label_propagation"], target_labels="few", shots=20
    )
    facts = run(task, out=tmp_path / "r").facts
    check = facts["guard"]["checks"][0]
    assert check["check"] == "lead"
    assert facts["guard"]["mode"] == "few labels"
    assert facts["guard"]["adapted"] == check["passed"]
    assert facts["task"]["target"]["n_held_back"] == N - 40


def test_several_labels_a_node(tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        domain = graph(seed, several=True)
        A = sparse.csr_matrix((np.ones(domain.edges.shape[1]), domain.edges), shape=(N, N)).toarray()
        np.savez(tmp_path / f"{name}.npz", features=domain.X, network=np.maximum(A, A.T), labels=domain.y)
    files = [str(tmp_path / f"{name}.npz") for name in "ab"]
    said = CliRunner().invoke(
        app, ["run", *files, "--epochs", "20", "-m", "simplified_graph_convolution", "-o", str(tmp_path / "r")]
    )
    assert said.exit_code == 0, said.output
    facts = json.loads((tmp_path / "r/run.json").read_text())
    assert facts["task"]["metric"] == "micro_f1"
    assert all({"score", "macro_f1"} <= c.keys() and c["score"] > 0.4 for c in facts["candidates"])
    low, high = facts["verdict"]["expected_interval"]
    assert low <= facts["verdict"]["expected"] <= high
    written = pl.read_csv(tmp_path / "r/predictions.csv")
    assert written.columns == [f"{what}_{k}" for what in ("label", "probability") for k in range(3)]
    said = CliRunner().invoke(app, ["predict", str(tmp_path / "r"), files[1], "-o", str(tmp_path / "p.csv")])
    assert said.exit_code == 0, said.output
    assert pl.read_csv(tmp_path / "p.csv").equals(written)
    options = ["--target-labels", "few", "--shots", "10", "-o", str(tmp_path / "f"), "--json"]
    said = CliRunner().invoke(app, ["fit", "simplified_graph_convolution", *files, *options])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["metric"] == "micro_f1"


@pytest.mark.parametrize(
    ("more", "kind", "says"),
    [
        ({"methods": ["a2gnn", "coral"]}, ParamError, "all be for graphs"),
        ({"methods": ["gtrans"]}, ParamError, r"starts from a trained network: transferkit\.GTrans"),
        ({"tune": 3}, ParamError, "tune must be left out where the domains are graphs"),
        ({"assume": "same-priors"}, ParamError, "must be left out where the domains are graphs"),
        ({"target": Domain(graph(1).X)}, DomainError, "must be a graph for a2gnn"),
        ({"sources": [graph(0), graph(2)]}, DomainError, "the source must be one graph"),
        ({"target": graph(1, several=True)}, DomainError, "must be of the source's form"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path, more, kind, says):
    given = {"sources": [graph(0)], "target": graph(1), "methods": QUICK, "epochs": 2, **more}
    with pytest.raises(kind, match=says):
        run(TransferTask(**given), out=tmp_path / "r")


def test_sparse_rows_stay_sparse(tmp_path):
    """Words of papers: networks take them as they are, and a resumed run knows them again."""
    domains = [replace(graph(k), X=sparse.csr_matrix(np.maximum(graph(k).X, 0))) for k in range(2)]
    task = TransferTask(sources=[domains[0]], target=domains[1], epochs=3, methods=["simplified_graph_convolution"])
    done = run(task, out=tmp_path / "r")
    assert not done.facts["prepare"]["notes"]
    again = run(task, out=tmp_path / "r", resume=True)
    assert again.facts == done.facts
    assert set(done.model.predict(domains[1].X)) <= {"new", "old"}


def test_a_gap_is_one_of_nodes(tmp_path):
    first, second = (folder(tmp_path / name, graph(k)) for k, name in enumerate("ab"))
    said = CliRunner().invoke(app, ["gap", first, second, "--label", "age", "--json"])
    assert said.exit_code == 0, said.output
    assert "auc" in json.loads(said.stdout)
    for name, k in (("a", 0), ("b", 1)):
        g = graph(k, several=True)
        np.savez(tmp_path / f"{name}.npz", features=g.X, edge_index=g.edges, labels=g.y)
    said = CliRunner().invoke(app, ["gap", str(tmp_path / "a.npz"), str(tmp_path / "b.npz")])
    assert "one label each" in str(said.exception)


def test_methods_for_tables_still_take_a_graph_as_its_rows(tmp_path):
    assert prepare(define(quick(methods=["coral"]))).edges is None
    assert prepare(define(quick(methods=None))).edges is not None
    several = TransferTask(sources=[graph(0, several=True)], target=graph(1, several=True), methods=["coral"])
    with pytest.raises(DomainError, match="must be the nodes of graphs"):
        run(several, out=tmp_path / "s")


def test_large_graphs_are_seen_in_pieces(monkeypatch):
    monkeypatch.setattr(graph_methods, "LARGE", N - 1)
    task = TransferTask(sources=[graph(0)], target=graph(1))
    found = {c.id: c for c in graph_methods.select_graphs(prepare(define(task)), task).candidates}
    for name in ("gcn-1", "grade-1"):
        assert found[name].build(0).n_neighbors == 5
        training = found[name].build(0).training
        assert (training.batch_size, training.n_epochs, training.progress) == (1024, 5, False)
    assert (found["simplified_graph_convolution-1"].skip, "whole graphs" in found["a2gnn-1"].skip) == ("", True)
    monkeypatch.setattr(graph_methods, "LARGE", N)
    found = {c.id: c for c in graph_methods.select_graphs(prepare(define(task)), task).candidates}
    assert not any(c.skip for c in found.values())
    assert found["a2gnn-1"].build(0).training.n_epochs == 200, "as many as its authors'"


@pytest.mark.parametrize("several", [False, True])
def test_the_guard_sees_a_collapse(tmp_path, monkeypatch, several):
    """A method that names one class for all nodes is said to have, before what else speaks against it."""
    one = np.eye(3, dtype=int)[np.zeros(N, dtype=int)]

    def predict_proba(self, X, edges=None):
        return np.tile([0.9, 0.1], (len(X), 1))

    monkeypatch.setattr(SimplifiedGraphConvolution, "predict_proba", predict_proba)
    if several:
        monkeypatch.setattr(SimplifiedGraphConvolution, "predict", lambda self, X, edges=None: one[: len(X)])
    domains = [graph(k, several=several) for k in range(2)]
    task = TransferTask(
        sources=[domains[0]], target=domains[1], epochs=30, methods=["simplified_graph_convolution"], seed=1
    )
    guard = run(task, out=tmp_path / "r").facts["guard"]
    assert [(c["check"], c["passed"]) for c in guard["checks"]] == [("spread", False), ("labels", False)]
    assert "the proposal has collapsed" in guard["reason"]
    assert not guard["adapted"]
