"""Graphs from tables and arrays: ids matched, edges kept, facts right, errors that name the ids."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse
from scipy.io import savemat
from typer.testing import CliRunner

from transferkit import DataError, Domain, read
from transferkit.cli.app import app
from transferkit.data.graphs import graph_facts, holds_graph, read_graph

NODES = "id,words,year,kind\n7,1,2001,x\n3,2,2002,y\n9,4,2003,x\n"


def folder(tmp_path, nodes=NODES, edges="source,target\n7,9\n9,3\n9,9\n", end="csv"):
    (tmp_path / f"nodes.{end}").write_text(nodes)
    (tmp_path / f"edges.{end}").write_text(edges)
    return tmp_path


def test_a_folder_is_a_graph_and_ids_become_rows(tmp_path):
    graph = read(folder(tmp_path), label="kind")
    assert graph.name == tmp_path.name
    assert graph.X.columns == ["words", "year"]
    assert graph.edges.tolist() == [[0, 2, 2], [2, 1, 2]]
    assert graph.y.tolist() == ["x", "y", "x"]


@pytest.mark.parametrize("ids", [("a", "b", "c"), ("1.0", "2.0", "3.0"), (" a1", "b 2 ", "x")])
def test_ids_of_any_type_and_weights(tmp_path, ids):
    nodes = "node,words\n" + "".join(f"{i},{k}\n" for k, i in enumerate(ids))
    links = f"weight,dst,src\n0.5,{ids[0]},{ids[1]}\n2,{ids[1]},{ids[2]}\n1,{ids[0]},{ids[1]}\n"
    graph = read_graph(folder(tmp_path, nodes, links))
    expected = np.zeros((3, 3))
    expected[1, 0], expected[2, 1] = 1.5, 2
    np.testing.assert_array_equal(graph.edges.toarray(), expected)
    assert graph.y is None


def test_parquet_and_another_id(tmp_path):
    pl = pytest.importorskip("polars")
    pl.DataFrame({"paper": [11, 12], "x": [0.5, 1.5], "y": ["a", None]}).write_parquet(tmp_path / "papers.parquet")
    pl.DataFrame({"citing": [12], "cited": [11]}).write_parquet(tmp_path / "links.parquet")
    graph = read_graph(tmp_path / "papers.parquet", tmp_path / "links.parquet", id_column="paper", label="y")
    assert graph.edges.tolist() == [[1], [0]]
    assert graph.known.tolist() == [True, False]


@pytest.mark.parametrize(
    ("nodes", "edges", "said"),
    [
        (NODES, "source,target\n7,8\n5,9\n", r"column 'source' must hold ids of nodes.csv only. Got 1 .*: '5'"),
        (NODES, "source,target\n7,8\n7,1\n", r"column 'target' must hold ids .* Got 2 .*: '8', '1'"),
        (NODES, "source\n7\n", "must have columns source and target"),
        (NODES, "source,target,weight\n7,9,heavy\n", "column 'weight' must hold a number in every row"),
        (NODES.replace("3,2", "7,2"), "source,target\n7,9\n", "ids must differ. Got more than once: '7'"),
        (NODES.replace("id", "name"), "source,target\n7,9\n", "id_column must name a column. Got 'id'"),
        ("id,kind\n7,x\n", "source,target\n7,7\n", "must have a feature beside id and label"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, nodes, edges, said):
    with pytest.raises(DataError, match=said):
        read_graph(folder(tmp_path, nodes, edges), label="kind")


@pytest.mark.parametrize("header", ["source,target\n", "source,target,weight"])
def test_a_header_alone_is_a_graph_without_edges(tmp_path, header):
    (tmp_path / "nodes.csv").write_text("id,x,y\na,1,0\nb,2,1\n")
    (tmp_path / "edges.csv").write_text(header)
    facts = graph_facts(read(tmp_path, label="y"))
    assert (facts["nodes"], facts["edges"], facts["isolated"]) == (2, 0, 2)


def test_files_of_arrays(tmp_path):
    A = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 2], [0, 2, 0.0]]))
    X, several = np.arange(12.0).reshape(3, 4), np.array([[1, 0], [1, 1], [0, 1]])
    savemat(tmp_path / "a.mat", {"network": A, "attrb": X, "group": several})
    savemat(tmp_path / "b.mat", {"network": A, "attrb": X, "group": np.eye(3)[[2, 0, 1]]})
    np.savez(tmp_path / "c.npz", edge_index=np.array([[0, 1], [1, 2]]), x=X, y=np.array([4, 5, 4]))
    parts = {f"adj_{k}": getattr(A, k) for k in ("data", "indices", "indptr", "shape")}
    np.savez(tmp_path / "d.npz", **parts, x=X, labels=np.array(["p", "q", "p"]))
    a, b, c, d = (read(tmp_path / name) for name in ("a.mat", "b.mat", "c.npz", "d.npz"))
    assert a.y.tolist() == several.tolist()
    assert b.y.tolist() == [2, 0, 1]
    assert c.edges.tolist() == [[0, 1], [1, 2]]
    assert d.y.tolist() == ["p", "q", "p"]
    for graph in (a, b, d):
        np.testing.assert_array_equal(graph.edges.toarray(), A.toarray())
    np.testing.assert_array_equal(c.X, X)
    np.savez(tmp_path / "e.npz", edge_index=np.array([[0, 1], [1, 3]]), x=X, y=np.array([4, 5, 4]))
    with pytest.raises(DataError, match=r"e.npz: 'edge_index' must hold node numbers from 0 to 2\."):
        read(tmp_path / "e.npz")
    np.savez(tmp_path / "f.npz", x=X)
    assert not holds_graph(tmp_path / "f.npz")
    with pytest.raises(DataError, match="must hold a network"):
        read_graph(tmp_path / "f.npz")
    with pytest.raises(DataError, match="edges must name the table of edges"):
        read_graph(tmp_path / "g.csv")


def test_facts_of_a_graph(tmp_path):
    edges = np.array([[0, 1, 1, 2, 0, 1], [1, 0, 2, 1, 1, 1]])  # 0-1 (also twice), 1-2, a loop; 3 alone
    facts = graph_facts(Domain(np.zeros((4, 2)), np.array([0, 0, 1, 1]), edges=edges))
    assert facts == {
        "nodes": 4, "edges": 2, "directed": False, "loops": 1, "isolated": 1,
        "mean_degree": 1.0, "largest_degree": 2, "homophily": 0.5,
    }  # fmt: skip
    several = np.array([[1, 0], [1, 1], [0, 1], [0, 1]])
    assert graph_facts(Domain(np.zeros((4, 2)), several, edges=edges))["homophily"] == 1
    assert graph_facts(Domain(np.zeros((4, 2)), edges=edges[:, 2:3]))["directed"]
    assert graph_facts(Domain(np.zeros((4, 2)), edges=sparse.csr_matrix((4, 4))))["homophily"] is None
    with pytest.raises(DataError, match="must be between the 2 nodes"):
        graph_facts(Domain(np.zeros((2, 2)), edges=edges, name="g"))
    with pytest.raises(DataError, match="must be a graph"):
        graph_facts(Domain(np.zeros((2, 2))))


def test_the_command_tells_them(tmp_path):
    place = str(folder(tmp_path))
    shown = CliRunner().invoke(app, ["data", "graph", place, "--label", "kind", "--json"])
    assert json.loads(shown.stdout)["homophily"] == 0.5
    shown = CliRunner().invoke(app, ["data", "graph", place])
    assert "homophily: unknown" in shown.stdout
    assert "edges: 2" in shown.stdout
