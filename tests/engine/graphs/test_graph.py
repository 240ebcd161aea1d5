"""Graphs as networks see them: whole, in part, and as rows of the loop."""

import numpy as np
import torch
from scipy import sparse

from transferkit.engine.graphs import inference as graph_inference
from transferkit.engine.graphs.graph import Graph, NodeRows
from transferkit.engine.graphs.inference import all_nodes, some_nodes
from transferkit.engine.training.device import find_place
from transferkit.ops.graphs.links import convolution, mean_of_neighbours
from transferkit.ops.nn.graph_network import GraphNetwork

CPU = torch.device("cpu")


def made(n=50, thin=False):
    rng = np.random.default_rng(0)
    A = sparse.csr_matrix(sparse.random(n, n, 0.08, random_state=0, data_rvs=lambda k: np.ones(k)))
    X = rng.normal(size=(n, 6)).astype(np.float32)
    links = {"gcn": convolution(A), "mean": mean_of_neighbours(A)}
    return Graph(sparse.csr_matrix(X) if thin else X, links)


def test_a_part_of_a_graph_gives_what_the_whole_gives():
    """With all neighbours, and with two kinds of links that bring nodes of their own."""
    torch.manual_seed(0)
    nodes = np.array([3, 44, 7])
    for thin in (False, True):
        graph = made(thin=thin)
        for conv in ("gcn", "sage", "gat", "mlp"):
            network = GraphNetwork(6, 3, 8, 2, conv, head="conv").eval()
            whole = network(graph.whole(CPU))
            batch = graph.around(nodes, network.hops("target"), None, np.random.default_rng(0), CPU)
            torch.testing.assert_close(network(batch)[:3], whole[nodes], atol=1e-6, rtol=1e-5)


def test_prediction_in_pieces_is_prediction(monkeypatch):
    monkeypatch.setattr(graph_inference, "_CHUNK", 7)
    torch.manual_seed(0)
    graph, network, place = made(thin=True), GraphNetwork(6, 3, 8, 2, "gcn", dropout=0.5), find_place("cpu")
    for a, b in zip(all_nodes(network, graph, place), all_nodes(network, graph, place, in_pieces=True)):
        np.testing.assert_allclose(a, b, atol=1e-6)
    _, outputs = some_nodes(network, graph, np.array([4, 2]), place, None)
    np.testing.assert_allclose(outputs, all_nodes(network, graph, place)[1][[4, 2]])
    assert network.training, "its mode was to be left as it was"
    first, second = (some_nodes(network, graph, np.array([4, 2]), place, 2)[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_drawn_neighbours_keep_a_batch_small():
    graph = made(50)
    batch = graph.around(np.arange(5), 2, 1, np.random.default_rng(0), CPU)
    assert len(batch.nodes) <= 5 * (1 + 2 * 1 + 2 * 2)  # two kinds of links
    np.testing.assert_array_equal(batch.nodes[:5], np.arange(5))


def test_rows_of_nodes():
    graph, y = made(), torch.arange(50) % 3
    rows = NodeRows(graph, np.arange(50), y).take(np.array([5, 9, 11]))
    stream = next(iter(rows.batches([np.array([2, 0])])))
    assert stream.x.tolist() == [11, 5]
    assert stream.y.tolist() == [2, 2]
    rows.whole = True
    assert len(rows) == 1
    stream = next(iter(rows.batches([np.array([0])])))
    assert stream.x.tolist() == [[5, 9, 11]]
    assert stream.y.tolist() == [[2, 0, 2]]
    other = NodeRows(made(thin=True), np.arange(50), y)
    assert (
        len({rows.digest(), rows.take(np.array([0])).digest(), other.digest(), NodeRows(graph, rows.nodes).digest()})
        == 4
    )


def test_arrays_that_cannot_be_written_are_copied():
    """As those of a memory map: torch has a warning for them."""
    X = np.ones((50, 6), dtype=np.float32)
    thin = sparse.csr_matrix(X)
    for part in (X, thin.data, thin.indices, thin.indptr):
        part.setflags(write=False)
    for given in (X, thin):
        batch = Graph(given, made().links).whole(CPU)
        found = batch.x if given is X else batch.x.rows.to_dense()
        torch.testing.assert_close(found, torch.ones(50, 6))
    assert Graph(X, {}).X.flags.writeable
